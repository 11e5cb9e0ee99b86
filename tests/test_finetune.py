"""Training an adapter: it learns, goes on after a kill, and is what peft would have written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from counting_pieces import counting
from killed_training import whole_and_broken
from lora_adapters import with_adapter
from musicgen_models import saved, tiny, tokenizer

from audio_chain import models
from audio_chain.clip import Clip
from audio_chain.errors import AudioError, ChainError, UsageError
from audio_chain.finetune import training
from audio_chain.finetune.drawing import Drawing
from audio_chain.finetune.memory import Estimate, check_fits, estimate
from audio_chain.finetune.musicgen import MusicgenTrainee, delayed
from audio_chain.finetune.page import TrainingPage
from audio_chain.finetune.preparing import Prepared
from audio_chain.finetune.recipe import Recipe
from audio_chain.finetune.state import STATE, History, Point
from audio_chain.finetune.team import Team
from audio_chain.finetune.trainee import load_trainee
from audio_chain.finetune.training import train, validate
from audio_chain.lora import read_adapter

RECIPE = Recipe(
    rank=4, alpha=8, steps=12, batch=4, learning_rate=3e-2, warm_up=1, every=4, sample_every=0
)
FILES = ("adapter_model.safetensors", "adapter_config.json")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tiny(), tmp_path_factory.mktemp("base"))


def trainee(base: Path) -> Any:
    return load_trainee(models.resolve(str(base), "generate"), device="cpu")


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    pieces = tuple(counting(number, 30 - number % 3) for number in range(9))
    return Prepared(pieces[:6], pieces[6:], {}, {})


def test_the_loss_is_transformers_own(base: Path) -> None:
    """For one piece: how unlikely its codes are to transformers' whole model."""
    student = trainee(base)
    one = counting(3, 20)
    ours = student.losses([one], torch.ones(1))
    model = student.network
    words = tokenizer()([one.caption], return_tensors="pt")
    tokens = delayed([one.codes.long()], (0, 1, 2, 3), 32)
    with torch.no_grad():
        logits = model(
            input_ids=words["input_ids"],
            attention_mask=words["attention_mask"],
            decoder_input_ids=tokens[0, :, :-1],
        ).logits
    chances = logits.log_softmax(-1)
    for book in range(4):
        heard = range(book, book + 20)
        wanted = -torch.stack([chances[book, at, one.codes[book, at - book]] for at in heard])
        torch.testing.assert_close(ours[book], wanted.mean(), rtol=1e-4, atol=1e-5)


def test_pieces_of_other_lengths_do_not_change_a_loss(base: Path) -> None:
    student = trainee(base)
    one, other = counting(0, 12), counting(1, 30)
    alone = [student.losses([each], torch.ones(1)) for each in (one, other)]
    both = student.losses([one, other], torch.ones(2))
    torch.testing.assert_close(both, (alone[0] * 12 + alone[1] * 30) / 42, rtol=1e-4, atol=1e-5)


def test_a_dropped_caption_says_nothing(base: Path) -> None:
    student = trainee(base)
    one = counting(0)
    other = replace(one, caption="fast drums")
    none = torch.zeros(1)
    torch.testing.assert_close(student.loss([one], none), student.loss([other], none))
    kept = torch.ones(1)
    assert not torch.equal(student.loss([one], kept), student.loss([other], kept))


def test_it_learns_and_peft_loads_it(base: Path, prepared: Prepared, tmp_path: Path) -> None:
    student = trainee(base)
    trained = train(student, prepared, RECIPE, tmp_path)
    first, best = trained.history.points[0].loss, trained.history.best.loss
    assert best < 0.8 * first
    adapter = read_adapter(tmp_path)
    assert (adapter.rank, adapter.scale, adapter.base) == (4, 2.0, str(base))
    tuned = with_adapter(tiny(), tmp_path)
    again = MusicgenTrainee(student.card, tuned, tokenizer(), "encodec")
    assert validate(again, prepared.validation, RECIPE) == pytest.approx(best, abs=2e-5)


def test_a_killed_training_comes_to_the_same_adapter(
    base: Path, prepared: Prepared, tmp_path: Path
) -> None:
    whole, broken = whole_and_broken(lambda: trainee(base), prepared, RECIPE, tmp_path)
    for name in FILES:
        assert (broken / name).read_bytes() == (whole / name).read_bytes()
    assert len((broken / training.JOURNAL).read_text().splitlines()) == 4


def test_another_training_is_not_gone_on_with(
    base: Path, prepared: Prepared, tmp_path: Path
) -> None:
    train(trainee(base), prepared, replace(RECIPE, steps=1), tmp_path)
    with pytest.raises(UsageError, match="with other settings or other music"):
        train(trainee(base), prepared, RECIPE, tmp_path)
    (tmp_path / STATE).write_bytes(b"nonsense")
    with pytest.raises(UsageError, match="is damaged"):
        train(trainee(base), prepared, RECIPE, tmp_path)


def test_it_stops_when_nothing_is_gained(base: Path, prepared: Prepared, tmp_path: Path) -> None:
    recipe = replace(RECIPE, learning_rate=1.0, every=1, patience=2, steps=50)
    history = train(trainee(base), prepared, recipe, tmp_path).history
    assert history.step < 50
    assert history.since_best == 2


def test_parts_of_a_batch_add_up(base: Path, prepared: Prepared) -> None:
    """Gradients of a batch in parts are those of the whole, where pieces are of one length."""
    batch = [counting(number) for number in range(4)]
    found = []
    for parts, checkpointing in ((1, False), (2, False), (4, True)):
        student = trainee(base)
        for module in student.network.modules():
            if isinstance(getattr(module, "dropout", None), float):
                module.dropout = 0.0
        recipe = replace(RECIPE, accumulate=parts, caption_dropout=0.0)
        model = training.adapt(student, recipe)
        if checkpointing:
            student.use_checkpointing()
        weights = list(training.learnt(model).values())
        optimizer = torch.optim.SGD(weights, 1.0)
        lesson = training.Lesson(student.loss, 1.0, Drawing(batch, 4, 0), 0.0)
        training._step(student, [lesson], recipe, 0, optimizer, Team())
        found.append(
            torch.cat([weight.grad.flatten() for weight in weights if weight.grad is not None])
        )
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_coder_decodes_as_transformers_codec_does(channels: int, tmp_path: Path) -> None:
    tiny(channels).save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    coder = trainee(tmp_path).coder
    rng = np.random.default_rng(0)
    clip = Clip(rng.uniform(-0.5, 0.5, (channels, 6400)).astype(np.float32), coder.rate)
    codec = tiny(channels).audio_encoder.eval()
    with torch.no_grad():
        sides = [codec(torch.from_numpy(side)[None, None]).audio_values for side in clip.samples]
    again = coder.decode(coder.encode(clip))
    assert again.channels == channels
    np.testing.assert_allclose(again.samples, torch.cat(sides)[:, 0].numpy(), atol=1e-5)


def test_every_piece_once_a_turn() -> None:
    pieces = [counting(number) for number in range(7)]
    drawing = Drawing(pieces, 3, seed=1)
    drawn = [one.file for step in range(7) for one in drawing.batch(step)]
    for turn in range(3):
        assert len(set(drawn[7 * turn : 7 * turn + 7])) == 7
    assert drawn[:7] != drawn[7:14]
    assert [one.file for one in Drawing(pieces, 3, seed=1).batch(5)] == drawn[15:18]


def test_what_does_not_fit_is_refused_before_it_begins(
    base: Path, prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audio_chain.finetune.memory._free", lambda device: 1000)
    with pytest.raises(UsageError, match=r"try --accumulate 2, --checkpointing, shorter pieces"):
        train(trainee(base), prepared, RECIPE, tmp_path)
    assert list(tmp_path.iterdir()) == []
    check_fits(Estimate(0, 0, 10**18, None), RECIPE)  # nobody knows


def test_the_estimate_grows_with_what_is_asked(base: Path) -> None:
    student = trainee(base)
    training.adapt(student, RECIPE)
    plain = estimate(student, RECIPE, 30)
    assert plain.learnt == 16 * sum(
        value.numel() for value in student.network.parameters() if value.requires_grad
    )
    assert estimate(student, replace(RECIPE, batch=8), 30).activations == 2 * plain.activations
    assert estimate(student, replace(RECIPE, accumulate=4), 30).activations < plain.activations
    lean = estimate(student, replace(RECIPE, checkpointing=True), 30)
    assert lean.activations < plain.activations


@contextmanager
def no_space(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def full(path: Path, content: Any) -> None:
        raise AudioError(f"no space left to write {path}; free some or choose another folder")

    with monkeypatch.context() as patch:
        patch.setattr("audio_chain.finetune.state.write_whole", full)
        yield


def test_a_full_disk_loses_nothing(
    base: Path, prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(RECIPE, steps=4)
    folders = [tmp_path / name for name in ("whole", "full")]
    for folder in folders:
        folder.mkdir()
    train(trainee(base), prepared, recipe, folders[0])
    with no_space(monkeypatch), pytest.raises(ChainError, match="no space left"):
        train(trainee(base), prepared, recipe, folders[1])
    train(trainee(base), prepared, recipe, folders[1])
    for name in FILES:
        assert (folders[1] / name).read_bytes() == (folders[0] / name).read_bytes()


def test_a_loss_that_is_no_number_ends_it(
    base: Path, prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    student = trainee(base)
    loss = student.loss

    def spoilt(pieces: Any, kept: torch.Tensor) -> torch.Tensor:
        value: torch.Tensor = loss(pieces, kept)
        return value * torch.nan if torch.is_grad_enabled() else value

    monkeypatch.setattr(student, "loss", spoilt)
    with pytest.raises(ChainError, match="is no number: train again with a lower"):
        train(student, prepared, RECIPE, tmp_path)


def test_samples_are_played_when_they_are_due(
    base: Path, prepared: Prepared, tmp_path: Path
) -> None:
    heard: dict[int, Clip | None] = {}

    def reached(history: History, sample: Clip | None) -> None:
        heard[history.step] = sample

    train(trainee(base), prepared, replace(RECIPE, sample_every=8), tmp_path, reached=reached)
    assert [step for step, sample in heard.items() if sample is not None] == [0, 8]
    first = heard[0]
    assert first is not None
    assert first.rate == 32_000
    assert np.isfinite(first.samples).all()


def test_models_that_cannot_be_tuned_are_refused() -> None:
    with pytest.raises(UsageError, match="fine-tuning audiocraft models is not possible"):
        load_trainee(replace(models.CATALOGUE["musicgen-nano"], family="audiocraft"))
    with pytest.raises(UsageError, match="no targets 'none'"):
        training.adapt(
            load_trainee(models.CATALOGUE["musicgen-nano"], device="cpu"),
            replace(RECIPE, targets="none"),
        )


@pytest.mark.parametrize(
    "wrong", [{"rank": 0}, {"alpha": 0.0}, {"steps": 0}, {"accumulate": 9}, {"learning_rate": 2.0}]
)
def test_a_recipe_out_of_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="fine-tuning needs"):
        Recipe(**wrong)


def test_the_page_is_whole_and_escaped(tmp_path: Path) -> None:
    sample = tmp_path / "step-0.mp3"
    sample.write_bytes(b"sound")
    page = TrainingPage(
        title="<script>alert(1)</script>",
        subtitle='"&',
        facts={"rank": 8},
        samples={"step 0": sample},
        measured=[["measure", "before"], ["FAD", "<b>1</b>"]],
    )
    points = (Point(0, 4.0, None, 1.0), Point(25, 3.0, 3.5, 9.0), Point(50, 3.2, 3.1, 20.0))
    text = page.render(History(50, points), 100).decode()
    assert "<script" not in text
    assert "<b>" not in text
    assert "c291bmQ=" in text
    assert not re.search(r'(?:src|href)="(?!data:)', text)
    assert "best validation loss 3.000 at step 25" in text
    path = re.search(r'class="validation" points="([^"]*)"', text)
    assert path is not None
    heights = [float(place.split(",")[1]) for place in path[1].split()]
    assert heights[1] == max(heights)  # the lowest loss is drawn lowest
    assert heights[0] == min(heights)
