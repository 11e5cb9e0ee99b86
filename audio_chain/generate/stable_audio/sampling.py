"""The loop: from noise to latents, step by step."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from audio_chain.generate.stable_audio.noise import noise
from audio_chain.generate.stable_audio.paths import Path
from audio_chain.generate.stable_audio.samplers import Sampler, Step


class Network(Protocol):
    """What predicts; see `audio_chain.generate.stable_audio.denoiser.Denoiser`."""

    def __call__(self, latents: Tensor, time: float, guidance: float) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class Source:
    """Sound that pieces are made from.

    Parameters
    ----------
    latents : Tensor
        float32 (1, channels, frames).
    inside : Tensor, optional
        Booleans (frames,), true where new sound is to be made; what lies outside stays. By
        default all is made anew.
    """

    latents: Tensor
    inside: Tensor | None = None


def sample(
    network: Network,
    path: Path,
    sampler: Sampler,
    levels: Sequence[float],
    seeds: Sequence[int],
    shape: tuple[int, int],
    *,
    guidance: float,
    source: Source | None = None,
    device: torch.device | None = None,
    stepped: Callable[[], None] = lambda: None,
) -> Tensor:
    """Sample pieces together.

    What is to stay of a source is put in place before every step, with as much noise as there is
    at that level, so that what is made fits to it (Lugmayr et al. 2022, without resampling).

    Parameters
    ----------
    network : callable
        Its conditions have been read.
    path : Path
        What it was trained on.
    sampler : callable
        One of `SAMPLERS`.
    levels : sequence of float
        Of `path`; the first below a path's highest begins with the source, not with noise alone.
    seeds : sequence of int
        One a piece.
    shape : tuple of int
        (channels, frames).
    guidance : float
    source : Source, optional
    device : torch.device, optional
        Where latents are kept.
    stepped : callable
        Called after every step; what it raises ends the sampling.

    Returns
    -------
    Tensor
        Clean latents, float32 (pieces, channels, frames).
    """

    def fresh(step: int) -> Tensor:
        drawn = torch.stack([noise(seed, step, shape) for seed in seeds])
        if device is not None and device.type == "cuda":
            drawn = drawn.pin_memory()  # so that nobody waits for the copy
        return drawn.to(device, non_blocking=True)

    first = fresh(0)
    latents = path.deviation(levels[0]) * first
    if source is not None and levels[0] < path.levels(1)[0]:
        latents = path.keep(levels[0]) * source.latents + levels[0] * first
    before = None
    for index, (level, following) in enumerate(itertools.pairwise(levels), 1):
        latents = _put_back(latents, source, path.keep(level), level * first)
        output = network(path.scale(level) * latents, path.time(level), guidance)
        clean = path.clean(latents, output, level)
        step = Step(path, level, following, latents, clean, before, partial(fresh, index))
        latents, before = sampler(step), (level, clean)
        stepped()
    return _put_back(latents, source, 1.0, torch.zeros_like(first))


def _put_back(latents: Tensor, source: Source | None, keep: float, spread: Tensor) -> Tensor:
    """Latents with those of the source, noisy alike, wherever they are to stay."""
    if source is None or source.inside is None:
        return latents
    return torch.where(source.inside, latents, keep * source.latents + spread)
