"""Noise as a function of a seed and a step: the same on every device, in whatever order."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

ROUNDS: Final = 10

_LOW: Final = 0xFFFFFFFF
_MULTIPLIERS: Final = (0xD2511F53, 0xCD9E8D57)
_WEYL: Final = (0x9E3779B9, 0xBB67AE85)


def philox(counter: tuple[Tensor, ...], key: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    """Four random words of 32 bits for each counter: Philox-4x32-10 (Salmon et al. 2011).

    Parameters
    ----------
    counter : tuple of Tensor
        Four words, int64 from 0 to 2^32 - 1; shapes that broadcast.
    key : tuple of Tensor
        Two words.

    Returns
    -------
    tuple of Tensor
        Four, int64 from 0 to 2^32 - 1.
    """
    c0, c1, c2, c3 = counter
    rounds = torch.arange(ROUNDS, device=c0.device)
    keys = [
        (word[..., None] + rounds * weyl & _LOW).unbind(-1)
        for word, weyl in zip(key, _WEYL, strict=True)
    ]
    for k0, k1 in zip(*keys, strict=True):
        first, second = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        # what int64 can't hold is in its sign: shifting brings that down too
        c0, c2 = (second >> 32 ^ c1 ^ k0) & _LOW, (first >> 32 ^ c3 ^ k1) & _LOW
        c1, c3 = second, first  # of which the lower words count
    return c0, c1 & _LOW, c2, c3 & _LOW


def gumbel(seeds: Tensor, steps: Tensor, shape: tuple[int, int]) -> Tensor:
    """Gumbel noise: adding it to logits and taking the largest draws from their softmax.

    Gumbel 1954. A token's counter is its number, the step and a quarter of the codebook's number;
    four codebooks share it.

    Parameters
    ----------
    seeds : Tensor
        int64 (pieces,), from 0.
    steps : Tensor
        int64 (1,), less than 2^32.
    shape : tuple of int
        Codebooks and tokens.

    Returns
    -------
    Tensor
        float32 (pieces, codebooks, tokens).
    """
    books, tokens = shape
    device = seeds.device
    token = torch.arange(tokens, device=device)
    four = torch.arange(-(-books // 4), device=device)[:, None]
    seeds = seeds[:, None, None]
    words = philox(
        (token, steps, four, torch.zeros_like(steps)), (seeds & _LOW, seeds >> 32 & _LOW)
    )
    bits = torch.stack(torch.broadcast_tensors(*words), 2).flatten(1, 2)[:, :books]
    # the middles of 2^23 intervals: neither 0 nor 1
    uniform = ((bits >> 9).float() + 0.5) * 2.0**-23
    return -torch.log(-torch.log(uniform))
