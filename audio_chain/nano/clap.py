"""CLAP-nano: music and captions in one space, and a listener for genre and instruments.

Contrastive language-audio pretraining (Elizalde et al. 2022; Wu et al. 2023) with a small
convolutional tower over mel spectrograms against a frozen sentence encoder.
"""

from __future__ import annotations

import math
from typing import Any, Final, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel


class ClapNanoConfig(PretrainedConfig):
    """Shape of a `ClapNanoModel`.

    Parameters
    ----------
    sampling_rate, n_fft, hop_length, mel_bins : int
        The mel spectrogram the tower looks at; samples a second, samples, samples, bands.
    widths : tuple of int
        Channels of the tower's stages; each stage halves time and frequency.
    text_width, embedding_width : int
        Width of the pooled sentence embedding, and of the common space.
    genres, instruments : tuple of str
        Labels of the two listening heads.
    """

    model_type = "clap_nano"

    def __init__(
        self,
        sampling_rate: int = 32_000,
        n_fft: int = 2048,
        hop_length: int = 640,
        mel_bins: int = 96,
        widths: tuple[int, ...] = (32, 64, 128, 256),
        text_width: int = 384,
        embedding_width: int = 256,
        genres: tuple[str, ...] = (),
        instruments: tuple[str, ...] = (),
        **kwargs: Any,
    ) -> None:
        self.sampling_rate = sampling_rate
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.mel_bins = mel_bins
        self.widths = tuple(widths)
        self.text_width = text_width
        self.embedding_width = embedding_width
        self.genres = tuple(genres)
        self.instruments = tuple(instruments)
        super().__init__(**kwargs)


def mel_filters(rate: int, n_fft: int, bands: int) -> Tensor:
    """Triangular filters on the HTK mel scale, (bands, n_fft // 2 + 1), peak 1."""
    top = 2595 * math.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (torch.linspace(0, top, bands + 2, dtype=torch.float64) / 2595) - 1)
    bins = torch.linspace(0, rate / 2, n_fft // 2 + 1, dtype=torch.float64)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return torch.minimum(rising, falling).clamp_min(0).float()


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions added to the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, width, bands, frames) to the same shape."""
        return F.gelu(x + self.body(x))


class AudioTower(nn.Module):
    """Mel spectrogram to one vector a clip."""

    LAYERS: Final = 4  # of a stage

    filters: Tensor

    def __init__(self, config: ClapNanoConfig) -> None:
        super().__init__()
        self.config = config
        filters = mel_filters(config.sampling_rate, config.n_fft, config.mel_bins)
        self.register_buffer("filters", filters)
        layers: list[nn.Module] = []
        for before, width in zip((1, *config.widths), config.widths, strict=False):
            layers += [
                nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.GELU(),
                ResidualBlock(width),
            ]
        self.layers = nn.Sequential(*layers)
        bands = math.ceil(config.mel_bins / 2 ** len(config.widths))
        self.squeeze = nn.Conv1d(config.widths[-1] * bands, 2 * config.widths[-1], 1)
        self.width = 4 * config.widths[-1]

    def spectrogram(self, audio: Tensor) -> Tensor:
        """Log-mel spectrogram (batch, 1, bands, frames) of (batch, samples), about unit range."""
        c = self.config
        window = torch.hann_window(c.n_fft, device=audio.device)
        spectrum = torch.stft(
            audio.float(), c.n_fft, c.hop_length, window=window, return_complex=True
        )
        # abs() would take a root that square() undoes
        power = self.filters.float() @ (spectrum.real.square() + spectrum.imag.square())
        return ((power + 1e-4).log() / 4)[:, None]

    def stages(self, first: int, last: int | None = None) -> nn.Sequential:
        """Stages `first` to `last`, exclusive, counted from 0."""
        end = None if last is None else last * self.LAYERS
        return nn.Sequential(*list(self.layers)[first * self.LAYERS : end])

    def forward(self, spectrogram: Tensor, passed: int = 0) -> Tensor:
        """Mean and maximum over time of what the stages found, (batch, width).

        Parameters
        ----------
        spectrogram : Tensor
            (batch, 1, bands, frames), or what came out of the first stages.
        passed : int
            How many stages that were.
        """
        h = self.stages(passed)(spectrogram).flatten(1, 2)
        h = F.gelu(self.squeeze(h))
        return torch.cat([h.mean(-1), h.amax(-1)], -1)


class ClapNanoModel(PreTrainedModel):
    """Audio tower, projections into the common space, and listening heads."""

    config_class = ClapNanoConfig
    base_model_prefix = "clap_nano"
    main_input_name = "audio"

    def __init__(self, config: ClapNanoConfig) -> None:
        super().__init__(config)
        self.tower = AudioTower(config)
        width = config.embedding_width
        self.audio_projection = nn.Linear(self.tower.width, width)
        self.text_projection = nn.Sequential(
            nn.Linear(config.text_width, width), nn.GELU(), nn.Linear(width, width)
        )
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        self.genre_head = nn.Linear(self.tower.width, len(config.genres))
        self.instrument_head = nn.Linear(self.tower.width, len(config.instruments))
        self.post_init()  # type: ignore[no-untyped-call]

    def _init_weights(self, module: nn.Module) -> None:
        """Keep PyTorch's own initialisation."""

    def listen(self, audio: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Hear clips.

        Parameters
        ----------
        audio : Tensor
            (batch, samples) at ``config.sampling_rate``.

        Returns
        -------
        embedding, genre_logits, instrument_logits : Tensor
            (batch, embedding_width) of unit length, (batch, genres), (batch, instruments).
        """
        return self.heads(self.tower(self.tower.spectrogram(audio).to(self.dtype)))

    def heads(self, heard: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Project what the tower heard, (batch, tower.width)."""
        embedding = F.normalize(self.audio_projection(heard).float(), dim=-1)
        return embedding, self.genre_head(heard), self.instrument_head(heard)

    def embed_text(self, pooled: Tensor) -> Tensor:
        """Project mean token states of the sentence encoder (batch, text_width), unit length."""
        return F.normalize(cast(Tensor, self.text_projection(pooled)).float(), dim=-1)


AutoConfig.register("clap_nano", ClapNanoConfig, exist_ok=True)
AutoModel.register(ClapNanoConfig, ClapNanoModel, exist_ok=True)
