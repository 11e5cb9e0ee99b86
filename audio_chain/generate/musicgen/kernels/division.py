"""How the work of a product is divided among programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import triton

SHARE: Final = 32
"""Inputs that a thread has. On an H200 8 and 16 are slower, at each of the published sizes."""

BLOCK: Final = 4
"""Outputs that a program has, at most: each reads all rows again."""

PROGRAMS: Final = 132
"""Fewer leave multiprocessors of a large GPU idle, so that programs have fewer outputs."""


@dataclass(frozen=True)
class Division:
    """Of one product.

    Attributes
    ----------
    padded : int
        Inputs, padded to a power of 2.
    block : int
        Outputs of a program.
    programs : int
        How many.
    warps : int
        Of 32 threads each, of a program.
    """

    padded: int
    block: int
    programs: int
    warps: int


def divided(inputs: int, outputs: int, *, crowded: bool = False) -> Division:
    """Divide a product; in twice the warps where a thread keeps more than inputs and is crowded."""
    padded = triton.next_power_of_2(inputs)
    block = BLOCK
    while block > 1 and triton.cdiv(outputs, block) < PROGRAMS:
        block //= 2
    warps = min(16, (1 + crowded) * max(1, padded // (32 * SHARE)))
    return Division(padded, block, triton.cdiv(outputs, block), warps)


def group(rows: int) -> int:
    """Rows that are multiplied at once."""
    return next(count for count in (4, 2, 1) if rows % count == 0)
