"""The delay pattern: which codebook is at which frame when all are predicted in one step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

FREE = -1
"""In a pattern: a token that is to be generated."""


def delays(codebooks: int, channels: int) -> tuple[int, ...]:
    """Steps by which each codebook lags behind the first.

    The codebooks of a stereo model alternate between left and right, and the two of a pair lag
    by the same.
    """
    return tuple(book // channels for book in range(codebooks))


def delayed(
    codes: Tensor, lags: tuple[int, ...], frames: Sequence[int], steps: int, pad: int
) -> Tensor:
    """What is known of the steps before generation.

    Parameters
    ----------
    codes : Tensor
        The first frames of every piece, (pieces, codebooks, known frames); there may be none.
    lags : tuple of int
        As `delays` gives.
    frames : sequence of int
        Length of each piece.
    steps : int
        At least the longest piece and the longest delay.
    pad : int
        The token where a codebook has not begun yet or has ended.

    Returns
    -------
    Tensor
        (pieces, codebooks, steps): tokens that are given, and `FREE`.
    """
    pattern = torch.full((len(frames), len(lags), steps), pad, device=codes.device)
    known = codes.shape[-1]
    for book, lag in enumerate(lags):
        for piece, length in enumerate(frames):
            pattern[piece, book, lag : lag + length] = FREE
        pattern[:, book, lag : lag + known] = codes[:, book]
    return pattern


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
