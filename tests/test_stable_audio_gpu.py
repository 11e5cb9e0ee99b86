"""Stable Audio on a GPU: what can't be proved on a CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from stable_audio_models import player, saved, tiny

from audio_chain.generate import GenerationRequest
from audio_chain.generate.musicgen.graph import OPT_OUT
from audio_chain.generate.stable_audio.checkpoint import load_folder
from audio_chain.generate.stable_audio.generator import StableAudioGenerator

pytestmark = pytest.mark.gpu

REQUEST = GenerationRequest(
    ("sad piano", "fast drums", "a waltz of strings"), 0.4, (1, 2, 3), steps=6
)


@pytest.fixture
def gpu() -> torch.device:
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tiny(), tmp_path_factory.mktemp("tiny") / "pipeline")


def made(generator: StableAudioGenerator, request: GenerationRequest = REQUEST) -> np.ndarray:
    return np.stack([clip.samples for clip in generator.generate(request)])


def test_sounds_as_on_a_cpu_together_and_alone(gpu: torch.device, folder: Path) -> None:
    there = player(folder, gpu)
    sounds = made(there)
    assert not there._parts.denoiser.failure
    np.testing.assert_allclose(sounds, made(player(folder)), atol=1e-3)
    alone = made(there, GenerationRequest(("fast drums",), 0.4, (2,), steps=6))
    np.testing.assert_allclose(sounds[1], alone[0], atol=1e-3)


def test_captured_is_not_captured(
    gpu: torch.device, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    captured = player(folder, gpu)
    sounds = [made(captured) for _ in range(2)]  # the second replays the first one's graph
    np.testing.assert_array_equal(*sounds)
    monkeypatch.setenv(OPT_OUT, "0")
    np.testing.assert_allclose(sounds[0], made(player(folder, gpu)), atol=1e-4)


def test_other_words_and_lengths_after_a_capture(gpu: torch.device, folder: Path) -> None:
    generator, other = player(folder, gpu), player(folder, gpu)
    made(generator)
    for request in (
        GenerationRequest(("strings",), 0.3, (9,), steps=4, guidance=1.0),
        GenerationRequest(("a waltz", "of strings"), 0.3, (9, 8), steps=4, negative="drums"),
    ):
        np.testing.assert_allclose(made(generator, request), made(other, request), atol=1e-4)


def test_half_precision_is_near(gpu: torch.device, folder: Path) -> None:
    parts = load_folder(folder, device=gpu, dtype=torch.float16)
    half = made(StableAudioGenerator("tiny", "stable-audio", parts))
    np.testing.assert_allclose(half, made(player(folder, gpu)), atol=0.05)
