"""The continuous autoencoder: principal components of the codec's latents, and digits for text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from audio_chain import models
from audio_chain.nano.autoencoder import SpectralAutoencoder
from audio_chain.nano.codec import SpectralCodecConfig, SpectralCodecModel
from audio_chain.nano.digits import spaced

RATE = 32_000


def tiny_codec() -> SpectralCodecModel:
    torch.manual_seed(0)
    config = SpectralCodecConfig(
        encoder_width=12, encoder_layers=1, decoder_width=12, decoder_layers=1, codebook_dim=8
    )
    model: SpectralCodecModel = SpectralCodecModel(config).eval()  # type: ignore[no-untyped-call]
    return model


def noise(clips: int, samples: int) -> Tensor:
    return torch.randn(clips, 1, samples, generator=torch.Generator().manual_seed(1)) * 0.1


def fitted(channels: int, stack: int = 2) -> SpectralAutoencoder:
    model = SpectralAutoencoder(tiny_codec(), channels, stack)
    model.fit(model.stacked(noise(4, RATE)).flatten(0, 1))
    return model


def test_latents_have_unit_variance_and_no_correlation() -> None:
    latents = fitted(6).encode(noise(4, RATE))
    rows = latents.transpose(1, 2).flatten(0, 1).double()
    torch.testing.assert_close(rows.T.cov(), torch.eye(6).double(), atol=1e-4, rtol=0)
    assert rows.mean(0).abs().max() < 1e-4


def test_components_are_those_of_numpy() -> None:
    """The squared error of the rows is what the singular values left out say it is."""
    model = fitted(5)
    rows = model.stacked(noise(4, RATE)).flatten(0, 1).double().numpy()
    left = np.linalg.svd(rows - rows.mean(0), compute_uv=False)[5:]
    kept = (rows - rows.mean(0)) @ model.components.double().numpy().T
    back = kept @ model.components.double().numpy() + rows.mean(0)
    assert ((rows - back) ** 2).sum() == pytest.approx((left**2).sum(), rel=1e-4)


def test_with_all_components_nothing_is_lost_but_codebooks() -> None:
    """A bottleneck as wide as what goes in leaves the codec without its quantizer."""
    model, audio = fitted(16), noise(2, 12_800)
    codec = model.codec
    with torch.no_grad():
        latents = codec.encoder(codec.features(audio[:, 0]))
        expected = codec.synthesis(codec.decoder(latents), audio.shape[-1])
    torch.testing.assert_close(model.decode(model.encode(audio))[:, 0], expected, atol=1e-3, rtol=0)


def test_sizes_and_padding() -> None:
    model = fitted(6)
    assert (model.sampling_rate, model.hop, model.channels) == (RATE, 1280, 6)
    latents = model.encode(noise(3, 3000))
    assert latents.shape == (3, 6, 3)  # 2.3 frames of 1280
    assert model.decode(latents).shape == (3, 1, 3 * 1280)


def test_it_comes_back_from_its_folder(tmp_path: Path) -> None:
    model = fitted(6)
    model.codec.save_pretrained(tmp_path / "codec")
    model.save_pretrained(tmp_path / "vae")
    again = SpectralAutoencoder.from_pretrained(tmp_path / "vae", tmp_path / "codec")
    assert torch.equal(again.encode(noise(1, RATE)), model.encode(noise(1, RATE)))
    assert (tmp_path / "vae" / "model.safetensors").stat().st_size < 10_000  # no second codec


@given(st.text())
def test_only_spaces_between_digits_are_added(text: str) -> None:
    assert spaced(text).replace(" ", "") == text.replace(" ", "")
    assert spaced(spaced(text)) == spaced(text)


def test_the_sentence_encoder_reads_a_token_a_digit() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(models.folders(models.CATALOGUE["minilm"])["minilm"])
    assert spaced("At 125 bpm, 3 of 10.") == "At 1 2 5 bpm, 3 of 1 0."
    for bpm in range(40, 221):
        assert tokenizer.tokenize(spaced(f"at {bpm} bpm"))[1:-1] == [*str(bpm), "bp"]
