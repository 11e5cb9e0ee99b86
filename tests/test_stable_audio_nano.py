"""The nano model's layout: shared text encoder and codec, with a transformer of random weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from audio_chain import models
from audio_chain.audio import Clip
from audio_chain.errors import UsageError
from audio_chain.generate import GenerationRequest, load_generator
from audio_chain.generate.stable_audio import StableAudioGenerator
from audio_chain.generate.stable_audio.checkpoint import load_folder
from audio_chain.nano.autoencoder import SpectralAutoencoder
from audio_chain.nano.codec import SpectralCodecModel
from audio_chain.nano.digits import spaced
from training import diffusion
from training.export import PIPELINE

WIDTH, FRAMES = 384, 50


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("nano")
    codec = models.folders(models.CATALOGUE["musicgen-nano"])["spectral-codec-nano"]
    autoencoder = SpectralAutoencoder(SpectralCodecModel.from_pretrained(codec))
    autoencoder.fit(torch.randn(2000, autoencoder.mean.numel()))
    autoencoder.save_pretrained(folder / "vae")
    transformer = diffusion.transformer(autoencoder.channels, FRAMES, WIDTH, 128, 2)
    for parameter in transformer.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
    transformer.half().save_pretrained(folder / "transformer", max_shard_size="1MB")
    diffusion.projection(WIDTH).save_pretrained(folder / "projection_model")
    diffusion.scheduler().save_pretrained(folder / "scheduler")
    (folder / "model_index.json").write_text(json.dumps(PIPELINE))
    return folder


@pytest.fixture(scope="module")
def generator(folder: Path) -> StableAudioGenerator:
    generator = load_generator(models.resolve(str(folder), "generate"), device="cpu", offline=True)
    assert isinstance(generator, StableAudioGenerator)
    return generator


def test_plays_as_its_index_says(generator: StableAudioGenerator) -> None:
    assert (generator.family, generator.rate) == ("stable-audio-nano", 32_000)
    hop = generator._parts.autoencoder.hop
    assert (generator.max_seconds, generator.least_seconds) == (FRAMES * hop / 32_000, 0.0)
    named = {name: PIPELINE[name] for name in ("steps", "guidance", "sampler")}
    assert generator.defaults == named
    prompt = "A slow, sad piano piece at 125 bpm."
    (clip,) = generator.generate(GenerationRequest((prompt,), 0.7, (1,), steps=2))
    assert clip.samples.shape == (1, 22_400)
    # numbers are read digit by digit: parted beforehand or not is the same
    (same,) = generator.generate(GenerationRequest((spaced(prompt),), 0.7, (1,), steps=2))
    np.testing.assert_array_equal(clip.samples, same.samples)
    other = GenerationRequest((prompt.replace("125", "80"),), 0.7, (1,), steps=2)
    assert not np.array_equal(clip.samples, next(generator.generate(other)).samples)


def test_outside_a_part_it_is_the_recording_after_the_autoencoder(
    generator: StableAudioGenerator,
) -> None:
    time = np.arange(32_000) / 32_000
    clip = Clip(0.3 * np.sin(2 * np.pi * 440 * time, dtype=np.float32)[None], 32_000)
    request = GenerationRequest(("a harp",), 1.0, (1,), steps=2, source=clip, inpaint=(0.4, 0.6))
    (made,) = generator.generate(request)
    autoencoder = generator._parts.autoencoder
    coded = autoencoder.decode(autoencoder.encode(torch.from_numpy(clip.samples.copy())[None]))
    kept = coded[0].numpy()[:, :32_000]
    for part in (slice(0, 12_800), slice(19_200, 32_000)):
        np.testing.assert_allclose(made.samples[:, part], kept[:, part], atol=1e-5)
    assert np.abs(made.samples - kept)[:, 13_500:18_500].max() > 0.01


def test_needs_the_parts_that_it_shares(folder: Path) -> None:
    with pytest.raises(UsageError, match="shares parts with other models"):
        load_folder(folder, device=torch.device("cpu"))
