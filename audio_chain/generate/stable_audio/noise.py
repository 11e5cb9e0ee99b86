"""Noise that depends on a seed and a step only: the same on every device and in any batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

_GOLDEN: Final = 0x9E3779B97F4A7C15
_MASK: Final = 2**64 - 1


def noise(seed: int, step: int, shape: Sequence[int]) -> Tensor:
    """Draw from a normal distribution on the CPU.

    Parameters
    ----------
    seed : int
        Of a piece, 0 to 2**64 - 1.
    step : int
        0 for the noise that a piece begins as, then that of each step.
    shape : sequence of int

    Returns
    -------
    Tensor
        float32 of that shape.
    """
    generator = torch.Generator().manual_seed(mixed(seed, step))
    return torch.randn(tuple(shape), generator=generator)


def mixed(seed: int, step: int) -> int:
    """A seed of 64 bits for a step: SplitMix64 (Steele et al. 2014).

    All bits count: PyTorch's CPU generator reads the lowest 32 only.
    """
    state = (seed + (step + 1) * _GOLDEN) & _MASK
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
    return state ^ (state >> 31)
