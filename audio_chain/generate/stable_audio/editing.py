"""What pieces are made from: other sound, and which part of it is to stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from audio_chain.clip import Clip, Samples
from audio_chain.generate.stable_audio.autoencoders import Autoencoder
from audio_chain.generate.stable_audio.sampling import Source

FADE_S: Final = 0.01
"""How long sound that stays and new sound overlap, just inside what is made anew."""


@dataclass(frozen=True, eq=False)
class Edit:
    """Sound to begin from.

    Parameters
    ----------
    clip : Clip
        As long as the piece at the most; then comes silence.
    strength : float
        How much noise there is at the beginning, above 0; at 1 there is nothing else.
    span : tuple of float, optional
        Beginning and end of what is made anew, in seconds. By default that is all.
    """

    clip: Clip
    strength: float
    span: tuple[float, float] | None = None


def source_of(edit: Edit, autoencoder: Autoencoder, frames: int, device: torch.device) -> Source:
    """Read the sound of an edit as `frames` frames of latents.

    Where what is made anew goes on beyond the sound, the sound is heard backwards there, so that
    its last frames are not coded as an end.
    """
    rate, hop = autoencoder.rate, autoencoder.hop
    clip = edit.clip.resampled(rate)
    sides = clip.samples
    if len(sides) != autoencoder.channels:
        sides = np.repeat(clip.mono().samples, autoencoder.channels, 0)
    samples = np.zeros((1, autoencoder.channels, frames * hop), np.float32)
    if edit.span is not None and edit.span[1] > clip.seconds > 0:
        missing = round(edit.span[1] * rate) - sides.shape[1]
        sides = np.pad(sides, ((0, 0), (0, max(0, missing))), "symmetric")
    length = min(sides.shape[1], samples.shape[2])
    samples[0, :, :length] = sides[:, :length]
    latents = autoencoder.encode(torch.from_numpy(samples).to(device)).float()
    if edit.span is None:
        return Source(latents)
    times = torch.arange(frames, device=device)
    begin, end = (second * rate / hop for second in edit.span)
    return Source(latents, (times > begin - 1) & (times < end))


def spliced(fresh: Samples, kept: Samples, span: tuple[float, float], rate: int) -> Samples:
    """New sound inside a span, and outside it what stays, sample for sample.

    Decoders spread each latent over its neighbours, so that without this the sound just outside
    would change too.

    Parameters
    ----------
    fresh, kept : ndarray of float32, shape (channels, samples)
    span : tuple of float
        In seconds.
    rate : int
    """
    time = np.arange(fresh.shape[1]) / rate
    begin, end = span
    share = np.clip(np.minimum(time - begin, end - time) / FADE_S, 0, 1)
    if end >= fresh.shape[1] / rate:  # nothing follows that it has to meet
        share = np.clip((time - begin) / FADE_S, 0, 1)
    if begin <= 0:
        share = np.where(time < (begin + end) / 2, 1.0, share)
    weight = share.astype(np.float32)
    return np.where(weight == 0, kept, kept + weight * (fresh - kept))


def sound(autoencoder: Autoencoder, latents: Tensor) -> Samples:
    """Decode one piece's latents (channels, frames) to samples (channels, samples)."""
    samples: Samples = autoencoder.decode(latents[None])[0].float().cpu().numpy()
    return samples
