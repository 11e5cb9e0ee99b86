"""Layer norm of many rows."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from audio_chain.generate.musicgen.kernels.overlap import (
    gdc_launch_dependents,
    gdc_wait,
    overlap,
)
from audio_chain.generate.musicgen.layers import Norm


@triton.jit
def normalize(
    x,
    gain,
    shift,
    out,
    WIDTH: tl.constexpr,
    PADDED: tl.constexpr,
    OVERLAPS: tl.constexpr,
):
    """Norm of a row; the grid is (rows,). x and out (rows, WIDTH)."""
    dim = tl.arange(0, PADDED)
    inside = dim < WIDTH
    scale = tl.load(gain + dim, mask=inside, other=0.0).to(tl.float32)
    offset = tl.load(shift + dim, mask=inside, other=0.0).to(tl.float32)
    if OVERLAPS:
        gdc_launch_dependents()
        gdc_wait()
    at = tl.program_id(0) * WIDTH + dim
    v = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
    v = tl.where(inside, v - tl.sum(v, 0) / WIDTH, 0.0)
    v *= tl.rsqrt(tl.sum(v * v, 0) / WIDTH + 1e-5)  # as in torch's layer norm
    tl.store(out + at, (v * scale + offset).to(out.dtype.element_ty), mask=inside)


def normed(norm: Norm, x: Tensor, out: Tensor) -> Tensor:
    """Put the norm of rows x (rows, width) into the first rows of out, and give those."""
    rows, width = x.shape
    normalize[(rows,)](
        x,
        norm.weight,
        norm.bias,
        out,
        WIDTH=width,
        PADDED=triton.next_power_of_2(width),
        **overlap(x.device),
    )
    return out[:rows]
