"""Noise that depends on a seed and a step only: the same on every device and in any batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from audio_chain.generate.seeds import mixed


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
