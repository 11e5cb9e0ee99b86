"""Seeds that follow from another."""

from __future__ import annotations

from typing import Final

_GOLDEN: Final = 0x9E3779B97F4A7C15
_MASK: Final = 2**64 - 1


def mixed(seed: int, step: int) -> int:
    """A seed of 64 bits for a step: SplitMix64 (Steele et al. 2014).

    All bits count: PyTorch's CPU generator reads the lowest 32 only.
    """
    state = (seed + (step + 1) * _GOLDEN) & _MASK
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
    return state ^ (state >> 31)
