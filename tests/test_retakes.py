"""Takes that went wrong are played again: what is wrong, when, and that nothing else changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import librosa
import numpy as np
import pytest
from musicgen_models import player, tiny
from numpy.typing import NDArray

from audio_chain import models
from audio_chain.clip import Clip
from audio_chain.generate import GenerationRequest, load_generator, retakes
from audio_chain.generate.musicgen import MusicgenGenerator
from audio_chain.generate.retakes import TAKES, best_take, may_fail
from audio_chain.sound_check import SoundCheck, mel_amplitudes

RATE = 32_000
SLOW_SOLO = "A slow, calm solo trombone piece in a reggae style at 69 bpm in Db major."


def held(seconds: float = 5.0, wobble: float = 0.0) -> Clip:
    """A tone, louder and softer twice a second."""
    t = np.arange(round(seconds * RATE)) / RATE
    loudness = 0.3 * (1 + wobble * np.sin(4 * np.pi * t))
    return Clip((loudness * np.sin(440 * np.pi * t)).astype(np.float32)[None], RATE)


def lively() -> Clip:
    chance = np.random.default_rng(0)
    notes = [
        np.sin(2 * np.pi * f * np.arange(RATE // 4) / RATE) for f in chance.uniform(99, 999, 20)
    ]
    return Clip((0.3 * np.concatenate(notes)).astype(np.float32)[None], RATE)


def test_the_first_take_that_is_right_is_taken() -> None:
    seeds: list[int] = []
    later = [held(wobble=0.1), lively(), held()]

    def again(seed: int) -> Clip:
        seeds.append(seed)
        return later[len(seeds) - 1]

    right, takes = best_take(held(), again, 7)
    assert right is later[1]
    assert takes == 3
    assert len(set(seeds)) == 2
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert best_take(later[1], again, 7) == (later[1], 1)


@pytest.mark.parametrize("wrong", [held(), Clip(np.zeros((1, 5 * RATE), np.float32), RATE)])
def test_if_none_is_right_the_liveliest_is_taken(wrong: Clip) -> None:
    wobbling = held(wobble=0.2)
    clips = iter([wobbling, held()])
    assert best_take(wrong, lambda seed: next(clips), 1) == (wobbling, TAKES)


def test_what_may_be_steady_is_not_judged() -> None:
    assert may_fail("slow solo cello", 10.0)
    assert not may_fail("slow solo cello", 3.0)
    assert not may_fail("a Drone of cellos", 10.0)


@pytest.mark.parametrize("rate", [32_000, 44_100, 8_000])
def test_mel_bands_are_librosas(rate: int) -> None:
    audio = np.random.default_rng(1).standard_normal(3 * rate).astype(np.float32)
    size, hop = round(0.064 * rate), round(0.02 * rate)
    power: NDArray[np.float32] = librosa.feature.melspectrogram(
        y=audio, sr=rate, n_fft=size, hop_length=hop, n_mels=64, center=False
    )
    np.testing.assert_allclose(mel_amplitudes(audio, rate), np.sqrt(power), rtol=1e-3, atol=1e-5)


@pytest.fixture
def suspicious(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Verdicts in turn, whatever is heard; right when there are no more."""
    verdicts: list[bool] = []

    def check(audio: NDArray[np.float32], rate: int) -> SoundCheck:
        return SoundCheck(-20.0, 0.0, 0.5 if not verdicts or verdicts.pop(0) else 0.01)

    monkeypatch.setattr(retakes, "check_sound", check)
    yield verdicts
    assert not verdicts


def test_a_piece_is_played_again_alone(suspicious: list[bool]) -> None:
    """The second of three, once; the others and their order stay."""
    parts = player(tiny(limit=400))._parts
    plain = MusicgenGenerator("tiny", "musicgen", parts)
    careful = MusicgenGenerator("tiny", "musicgen", parts, retakes=True)
    prompts, lengths = ("sad piano", "a waltz", "drums"), (4.5, 5.0, 4.0)
    request = GenerationRequest(prompts, 5.0, (1, 2, 3), lengths=lengths)
    expected = list(plain.generate(request))
    suspicious += [True, False, True, True]
    found = list(careful.generate(request))
    assert careful.played_again == 1
    for number in (0, 2):
        assert np.array_equal(found[number].samples, expected[number].samples)
    assert not np.array_equal(found[1].samples, expected[1].samples)
    suspicious += [False, True]
    alone = replace(request, prompts=("a waltz",), seeds=(2,), lengths=(5.0,))
    (again,) = careful.generate(alone)
    assert np.array_equal(again.samples, found[1].samples)


@pytest.mark.parametrize("more", [{"top_k": 1}, {"beginning": held(1.0)}], ids=["greedy", "begun"])
def test_what_another_take_cannot_mend_is_left(
    more: dict[str, object], suspicious: list[bool]
) -> None:
    careful = MusicgenGenerator("tiny", "musicgen", player(tiny(limit=400))._parts, retakes=True)
    request = replace(GenerationRequest(("a waltz",), 4.5, (1,)), **more)
    suspicious.append(False)
    list(careful.generate(request))
    assert careful.played_again == 0
    suspicious.clear()


@pytest.mark.slow
def test_musicgen_nano_holds_no_chord_to_the_end() -> None:
    """A prompt and a seed whose first take does."""
    nano = load_generator(models.CATALOGUE["musicgen-nano"], device="cpu")
    assert isinstance(nano, MusicgenGenerator)
    request = GenerationRequest((SLOW_SOLO,), 10.0, (236,))
    first = np.concatenate([chunk.clip.samples for chunk in nano.stream(request)], 1)
    assert retakes.check_sound(first[0], nano.rate).drones
    (clip,) = nano.generate(request)
    assert nano.played_again == 1
    assert retakes.check_sound(clip.samples[0], nano.rate).passed
