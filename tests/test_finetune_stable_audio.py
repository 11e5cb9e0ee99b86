"""Training an adapter for Stable Audio: what it learns, and that peft and our engine play it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from killed_training import whole_and_broken
from lora_adapters import with_adapter
from stable_audio_models import CHANNELS, HOP, RATE, WINDOW, of_any_length, saved, tiny

from audio_chain import models
from audio_chain.clip import Clip
from audio_chain.finetune.adapting import adapt, learnt
from audio_chain.finetune.preparing import Prepared
from audio_chain.finetune.recipe import Recipe
from audio_chain.finetune.stable_audio import LOOKS, StableAudioTrainee
from audio_chain.finetune.trainee import Piece, load_trainee
from audio_chain.finetune.training import train, validate
from audio_chain.generate import GenerationRequest, load_generator
from audio_chain.lora import adapted, read_adapter
from audio_chain.lora.merging import factors

RECIPE = Recipe(
    rank=4, alpha=8, steps=12, batch=4, learning_rate=1e-2, warm_up=1, every=4, sample_every=0
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return of_any_length(saved(tiny(), tmp_path_factory.mktemp("base") / "pipeline"))


@pytest.fixture(scope="module")
def windowed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tiny(), tmp_path_factory.mktemp("windowed") / "pipeline")


def trainee(base: Path) -> StableAudioTrainee:
    student = load_trainee(models.resolve(str(base), "generate"), device="cpu")
    assert isinstance(student, StableAudioTrainee)
    return student


def piece(number: int, frames: int = 30, caption: str = "sad piano") -> Piece:
    """Latents that one can learn: each channel stays where it is."""
    levels = torch.tensor([1.0, -1.0, 1.0, -1.0])[:, None] * (1.5 + 0.1 * number)
    codes = levels.expand(CHANNELS, frames).half()
    return Piece(f"{number}.wav", 0.5 * number, frames * HOP / RATE, caption, codes)


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    pieces = tuple(piece(number, 30 - number % 3) for number in range(9))
    return Prepared(pieces[:6], pieces[6:], {}, {})


def losses(student: StableAudioTrainee, pieces: Sequence[Piece], kept: float = 1.0) -> float:
    with torch.no_grad():
        return float(student.loss(pieces, torch.full((len(pieces),), kept)))


def test_the_loss_is_that_of_the_velocity(base: Path) -> None:
    """By the cosines of Salimans and Ho (2022), with diffusers' own reading of the conditions."""
    student, pipeline, one = trainee(base), tiny(), piece(3, 20)
    clean = one.codes.float()[None]
    found = []
    with torch.no_grad():
        words = pipeline.encode_prompt(one.caption, "cpu", False)
        start, end = pipeline.encode_duration(0.0, one.seconds, "cpu", False, 1)
        for look in student._fixed([one]):
            angle = math.atan(look.level)
            told = student.network(
                math.cos(angle) * clean + math.sin(angle) * look.noise,
                torch.tensor([angle / (math.pi / 2)]),
                encoder_hidden_states=torch.cat([words, start, end], 1),
                global_hidden_states=torch.cat([start, end], 2),
                rotary_embedding=[table[:21] for table in student._turns],
            ).sample
            wanted = math.cos(angle) * look.noise - math.sin(angle) * clean
            found.append(float((told - wanted).square().mean()))
    assert len(set(found)) == LOOKS
    assert losses(student, [one]) == pytest.approx(np.mean(found), rel=1e-5)


def test_levels_are_spread_over_the_schedule(base: Path) -> None:
    student = trainee(base)
    pieces = [piece(number % 9) for number in range(64)]
    torch.manual_seed(0)
    levels = sorted(math.log(look.level) for look in student._drawn(pieces))
    ends = np.linspace(math.log(0.3), math.log(500), 65)  # of diffusers' own schedule
    assert (ends[:-1] <= levels).all()
    assert (levels <= ends[1:]).all()
    ways = [math.log(look.level / 500) / math.log(0.3 / 500) for look in student._fixed(pieces[:9])]
    assert [int(way * LOOKS) for way in ways] == [*range(LOOKS)] * 9


def test_pieces_of_other_lengths_do_not_change_a_loss(base: Path) -> None:
    student = trainee(base)
    one, other = piece(0, 12), piece(1, 30, "fast drums")
    alone = [losses(student, [each]) for each in (one, other)]
    assert alone[0] != pytest.approx(alone[1], rel=1e-3)
    both = losses(student, [one, other])
    assert both == pytest.approx((alone[0] * 12 + alone[1] * 30) / 42, rel=1e-5)
    assert losses(student, [other, one]) == pytest.approx(both, rel=1e-5)


def test_a_dropped_caption_says_nothing(base: Path) -> None:
    student, one = trainee(base), piece(0)
    other = replace(one, caption="fast drums")
    assert losses(student, [one], 0.0) == pytest.approx(losses(student, [other], 0.0), rel=1e-6)
    assert losses(student, [one]) != pytest.approx(losses(student, [other]), rel=1e-5)
    # the timing for the whole stays, as in the half that guidance leads away from
    longer = replace(one, seconds=0.45)
    assert losses(student, [one], 0.0) != pytest.approx(losses(student, [longer], 0.0), rel=1e-6)


def test_drift_is_from_the_network_without_its_adapter(
    base: Path, prepared: Prepared, tmp_path: Path
) -> None:
    train(trainee(base), prepared, replace(RECIPE, steps=4), tmp_path)
    plain, tuned, pieces = trainee(base), trainee(base), [piece(0, 12), piece(1, 30)]
    kept = torch.tensor([1.0, 0.0])
    adapt(tuned, RECIPE)
    assert tuned.drift(pieces, kept).item() == 0  # nothing learnt yet
    tuned = trainee(base)
    with_adapter(tuned.network, tmp_path)
    looks = list(plain._fixed(pieces))
    with torch.no_grad():
        before, _ = plain._answers(looks, kept)
        after, _ = tuned._answers(looks, kept)
    squares = torch.cat(
        [
            (new - old)[:, : look.clean.shape[1]].square().flatten()
            for new, old, look in zip(after, before, looks, strict=True)
        ]
    )
    assert squares.mean() > 1e-3
    torch.testing.assert_close(tuned.drift(pieces, kept), squares.mean())


def test_what_it_composes_is_what_the_engine_plays(base: Path, windowed: Path) -> None:
    prompts = ("sad piano", "fast drums")
    for where, frames in ((base, 38), (windowed, WINDOW)):
        student = trainee(where)
        composed = student.compose(prompts, 0.3, 2)
        assert [codes.shape for codes in composed] == [(CHANNELS, frames)] * 2
        generator = load_generator(models.resolve(str(where), "generate"), device="cpu")
        seeds = (2_000_006, 2_000_007)
        for codes, clip in zip(
            composed, generator.generate(GenerationRequest(prompts, 0.3, seeds)), strict=True
        ):
            sound = student._parts.autoencoder.decode(codes[None].float())[0]
            np.testing.assert_allclose(sound[:, :300], clip.samples, atol=2e-2)


def test_it_learns_and_peft_loads_it(base: Path, prepared: Prepared, tmp_path: Path) -> None:
    student = trainee(base)
    trained = train(student, prepared, RECIPE, tmp_path)
    best = trained.history.best
    assert best.loss < 0.5 * trained.history.points[0].loss
    adapter = read_adapter(tmp_path)
    assert (adapter.rank, adapter.scale, adapter.base) == (4, 2.0, str(base))
    assert len(factors(adapter)) == 2 * (4 + 4 + 2)
    peer = trainee(base)
    with_adapter(peer.network, tmp_path)
    assert validate(peer, prepared.validation, RECIPE) == pytest.approx(best.loss, abs=2e-5)


def test_our_engine_plays_what_was_trained(base: Path, prepared: Prepared, tmp_path: Path) -> None:
    """Samples on the page, by diffusers' network with peft, sound as ``--lora`` does."""
    student = trainee(base)
    recipe = replace(RECIPE, steps=4)
    history = train(student, prepared, recipe, tmp_path).history
    assert history.best.step == 4
    card = adapted(models.resolve(str(base), "generate"), [str(tmp_path)])
    request = GenerationRequest(("sad piano",), 0.3, (7,))
    (ours,) = load_generator(card, device="cpu").generate(request)
    played = student.play("sad piano", 0.3, 7)
    assert played.rate == ours.rate
    np.testing.assert_allclose(played.samples, ours.samples, atol=1e-5)
    (before,) = load_generator(replace(card, lora=()), device="cpu").generate(request)
    assert np.abs(before.samples - ours.samples).max() > 1e-3


def test_a_killed_training_comes_to_the_same_adapter(
    base: Path, prepared: Prepared, tmp_path: Path
) -> None:
    whole, broken = whole_and_broken(lambda: trainee(base), prepared, RECIPE, tmp_path)
    tensors = "adapter_model.safetensors"
    assert (broken / tensors).read_bytes() == (whole / tensors).read_bytes()


def gradients(student: StableAudioTrainee, *, checkpointing: bool) -> tuple[torch.Tensor, int]:
    """Of the adapter, and bytes of what is kept for going back."""
    model = adapt(student, RECIPE)
    student.network.train()
    if checkpointing:
        student.use_checkpointing()
    weights = {value.untyped_storage().data_ptr() for value in student.network.parameters()}
    kept: dict[int, Any] = {}

    def keep(value: torch.Tensor) -> torch.Tensor:
        if (place := value.untyped_storage().data_ptr()) not in weights:
            kept[place] = value
        return value

    torch.manual_seed(0)
    pieces = [piece(number, WINDOW) for number in range(4)]
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        loss = student.loss(pieces, torch.ones(4))
    total = sum(value.untyped_storage().nbytes() for value in kept.values())
    loss.backward()
    found = [value.grad for value in learnt(model).values()]
    return torch.cat([grad.flatten() for grad in found if grad is not None]), total


def test_checkpointing_keeps_less_and_learns_the_same(base: Path) -> None:
    """What is kept is what the estimate says, but for what there is on the way back."""
    found = {}
    for checkpointing in (False, True):
        student = trainee(base)
        found[checkpointing], kept = gradients(student, checkpointing=checkpointing)
        expected = student.footprint(WINDOW, 4, checkpointing=checkpointing)
        assert kept < expected
        if not checkpointing:
            assert expected < 2 * kept
            whole = expected
    assert expected < whole
    torch.testing.assert_close(found[True], found[False], rtol=1e-4, atol=1e-7)


def test_weights_in_16_bits_come_to_about_the_same_loss(base: Path) -> None:
    plain, half = trainee(base), trainee(base)
    half.network.to(torch.bfloat16)
    pieces = [piece(number) for number in range(4)]
    assert losses(half, pieces) == pytest.approx(losses(plain, pieces), rel=0.02)
    adapt(half, RECIPE)
    half.network.train()
    half.loss(pieces, torch.ones(4)).backward()
    grads = [value.grad for value in half.network.parameters() if value.grad is not None]
    assert {grad.dtype for grad in grads} == {torch.float32}


def test_what_a_whole_window_learns_ends_in_silence(base: Path, windowed: Path) -> None:
    sound = np.random.default_rng(0).standard_normal((2, 203)).astype(np.float32)
    clip, still = Clip(sound, RATE), Clip(np.zeros((2, WINDOW * HOP), np.float32), RATE)
    coder = trainee(windowed).coder
    latents, silence = coder.encode(clip), coder.encode(still)
    assert latents.shape == (CHANNELS, WINDOW)
    assert latents.dtype == torch.float16
    torch.testing.assert_close(latents[:, 45:], silence[:, 45:])
    short = trainee(base).coder
    assert short.encode(clip).shape == (CHANNELS, 203 // HOP)
    assert coder.name != short.name


def test_nano_knows_its_own_music() -> None:
    """The shipped model tells more of a piece of its own than of noise, which it can't foretell."""
    student = trainee(Path("stable-audio-nano"))
    clip = student.play("A happy pop song with piano and drums.", 2.0, 1)
    assert clip.seconds == pytest.approx(2.0)
    codes = student.coder.encode(clip)
    assert codes.shape == (128, 25)
    assert codes.is_contiguous()  # or it couldn't be kept
    own = Piece("own.wav", 0.0, 2.0, "A happy pop song with piano and drums.", codes)
    strange = replace(own, codes=torch.randn(codes.shape).half())
    assert losses(student, [own]) < 0.8 * losses(student, [strange])
