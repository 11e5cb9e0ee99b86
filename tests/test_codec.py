"""The spectral codec as shipped: pitch, form, and the calls that MusicGen makes of a codec."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AutoModel

from audio_chain import models
from audio_chain.nano.codec import ResidualQuantizer, SpectralCodecConfig, SpectralCodecModel


@pytest.fixture(scope="module")
def codec() -> SpectralCodecModel:
    folder = models.folders(models.CATALOGUE["spectral-codec-nano"])["spectral-codec-nano"]
    model: SpectralCodecModel = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    return model


def harmonic_tone(pitch: float, seconds: float, rate: int) -> torch.Tensor:
    time = torch.arange(round(seconds * rate)) / rate
    partials = [torch.sin(2 * torch.pi * n * pitch * time) / n**1.5 for n in range(1, 9)]
    return 0.3 * torch.stack(partials).sum(0) * torch.exp(-time)


@pytest.mark.parametrize("pitch", [110.0, 261.63, 440.0, 880.0])
def test_pitch_survives(codec: SpectralCodecModel, pitch: float) -> None:
    """The strongest frequency near the tone's is within 3 cents of it after coding."""
    rate = codec.config.sampling_rate
    tone = harmonic_tone(pitch, 2.0, rate)
    decoded = codec(tone[None, None]).audio_values[0, 0].numpy()
    spectrum = np.abs(np.fft.rfft(decoded * np.hanning(len(decoded)), 16 * len(decoded)))
    frequency = np.fft.rfftfreq(16 * len(decoded), 1 / rate)
    near = (frequency > pitch * 0.9) & (frequency < pitch * 1.1)
    found = frequency[near][spectrum[near].argmax()]
    assert abs(1200 * np.log2(found / pitch)) < 3


def test_sizes(codec: SpectralCodecModel) -> None:
    audio = torch.randn(2, 1, 10_000) * 0.1
    codes = codec.encode(audio).audio_codes
    assert codes is not None
    assert codes.shape == (1, 2, 4, 16)  # 10,000 samples are 15.6 frames of 640
    assert codes.min() >= 0
    assert codes.max() < codec.config.codebook_size
    decoded = codec.decode(codes, [None, None]).audio_values
    assert decoded is not None
    assert decoded.shape == (2, 1, 16 * 640)
    assert codec(audio).audio_values.shape == audio.shape  # type: ignore[union-attr]


def test_batches_are_independent(codec: SpectralCodecModel) -> None:
    audio = torch.randn(3, 1, 6_400, generator=torch.Generator().manual_seed(0)) * 0.1
    together = codec.encode(audio).audio_codes
    assert together is not None
    for row in range(3):
        alone = codec.encode(audio[row : row + 1]).audio_codes
        assert alone is not None
        assert (alone[0, 0] == together[0, row]).float().mean() > 0.99  # near ties may turn


def test_padding_is_silence(codec: SpectralCodecModel) -> None:
    audio = torch.randn(1, 1, 6_400) * 0.1
    mask = torch.ones(1, 6_400)
    mask[:, 3_200:] = 0
    masked = codec.encode(audio, mask).audio_codes
    silenced = codec.encode(audio * mask[:, None]).audio_codes
    assert masked is not None
    assert silenced is not None
    assert torch.equal(masked, silenced)


def test_fewer_codebooks_decode_too(codec: SpectralCodecModel) -> None:
    """Each further codebook brings the latents nearer to what the encoder said."""
    tone = harmonic_tone(330.0, 1.0, codec.config.sampling_rate)[None]
    latents = codec.encoder(codec.features(tone))
    codes = codec.quantizer.encode(latents)
    errors = [
        (codec.quantizer.decode(codes[:, :books]) - latents).square().mean().item()
        for books in range(1, 5)
    ]
    assert errors == sorted(errors, reverse=True)


def test_the_nearest_sum_of_entries_is_found() -> None:
    """Of four codebooks of two entries no path is dropped: the search is exhaustive."""
    torch.manual_seed(0)
    quantizer = ResidualQuantizer(
        SpectralCodecConfig(codebook_dim=3, codebook_size=2, num_quantizers=4)
    )
    latents = torch.randn(2, 3, 200) * 0.2
    every = torch.cartesian_prod(*[torch.arange(2)] * 4)
    distances = torch.cdist(latents.transpose(1, 2), quantizer.decode(every.t()[None])[0].t()[None])
    assert torch.equal(quantizer.encode(latents).transpose(1, 2), every[distances.argmin(2)])


def test_wrong_codes_are_named(codec: SpectralCodecModel) -> None:
    with pytest.raises(ValueError, match="batch, books, frames"):
        codec.decode(torch.zeros(1, 4, 10, dtype=torch.long))


def test_features_invert() -> None:
    """`synthesis` of a signal's own log-magnitude and phase gives the signal back."""
    model = SpectralCodecModel(SpectralCodecConfig(encoder_width=8, decoder_width=8))
    config = model.config
    audio = torch.randn(1, 64 * config.frame_length, generator=torch.Generator().manual_seed(3))
    window = torch.hann_window(config.n_fft)
    spectrum = torch.stft(
        audio, config.n_fft, config.hop_length, window=window, return_complex=True
    )[..., :-1]
    head = torch.cat([spectrum.abs().log(), spectrum.real, spectrum.imag], 1)
    inner = slice(config.n_fft, -config.n_fft)  # the end misses the dropped last frame
    torch.testing.assert_close(
        model.synthesis(head, audio.shape[-1])[:, inner], audio[:, inner], rtol=1e-3, atol=1e-4
    )
