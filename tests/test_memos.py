"""The rewriter's training: memos that hold, targets that match decoding, fair measures."""

from __future__ import annotations

import json
import math
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from audio_chain import weights
from audio_chain.brief import stated_alone
from audio_chain.models import resolve
from audio_chain.rewrite import model_folder
from audio_chain.rewrite.schema import parse_answer
from audio_chain.vocabulary import GENRES, MOODS, TEMPOS
from training.rewriter.augment import mumble, vary
from training.rewriter.baselines import KeywordBaseline
from training.rewriter.compose import Composer, load_cues
from training.rewriter.data import (
    MEMOS,
    Memo,
    MemoError,
    check,
    heldout,
    load_memos,
    similar_pairs,
    training,
)
from training.rewriter.evaluate import Outcome, summarize
from training.rewriter.naming import kept, same_instrument
from training.rewriter.recipe import Recipe, epoch_examples, split
from training.rewriter.targets import WEIGHTS, Example, collate, encode

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerBase


@pytest.fixture(scope="module")
def all_memos() -> list[Memo]:
    """The hand-written memos."""
    return load_memos()


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    """SmolLM2's."""
    from transformers import AutoTokenizer

    try:
        folder = model_folder(resolve("smollm2-135m", "rewrite"))
    except weights.WeightsError as error:
        pytest.skip(f"SmolLM2-135M is not cached and can't be fetched: {error}")
    loaded: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
    return loaded


def test_memos_hold(all_memos: list[Memo]) -> None:
    check(all_memos)
    assert len(training(all_memos)) >= 320
    assert len(heldout(all_memos)) >= 80
    for field, options in (("genre", GENRES), ("mood", MOODS), ("tempo", TEMPOS)):
        for memos in (training(all_memos), heldout(all_memos)):
            answers = {answer for memo in memos for answer in getattr(memo, field)}
            assert answers == set(options), field


def test_nothing_held_out_is_among_the_cues(all_memos: list[Memo]) -> None:
    """A cue of several words may not stand in a held-out memo."""
    said = " | ".join(_plain(memo.memo) for memo in heldout(all_memos))
    for field in ("genre", "mood", "tempo"):
        for phrases in load_cues(field).values():
            for phrase in phrases:
                assert len(phrase.split()) < 4 or _plain(phrase) not in said, phrase


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9']+", text.lower()))


def test_cues_cover_the_vocabulary() -> None:
    for field, options in (("genre", GENRES), ("mood", MOODS), ("tempo", TEMPOS)):
        cues = load_cues(field)
        assert set(cues) == set(options)
        phrases = [phrase for group in cues.values() for phrase in group]
        assert all(isinstance(phrase, str) for phrase in phrases)
        assert len(set(phrases)) == len(phrases)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"genre": ["polka"]}, "polka"),
        ({"mood": []}, "mood"),
        ({"tempo": ["slow", "slow"]}, "tempo"),
        ({"instruments": [], "named": []}, "instruments"),
        ({"avoid": ["a", "b", "c", "d"]}, "avoid"),
        ({"instruments": ["Piano!"]}, "piano!"),
        ({"description": "one two three four five six seven eight nine ten " * 2}, "16"),
        ({"memo": "too short"}, "15 to 1500"),
        ({"heldout": "no"}, "heldout"),
    ],
)
def test_a_wrong_memo_is_refused_by_line(
    change: dict[str, object], named: str, tmp_path: Path
) -> None:
    lines = (MEMOS / "part-a.jsonl").read_text(encoding="utf-8").splitlines()
    broken = json.dumps(json.loads(lines[1]) | change)
    (tmp_path / "x.jsonl").write_text(f"{lines[0]}\n{broken}\n", encoding="utf-8")
    with pytest.raises(MemoError, match=f"x.jsonl line 2.*(?i:{re.escape(named)})"):
        load_memos(tmp_path)


def test_near_duplicates_are_found(all_memos: list[Memo]) -> None:
    one = all_memos[0]
    twin = Memo(**{**vars(one), "id": "twin", "memo": one.memo + " thank you"})
    assert [(a.id, b.id) for a, b, _ in similar_pairs([one, twin])] == [(one.id, "twin")]
    with pytest.raises(MemoError, match="nearly the same"):
        check([one, twin])


def test_validation_is_neither_trained_on_nor_held_out(all_memos: list[Memo]) -> None:
    learning, validation = split(all_memos, Recipe())
    ids = [{memo.id for memo in memos} for memos in (learning, validation, heldout(all_memos))]
    assert sum(map(len, ids)) == len(set().union(*ids)) == len(all_memos)
    assert split(all_memos, Recipe(seed=5)) == (learning, validation)


def test_validation_memos_stay_the_same_when_memos_are_added(all_memos: list[Memo]) -> None:
    more = Memo(**{**vars(training(all_memos)[0]), "id": "a000"})
    _, validation = split(all_memos, Recipe(validation=104))
    assert split([more, *all_memos], Recipe(validation=104))[1] == validation
    assert {memo.genre[0] for memo in validation} == set(GENRES)
    with pytest.raises(MemoError, match="105 validation memos asked for"):
        split(all_memos, Recipe(validation=105))


def test_what_the_rule_finds_alone_is_alone(all_memos: list[Memo]) -> None:
    found = [(memo, stated_alone(memo.memo)) for memo in training(all_memos)]
    alone = [(memo, name) for memo, name in found if name is not None]
    assert len(alone) > 30
    for memo, name in alone:
        assert kept([name], memo.instruments) == [True], memo.id
        assert len(memo.instruments) == 1, memo.id


def test_an_instrument_asked_for_alone_is_answered_alone(all_memos: list[Memo]) -> None:
    solos = [memo for memo in all_memos if "solo" in memo.description.lower()]
    alone = [memo for memo in solos if memo.named and len(memo.instruments) == 1]
    assert len(alone) >= 70
    assert len({memo.instruments for memo in alone}) >= 30
    for memo in alone:
        assert memo.named == memo.instruments


def test_epochs_are_repeatable_and_valid(all_memos: list[Memo]) -> None:
    learning, _ = split(all_memos, Recipe())
    recipe = Recipe(composed=50)
    examples = epoch_examples(learning[:50], recipe, 1)
    assert examples == epoch_examples(learning[:50], recipe, 1)
    assert examples != epoch_examples(learning[:50], recipe, 2)
    assert len(examples) == 100
    for example in examples:
        assert parse_answer(example.answer.to_json()) == example.answer


def test_varied_memos_keep_their_named_instruments(all_memos: list[Memo]) -> None:
    rng = random.Random(3)
    for memo in training(all_memos)[:200]:
        example = vary(memo, rng, preferred=0.6)
        assert example.answer.genre in memo.genre
        assert example.answer.mood in memo.mood
        said = example.memo.lower()
        for name in example.answer.instruments[: len(memo.named)]:
            if name not in memo.named:  # swapped: then the memo says the new one
                assert name in said


def test_composed_memos_say_what_they_name(all_memos: list[Memo]) -> None:
    composer, rng = Composer(training(all_memos)), random.Random(4)
    for _ in range(200):
        example = composer.compose(rng)
        assert example.weights["description"] == 0
        assert example.weights["genre"] > 0
        assert not set(example.answer.avoid) & set(example.answer.instruments)


def test_mumbling_keeps_long_words() -> None:
    rng, text = random.Random(0), "Something gentle with a nylon guitar, maybe."
    for _ in range(50):
        words = re.findall(r"\w+", mumble(text, rng).lower())
        assert {"something", "gentle", "with", "nylon", "guitar", "maybe"} <= set(words)


def test_targets_weigh_values_only(tokenizer: PreTrainedTokenizerBase) -> None:
    from audio_chain.rewrite.prompt import PromptEncoder
    from prompts import rewriter_prompt

    encoder = PromptEncoder(tokenizer, rewriter_prompt("tuned"))
    answer = parse_answer(
        '{"genre":"lo-fi hip hop","mood":"calm","tempo":"slow","instruments":["electric piano"],'
        '"avoid":[],"description":"calm beat"}'
    )
    item = encode(Example("play something", answer), encoder, tokenizer)
    prompt = encoder.prefix + encoder.continuation("play something")
    assert item.ids[: len(prompt)] == prompt
    assert tokenizer.decode(item.ids[len(prompt) :]) == answer.to_json()
    assert len(item.ids) == len(item.weights)

    def weighed(field: str) -> str:
        pairs = zip(item.ids, item.weights, strict=True)
        return str(tokenizer.decode([token for token, w in pairs if w == WEIGHTS[field]]))

    assert '"genre' not in weighed("genre")
    assert weighed("genre").startswith("lo-fi hip hop")
    assert "electric piano" in weighed("instruments")
    assert weighed("description").startswith("calm beat")
    short = encode(Example("x", answer, dict(WEIGHTS) | {"description": 0.0}), encoder, tokenizer)
    assert "beat" not in tokenizer.decode(short.ids)


def test_training_tokens_are_what_decoding_forces(tokenizer: PreTrainedTokenizerBase) -> None:
    """The decoder must feed the model the tokens it was trained on."""
    from audio_chain.rewrite.constraint import SchemaConstraint
    from audio_chain.rewrite.schema import answer_schema

    constraint = SchemaConstraint(tokenizer, answer_schema(), len(tokenizer))
    for memo in load_memos()[:60]:
        tokens = tokenizer.encode(memo.answer().to_json(), add_special_tokens=False)
        constraint.restart()
        position = 0
        while position < len(tokens):
            must = constraint.forced()
            assert must == tokens[position : position + len(must)]
            position += len(must)
            if position < len(tokens):
                assert constraint.allowed()[tokens[position]]
                constraint.take(tokens[position])
                position += 1
        assert constraint.finished


def tiny_llama(tokenizer: PreTrainedTokenizerBase, spread: float) -> LlamaForCausalLM:
    """A random Llama of one narrow layer, its weights drawn with standard deviation `spread`."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        initializer_range=spread,
    )
    model: LlamaForCausalLM = LlamaForCausalLM(config).eval()
    return model


def test_field_scores_match_reading_each_answer_alone(
    tokenizer: PreTrainedTokenizerBase, all_memos: list[Memo]
) -> None:
    import torch

    from audio_chain.rewrite.prompt import PromptEncoder
    from prompts import rewriter_prompt
    from training.rewriter.fields import score_fields

    model = tiny_llama(tokenizer, 0.5)
    encoder = PromptEncoder(tokenizer, rewriter_prompt("tuned"))
    memos = all_memos[:3]
    scores = score_fields(model, tokenizer, encoder, memos)
    right, surprise = 0, 0.0
    for memo in memos:
        prompt = encoder.prefix + encoder.continuation(memo.memo)
        logs = {}
        for genre in GENRES:
            answer = tokenizer.encode(f'{{"genre":"{genre}","mood":', add_special_tokens=False)
            with torch.inference_mode():
                out = model(torch.tensor([prompt + answer])).logits[0].log_softmax(-1)
            logs[genre] = sum(
                float(out[len(prompt) + i - 1, token]) for i, token in enumerate(answer)
            )
        right += max(logs, key=logs.__getitem__) in memo.genre
        mass = sum(math.exp(logs[genre]) for genre in memo.genre)
        surprise -= math.log(mass / sum(map(math.exp, logs.values())))
    assert scores.accuracy["genre"] == pytest.approx(right / 3)
    assert scores.surprise["genre"] == pytest.approx(surprise / 3, rel=1e-3)


def test_gradient_does_not_depend_on_how_many_are_read_at_once(
    tokenizer: PreTrainedTokenizerBase, all_memos: list[Memo]
) -> None:
    import torch

    from audio_chain.rewrite.prompt import PromptEncoder
    from prompts import rewriter_prompt
    from training.rewriter.train import accumulate

    model = tiny_llama(tokenizer, 0.02)
    encoder = PromptEncoder(tokenizer, rewriter_prompt("tuned"))
    batch = [encode(Example(m.memo, m.answer()), encoder, tokenizer) for m in all_memos[:4]]
    results = []
    for at_once in (1, 3, 4):
        model.zero_grad()
        loss = accumulate(model, batch, at_once)
        gradient = model.model.layers[0].mlp.up_proj.weight.grad
        assert gradient is not None
        results.append((loss, gradient.clone()))
    for loss, gradient in results[1:]:
        assert loss == pytest.approx(results[0][0], rel=1e-4)
        torch.testing.assert_close(gradient, results[0][1], rtol=1e-3, atol=1e-6)
    tensors = collate(batch, torch.device("cpu"))
    assert tensors["ids"].shape == tensors["mask"].shape == tensors["weights"].shape


@pytest.mark.parametrize(
    ("named", "answered", "same"),
    [
        ("drums", "drums", True),
        ("guitar", "acoustic guitar", True),
        ("acoustic guitar", "guitar", False),
        ("saxophone", "tenor sax", True),
        ("sax", "saxophone", True),
        ("piano", "electric piano", False),
        ("piano", "grand piano", True),
        ("horns", "french horn", True),
        ("kick", "drums", True),
        ("double bass", "upright bass", True),
        ("strings", "slow strings", True),
        ("violin", "viola", False),
        ("Violins", "violin", True),
        ("bass", "brass section", False),
    ],
)
def test_same_instrument(named: str, answered: str, same: bool) -> None:
    assert same_instrument(named, answered) is same
    assert kept([named], ["kazoo", answered]) == [same]


def test_summary(all_memos: list[Memo]) -> None:
    perfect = [Outcome(memo, memo.answer(), 1.0) for memo in heldout(all_memos)]
    summary = summarize(perfect)
    for field in ("genre", "mood", "tempo", "instruments_kept"):
        assert summary[field] == {"share": 1.0, "interval": [1.0, 1.0]}
    other = perfect[0].answer
    summary = summarize([Outcome(memo, other, 2.0) for memo in heldout(all_memos)])
    low, high = summary["genre"]["interval"]
    assert low < summary["genre"]["share"] < high < 0.5
    assert summary["seconds"] == 2.0


def test_keyword_baseline(all_memos: list[Memo]) -> None:
    baseline = KeywordBaseline(training(all_memos))
    answer = baseline.answer("a sad slow waltz with an accordion, no drums please")
    assert (answer.genre, answer.mood, answer.tempo) == ("waltz", "melancholic", "slow")
    assert answer.instruments[0] == "accordion"
    assert answer.avoid == ("drums",)
    assert parse_answer(answer.to_json()) == answer
