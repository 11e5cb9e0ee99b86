"""What lies between two of the codec's convolutions, in one pass; see `upsampling`."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

BLOCK = 1024
"""Values that a program makes."""


def activate(x: Tensor, more: Tensor | None, left: int, right: int) -> Tensor:
    """As `upsampling.Activate`."""
    pieces, channels, length = x.shape
    out = x.new_empty(pieces, channels, left + length + right)
    _activate[(pieces * channels, triton.cdiv(out.shape[-1], BLOCK))](
        x,
        x if more is None else more,
        out,
        channels,
        x.stride(0),
        x.stride(1),
        length,
        out.shape[-1],
        left,
        ADDS=more is not None,
        BLOCK=BLOCK,
    )
    return out


@triton.jit
def _activate(
    x,
    more,
    out,
    channels,
    of_piece,
    of_channel,
    length,
    whole,
    left,
    ADDS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    place = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = place < whole
    at = tl.abs(place - left)
    at = tl.where(at < length, at, 2 * (length - 1) - at)
    base = row // channels * of_piece + row % channels * of_channel
    v = tl.load(x + base + at, inside, 0.0)
    if ADDS:
        v += tl.load(more + row * length + at, inside, 0.0)
    v = tl.where(v > 0, v, tl.exp(tl.minimum(v, 0.0)) - 1)
    tl.store(out + row * whole + place, v, inside)
