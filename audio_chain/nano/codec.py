"""A spectral codec: music at 32 kHz as 50 frames of a few codebook indices a second.

The short-time spectrum goes in and comes out, so that pitch survives training of minutes where a
waveform codec (EnCodec, Défossez et al. 2022) needs days. Residual vector quantization follows
SoundStream (Zeghidour et al. 2021), the blocks are ConvNeXt (Liu et al. 2022), and the decoder's
magnitude-and-phase head is that of Vocos (Siuzdak 2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel

PATHS: Final = 8
"""Sums of codebooks' entries that a frame's search goes on with."""

ROWS: Final = 8192
"""Frames that are searched at once, in a quarter of a gigabyte."""


class SpectralCodecConfig(PretrainedConfig):
    """Shape of a `SpectralCodecModel`.

    Parameters
    ----------
    sampling_rate : int
        Samples a second.
    n_fft, hop_length : int
        Window and hop of the short-time Fourier transform, in samples.
    encoder_width, encoder_layers : int
        Channels, and ConvNeXt blocks at the spectrum's frame rate; two more follow at half of it.
    decoder_width, decoder_layers : int
        The same for the decoder, where the two blocks at half the rate come first.
    codebook_dim, codebook_size, num_quantizers : int
        Size of a latent frame, entries of a codebook, and codebooks.
    """

    model_type = "spectral_codec"

    def __init__(
        self,
        sampling_rate: int = 32_000,
        n_fft: int = 1280,
        hop_length: int = 320,
        encoder_width: int = 224,
        encoder_layers: int = 4,
        decoder_width: int = 320,
        decoder_layers: int = 6,
        codebook_dim: int = 128,
        codebook_size: int = 1024,
        num_quantizers: int = 4,
        **kwargs: Any,
    ) -> None:
        self.sampling_rate = sampling_rate
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.encoder_width = encoder_width
        self.encoder_layers = encoder_layers
        self.decoder_width = decoder_width
        self.decoder_layers = decoder_layers
        self.codebook_dim = codebook_dim
        self.codebook_size = codebook_size
        self.num_quantizers = num_quantizers
        self.audio_channels = 1
        super().__init__(**kwargs)

    @property
    def frame_length(self) -> int:
        """Samples that one latent frame stands for."""
        return 2 * self.hop_length

    @property
    def frame_rate(self) -> int:
        """Latent frames a second."""
        return self.sampling_rate // self.frame_length

    @property
    def bins(self) -> int:
        """Frequencies of one spectrum."""
        return self.n_fft // 2 + 1


class ConvNeXtBlock(nn.Module):
    """A depthwise convolution over time, then a pointwise perceptron, added to the input."""

    def __init__(self, width: int, expansion: int = 3) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, expansion * width)
        self.contract = nn.Linear(expansion * width, width)
        self.scale = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, width, frames) to the same shape."""
        h: Tensor = self.norm(self.depthwise(x).transpose(1, 2))
        h = self.scale * self.contract(F.gelu(self.expand(h)))
        return x + h.transpose(1, 2)


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ConvNeXtBlock(width) for _ in range(count)))


class SpectralEncoder(nn.Module):
    """Spectral features at 100 Hz to latents at 50 Hz."""

    def __init__(self, config: SpectralCodecConfig) -> None:
        super().__init__()
        width = config.encoder_width
        self.project_in = nn.Conv1d(3 * config.bins, width, 1)
        self.fine = _blocks(width, config.encoder_layers)
        self.down = nn.Conv1d(width, width, 4, stride=2, padding=1)
        self.coarse = _blocks(width, 2)
        self.project_out = nn.Conv1d(width, config.codebook_dim, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Map (batch, 3 * bins, 2 * frames) to (batch, codebook_dim, frames)."""
        h = self.down(self.fine(self.project_in(features)))
        return cast(Tensor, self.project_out(self.coarse(h)))


class SpectralDecoder(nn.Module):
    """Latents at 50 Hz to log-magnitude and phase at 100 Hz."""

    def __init__(self, config: SpectralCodecConfig) -> None:
        super().__init__()
        width = config.decoder_width
        self.project_in = nn.Conv1d(config.codebook_dim, width, 7, padding=3)
        self.coarse = _blocks(width, 2)
        self.up = nn.ConvTranspose1d(width, width, 4, stride=2, padding=1)
        self.fine = _blocks(width, config.decoder_layers)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 3 * config.bins)

    def forward(self, latents: Tensor) -> Tensor:
        """Map (batch, codebook_dim, frames) to (batch, 3 * bins, 2 * frames)."""
        h = self.fine(self.up(self.coarse(self.project_in(latents))))
        return cast(Tensor, self.head(self.norm(h.transpose(1, 2)))).transpose(1, 2)


class ResidualQuantizer(nn.Module):
    """Codebooks, each of which codes what the ones before it left over."""

    codebooks: Tensor

    def __init__(self, config: SpectralCodecConfig) -> None:
        super().__init__()
        shape = (config.num_quantizers, config.codebook_size, config.codebook_dim)
        self.register_buffer("codebooks", torch.randn(shape) * 0.1)

    def encode(self, latents: Tensor) -> Tensor:
        """Map (batch, dim, frames) to indices (batch, num_quantizers, frames), int64.

        The nearest entry of each codebook in turn isn't the nearest sum of them all, so `PATHS`
        sums are kept until the last codebook: a beam search (Babenko and Lempitsky 2014).
        """
        batch, dim, frames = latents.shape
        rows = latents.transpose(1, 2).reshape(-1, dim)
        codes = torch.cat([self._nearest(some) for some in rows.split(ROWS)])
        return codes.view(batch, frames, -1).transpose(1, 2)

    def _nearest(self, latents: Tensor) -> Tensor:
        """Indices (rows, num_quantizers) whose entries' sum is close to latents (rows, dim)."""
        left = latents[:, None]  # of each path, (rows, paths, dim)
        codes = torch.empty(len(latents), 1, 0, dtype=torch.long, device=latents.device)
        for book, entries in enumerate(self.codebooks):
            kept = PATHS if book + 1 < len(self.codebooks) else 1
            distance = left.square().sum(2, keepdim=True) - 2 * left @ entries.t()
            distance = (distance + entries.square().sum(1)).flatten(1)
            best = distance.topk(min(kept, distance.shape[1]), largest=False).indices
            path, index = best // len(entries), best % len(entries)
            left = left.take_along_dim(path[..., None], 1) - entries[index]
            codes = torch.cat([codes.take_along_dim(path[..., None], 1), index[..., None]], 2)
        return codes[:, 0]

    def decode(self, codes: Tensor) -> Tensor:
        """Map indices (batch, books <= num_quantizers, frames) to latents (batch, dim, frames)."""
        latents = sum(self.codebooks[book][codes[:, book]] for book in range(codes.shape[1]))
        return cast(Tensor, latents).transpose(1, 2)


@dataclass
class SpectralCodecOutput:
    """What `SpectralCodecModel.encode` and `decode` return, named as transformers' codecs do."""

    audio_codes: Tensor | None = None
    audio_values: Tensor | None = None
    audio_scales: list[None] | None = None


class SpectralCodecModel(PreTrainedModel):
    """The codec, with the calls that `MusicgenForConditionalGeneration` makes of an EnCodec."""

    config_class = SpectralCodecConfig
    base_model_prefix = "spectral_codec"
    main_input_name = "input_values"

    def __init__(self, config: SpectralCodecConfig) -> None:
        super().__init__(config)
        self.encoder = SpectralEncoder(config)
        self.decoder = SpectralDecoder(config)
        self.quantizer = ResidualQuantizer(config)
        self.post_init()  # type: ignore[no-untyped-call]

    def _init_weights(self, module: nn.Module) -> None:
        """Keep PyTorch's own initialisation."""

    def _window(self, like: Tensor) -> Tensor:
        return torch.hann_window(self.config.n_fft, device=like.device)

    def features(self, audio: Tensor) -> Tensor:
        """Spectra as the encoder reads them.

        Parameters
        ----------
        audio : Tensor
            (batch, samples), samples a multiple of ``config.frame_length``.

        Returns
        -------
        Tensor
            (batch, 3 * bins, 2 * frames): scaled log-magnitude, and real and imaginary part
            divided by the square root of the magnitude.
        """
        c = self.config
        spectrum = torch.stft(
            audio.float(), c.n_fft, c.hop_length, window=self._window(audio), return_complex=True
        )[..., :-1]
        magnitude = spectrum.abs().clamp_min(1e-5)
        root = magnitude.sqrt()
        return torch.cat([magnitude.log() / 3 + 1, spectrum.real / root, spectrum.imag / root], 1)

    def synthesis(self, head: Tensor, samples: int) -> Tensor:
        """Turn the decoder's output (batch, 3 * bins, 2 * frames) into audio (batch, samples)."""
        c = self.config
        log_magnitude, cosine, sine = head.float().chunk(3, 1)
        magnitude = log_magnitude.clamp(max=7.0).exp()
        # atan2 has no gradient at the origin
        phase = torch.atan2(sine, cosine + 1e-7 * (cosine == 0))
        spectrum = torch.polar(magnitude, phase)
        # torch.stft's last frame, dropped by `features`, is centred on the end of the signal
        spectrum = torch.cat([spectrum, spectrum[..., -1:]], -1)
        return torch.istft(
            spectrum, c.n_fft, c.hop_length, window=self._window(head), length=samples
        )

    @torch.no_grad()
    def encode(
        self, input_values: Tensor, padding_mask: Tensor | None = None, **kwargs: Any
    ) -> SpectralCodecOutput:
        """Code audio.

        Parameters
        ----------
        input_values : Tensor
            (batch, 1, samples) in [-1, 1]; padded with silence to whole frames.
        padding_mask : Tensor, optional
            (batch, samples) or (batch, 1, samples), 0 where a clip has ended.

        Returns
        -------
        SpectralCodecOutput
            ``audio_codes`` (1, batch, num_quantizers, frames), as EnCodec's single chunk.
        """
        audio = input_values[:, 0]
        if padding_mask is not None:
            audio = audio * padding_mask.reshape(len(audio), -1)
        frame = self.config.frame_length
        audio = F.pad(audio, (0, -audio.shape[-1] % frame))
        latents = self.encoder(self.features(audio).to(self.dtype))
        codes = self.quantizer.encode(latents.float())
        return SpectralCodecOutput(audio_codes=codes[None], audio_scales=[None] * len(audio))

    @torch.no_grad()
    def decode(
        self, audio_codes: Tensor, audio_scales: Any = None, **kwargs: Any
    ) -> SpectralCodecOutput:
        """Turn codes (1, batch, books, frames) into ``audio_values`` (batch, 1, samples)."""
        if audio_codes.dim() != 4 or audio_codes.shape[0] != 1:
            raise ValueError(f"expected codes (1, batch, books, frames), not {audio_codes.shape}")
        codes = audio_codes[0]
        latents = self.quantizer.decode(codes).to(self.dtype)
        samples = codes.shape[-1] * self.config.frame_length
        audio = self.synthesis(self.decoder(latents), samples)
        return SpectralCodecOutput(audio_values=audio[:, None])

    def forward(self, input_values: Tensor, **kwargs: Any) -> SpectralCodecOutput:
        """Code and decode audio (batch, 1, samples)."""
        coded = self.encode(input_values)
        assert coded.audio_codes is not None
        decoded = self.decode(coded.audio_codes)
        assert decoded.audio_values is not None
        return SpectralCodecOutput(
            audio_codes=coded.audio_codes,
            audio_values=decoded.audio_values[..., : input_values.shape[-1]],
            audio_scales=coded.audio_scales,
        )


AutoConfig.register("spectral_codec", SpectralCodecConfig, exist_ok=True)
AutoModel.register(SpectralCodecConfig, SpectralCodecModel, exist_ok=True)
