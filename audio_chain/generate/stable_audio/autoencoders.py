"""Between sound and latents: AutoencoderOobleck of diffusers, or the nano model's own.

Oobleck works on samples, with a hundred channels and more for each, so a minute at once takes
gigabytes. It is convolutions only, so it is run block by block, each with as much around it as
can be heard in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

import torch
from torch import Tensor

BLOCK: Final = 128
"""Frames of latents that are coded or decoded at a time: six seconds of Stable Audio Open."""


class Autoencoder(Protocol):
    """Codes sound as latents.

    Attributes
    ----------
    rate : int
        Samples a second.
    hop : int
        Samples that one frame of latents stands for.
    channels : int
        1 or 2.
    """

    rate: int
    hop: int
    channels: int

    def encode(self, samples: Tensor) -> Tensor:
        """Map (1, channels, frames * hop) to latents (1, width, frames), float32."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Map latents (1, width, frames) to samples (1, channels, frames * hop), float32."""
        ...


class Oobleck:
    """diffusers' AutoencoderOobleck. A latent is the mean of its distribution, not a draw."""

    def __init__(self, vae: Any) -> None:
        self.rate: int = vae.config.sampling_rate
        self.channels: int = vae.config.audio_channels
        self.hop: int = vae.hop_length
        self._vae = vae
        self._around = surroundings(vae.config.downsampling_ratios)

    @torch.inference_mode()
    def encode(self, samples: Tensor) -> Tensor:
        return in_blocks(self._means, samples, self.hop, 1, self._around)

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        return in_blocks(self._sound, latents, 1, self.hop, self._around)

    def _means(self, samples: Tensor) -> Tensor:
        means: Tensor = self._vae.encode(samples).latent_dist.mode()
        return means

    def _sound(self, latents: Tensor) -> Tensor:
        sound: Tensor = self._vae.decode(latents).sample
        return sound


def surroundings(ratios: list[int]) -> int:
    """Frames on either side that can be heard in one, for the strides of an Oobleck's encoder."""
    reach, pace = 4.0, 1  # convolutions at the frames' own rate
    for ratio in reversed(ratios):
        pace *= ratio
        reach += ratio / pace + 3 * (1 + 3 + 9) / pace  # up or down, then dilations 1, 3, 9 of 7
    return math.ceil(reach + 3 / pace)


def in_blocks(
    function: Callable[[Tensor], Tensor],
    signal: Tensor,
    taken: int,
    given: int,
    around: int,
    block: int = BLOCK,
) -> Tensor:
    """Apply a function that works on neighbouring frames to some frames at a time.

    Parameters
    ----------
    function : callable
        Maps (batch, channels, frames * taken) to (batch, channels, frames * given).
    signal : Tensor
    taken, given : int
        Of the signal and of the result, for one frame.
    around : int
        Frames on either side that a frame depends on.
    block : int
        Frames at a time.
    """
    frames = signal.shape[-1] // taken
    parts = []
    for begin in range(0, frames, block):
        end = min(frames, begin + block)
        left, right = max(0, begin - around), min(frames, end + around)
        part = function(signal[..., left * taken : right * taken])
        parts.append(part[..., (begin - left) * given : (end - left) * given])
    return torch.cat(parts, -1)


class Spectral:
    """The nano model's autoencoder, `audio_chain.nano.autoencoder.SpectralAutoencoder`."""

    channels = 1

    def __init__(self, model: Any) -> None:
        self.rate: int = model.sampling_rate
        self.hop: int = model.hop
        self._model = model

    @torch.inference_mode()
    def encode(self, samples: Tensor) -> Tensor:
        latents: Tensor = self._model.encode(samples)
        return latents

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        samples: Tensor = self._model.decode(latents)
        return samples


def load_spectral(folder: Path, codec: Path, device: torch.device) -> Spectral:
    """Load the nano model's autoencoder, whose body is the shipped codec's."""
    from audio_chain.nano.autoencoder import SpectralAutoencoder

    return Spectral(SpectralAutoencoder.from_pretrained(folder, codec).eval().to(device))
