"""One step down the path from noise, by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from torch import Tensor

from audio_chain.errors import UsageError
from audio_chain.generate.stable_audio.paths import Path


@dataclass(frozen=True, eq=False)
class Step:
    """All that a step may look at.

    Parameters
    ----------
    path : Path
    level, following : float
        Where it begins and ends; `following` is 0 at the last.
    latents : Tensor
        (pieces, channels, frames) at `level`.
    clean : Tensor
        What the network takes the clean latents to be.
    before : tuple of float and Tensor, optional
        Level and clean latents of the step before; there is none at the first.
    noise : callable
        Fresh noise of this step.
    """

    path: Path
    level: float
    following: float
    latents: Tensor
    clean: Tensor
    before: tuple[float, Tensor] | None
    noise: Callable[[], Tensor]

    @property
    def ratio(self) -> float:
        """Noise to signal at the end over that at the beginning: ``exp(-h)`` of DPM-Solver."""
        path = self.path
        return path.keep(self.level) * self.following / (path.keep(self.following) * self.level)


def euler(step: Step) -> Tensor:
    """Along the straight line from the latents to where the network points."""
    away = (step.latents - step.path.keep(step.level) * step.clean) / step.level
    return step.path.keep(step.following) * step.clean + step.following * away


def ping_pong(step: Step) -> Tensor:
    """All the way to the clean latents, and back with fresh noise: for distilled models."""
    clean = step.path.keep(step.following) * step.clean
    return clean + step.following * step.noise() if step.following else clean


def dpm_solver(step: Step, *, stochastic: bool, heun: bool = False) -> Tensor:
    """DPM-Solver++ of second order with one evaluation a step (Lu et al. 2022, 2M).

    It extrapolates the clean latents through the last two steps; the first and the last step are
    of first order. The stochastic form puts back part of the noise that it takes away.
    """
    keep, ratio = step.path.keep(step.following), step.ratio
    shrink = ratio**2 if stochastic else ratio
    latents = step.following / step.level * (ratio if stochastic else 1.0) * step.latents
    latents = latents + keep * (1 - shrink) * step.clean
    if step.before is not None and step.following:
        level, clean = step.before
        stride = -math.log(ratio)
        slope = (step.clean - clean) * (stride / _stride(step.path, level, step.level))
        rate = 2 if stochastic else 1
        weight = 1 - (1 - shrink) / (rate * stride) if heun else (1 - shrink) / 2
        latents = latents + keep * weight * slope
    if stochastic and step.following:
        latents = latents + step.following * math.sqrt(1 - shrink) * step.noise()
    return latents


def _stride(path: Path, level: float, following: float) -> float:
    """How much the logarithm of signal to noise grows from a level to the next."""
    if not path.keep(level):
        return math.inf
    return math.log(path.keep(following) / following) - math.log(path.keep(level) / level)


Sampler = Callable[[Step], Tensor]

SAMPLERS: Final[Mapping[str, Sampler]] = {
    "dpmpp-2m-sde": partial(dpm_solver, stochastic=True),
    "dpmpp-2m-sde-heun": partial(dpm_solver, stochastic=True, heun=True),
    "dpmpp-2m": partial(dpm_solver, stochastic=False),
    "euler": euler,
    "pingpong": ping_pong,
}
"""By the names that people know them by."""


def sampler_of(name: str) -> Sampler:
    """Find a sampler; raises `UsageError` if there is none of that name."""
    if name not in SAMPLERS:
        raise UsageError(f"there is no sampler {name!r}; choose one of {', '.join(SAMPLERS)}")
    return SAMPLERS[name]
