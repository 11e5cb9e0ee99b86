"""The delay pattern: which codebook is at which frame when all are predicted in one step."""

from __future__ import annotations

import torch
from torch import Tensor


def delays(codebooks: int, channels: int) -> tuple[int, ...]:
    """Steps by which each codebook lags behind the first.

    The codebooks of a stereo model alternate between left and right, and the two of a pair lag
    by the same.
    """
    return tuple(book // channels for book in range(codebooks))


def undelayed(steps: Tensor, lags: tuple[int, ...]) -> Tensor:
    """Undo the pattern.

    Parameters
    ----------
    steps : Tensor
        (batch, codebooks, frames + max(lags)), what was predicted at each step.
    lags : tuple of int
        As `delays` gives.

    Returns
    -------
    Tensor
        (batch, codebooks, frames).
    """
    frames = steps.shape[-1] - max(lags)
    return torch.stack([steps[:, book, lag : lag + frames] for book, lag in enumerate(lags)], 1)
