"""Rehearsal: an adapter learns its style, and ordinary prompts are answered as they were."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from counting_pieces import counting
from lora_adapters import with_adapter
from musicgen_models import saved, tiny, tokenizer

from audio_chain import models
from audio_chain.errors import ChainError
from audio_chain.finetune.adapting import adapt, learnt, unadapted
from audio_chain.finetune.musicgen import delayed
from audio_chain.finetune.ordinary import ordinary_prompts
from audio_chain.finetune.preparing import Prepared
from audio_chain.finetune.recipe import Recipe
from audio_chain.finetune.rehearsal import REHEARSED, rehearse
from audio_chain.finetune.trainee import Piece, load_trainee
from audio_chain.finetune.training import train
from audio_chain.generate import GenerationRequest, load_generator
from audio_chain.vocabulary import GENRES
from prompts.suite import load_suite, suite_names

RECIPE = Recipe(rank=4, alpha=8, steps=24, batch=4, learning_rate=3e-2, every=24, sample_every=0)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tiny(), tmp_path_factory.mktemp("base"))


def trainee(base: Path) -> Any:
    return load_trainee(models.resolve(str(base), "generate"), device="cpu")


def scrambled(student: Any) -> Any:
    """Put an adapter of random numbers into a network; the model around it."""
    model = adapt(student, RECIPE)
    torch.manual_seed(1)
    for weight in learnt(model).values():
        torch.nn.init.normal_(weight, std=0.2)
    return model


def test_nothing_has_drifted_before_anything_is_learnt(base: Path) -> None:
    student = trainee(base)
    adapt(student, RECIPE)
    pieces = [counting(0), counting(1, caption="fast drums")]
    student.network.train()  # with dropout
    assert student.network.config.decoder.dropout > 0
    assert float(student.drift(pieces, torch.ones(2)).detach()) == pytest.approx(0.0, abs=1e-6)


def test_drift_is_the_divergence_of_two_whole_models(base: Path, tmp_path: Path) -> None:
    """By definition, from the chances that transformers' and peft's own models give."""
    student = trainee(base)
    model = scrambled(student)
    model.save_pretrained(tmp_path)
    one = counting(3)
    words = tokenizer()([one.caption], return_tensors="pt")
    tokens = delayed([one.codes.long()], (0, 1, 2, 3), 32)
    chances = []
    for whole in (tiny(), with_adapter(tiny(), tmp_path)):
        with torch.no_grad():
            logits = whole.eval()(
                input_ids=words["input_ids"],
                attention_mask=words["attention_mask"],
                decoder_input_ids=tokens[0, :, :-1],
            ).logits
        chances.append(logits.double().softmax(-1).numpy())
    before, after = chances
    apart = (before * np.log(before / after)).sum(-1)
    heard = [apart[book, book : book + 30].mean() for book in range(4)]
    student.network.eval()
    found = float(student.drift([one], torch.ones(1)).detach())
    assert found == pytest.approx(float(np.mean(heard)), rel=1e-4)
    assert found > 0.01


def test_a_network_without_its_adapter_is_the_base(base: Path) -> None:
    student = trainee(base)
    one, ones = [counting(2)], torch.ones(1)
    before = student.loss(one, ones)
    model = scrambled(student)
    changed = student.loss(one, ones)
    with unadapted(student.network):
        torch.testing.assert_close(student.loss(one, ones), before)
    torch.testing.assert_close(student.loss(one, ones), changed)
    assert not torch.allclose(changed, before, rtol=1e-3)
    assert all(weight.requires_grad for weight in learnt(model).values())


def test_composed_pieces_are_what_the_engine_plays(base: Path) -> None:
    student = trainee(base)
    (codes,) = student.compose(["sad piano"], 0.5, 0)
    request = GenerationRequest(prompts=("sad piano",), seconds=0.5, seeds=(0,))
    (clip,) = load_generator(student.card, device="cpu").generate(request)
    with torch.no_grad():
        sound = student.network.audio_encoder.decode(codes.long()[None, None], [None])
    np.testing.assert_allclose(sound.audio_values[0].numpy(), clip.samples, atol=1e-5)


def test_pieces_are_composed_once(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    student = trainee(base)
    first = rehearse(student, 0.5, cache=tmp_path)
    assert len(first) == REHEARSED
    kept = sorted(tmp_path.rglob("*.safetensors"))
    kept[0].write_bytes(b"damaged")
    calls = []
    compose = student.compose

    def counted(prompts: Any, seconds: float, seed: int) -> list[torch.Tensor]:
        calls.append(seed)
        codes: list[torch.Tensor] = compose(prompts, seconds, seed)
        return codes

    monkeypatch.setattr(student, "compose", counted)
    again = rehearse(student, 0.5, cache=tmp_path)
    assert len(calls) == 1
    for one, other in zip(first, again, strict=True):
        assert one.caption == other.caption
        assert torch.equal(one.codes, other.codes)
    assert rehearse(student, 0.3, cache=tmp_path)[0].codes.shape[-1] == 15
    assert len(calls) > 1
    full = tmp_path / "full"
    full.write_text("a file where a folder should be")
    with pytest.raises(ChainError, match="set AUDIO_CHAIN_CACHE"):
        rehearse(student, 0.5, cache=full)


def test_what_is_rehearsed_is_kept(base: Path, tmp_path: Path) -> None:
    """On other ordinary pieces than the rehearsed ones, while the style is learnt all the same."""
    pieces = tuple(counting(number) for number in range(9))
    prepared = Prepared(pieces[:6], pieces[6:], {}, {})
    prompts = ["fast drums", "a waltz of strings", "a fast waltz", "strings"]
    drifts, losses = [], []
    for keep in (0.0, 2.0):
        student = trainee(base)
        rehearsed, others = (
            [
                Piece("", 0.0, 0.6, prompt, codes)
                for prompt, codes in zip(prompts, student.compose(prompts, 0.6, seed), strict=True)
            ]
            for seed in (1, 2)
        )
        folder = tmp_path / str(keep)
        folder.mkdir()
        history = train(
            student,
            prepared,
            replace(RECIPE, keep=keep),
            folder,
            rehearsed=rehearsed if keep else (),
        ).history
        student.network.eval()
        with torch.no_grad():
            drifts.append(float(student.drift(others, torch.ones(4))))
        losses.append(history.best.loss / history.points[0].loss)
        assert (history.points[-1].drift is not None) == bool(keep)
    assert drifts[1] < drifts[0] / 5
    assert max(losses) < 0.85


def test_ordinary_prompts_cover_the_genres_and_are_no_suites() -> None:
    drawn = ordinary_prompts(REHEARSED, 0)
    said = [text.lower() for text in drawn]
    assert len(set(said)) == REHEARSED
    for genre in GENRES:
        assert sum(bool(re.search(rf"\b{genre}\b", text)) for text in said) >= REHEARSED // 24
    assert ordinary_prompts(REHEARSED, 0) == drawn
    assert ordinary_prompts(REHEARSED, 1) != drawn
    asked = {prompt.text.lower() for name in suite_names() for prompt in load_suite(name).prompts}
    assert not asked & {text.lower() for seed in range(20) for text in ordinary_prompts(96, seed)}
