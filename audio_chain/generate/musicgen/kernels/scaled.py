"""Weights of 8 bits multiplied out, in one pass."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from audio_chain.generate.musicgen.kernels.overlap import (
    gdc_launch_dependents,
    gdc_wait,
    overlap,
)
from audio_chain.generate.musicgen.kernels.weights import parts
from audio_chain.generate.musicgen.matrices import Matrix

BLOCK = 2048
"""Weights that a program multiplies."""


@triton.jit
def multiply_out(values, scale, out, inputs, BLOCK: tl.constexpr, OVERLAPS: tl.constexpr):
    """Scale outputs' weights; values and out (outputs, inputs), the grid is (outputs, blocks)."""
    row = tl.program_id(0).to(tl.int64)
    place = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = place < inputs
    at = row * inputs + place
    weight = tl.load(values + at, mask=inside, other=0).to(tl.float32) * tl.load(scale + row)
    if OVERLAPS:
        gdc_launch_dependents()
        gdc_wait()
    tl.store(out + at, weight.to(out.dtype.element_ty), mask=inside)


def multiplied(matrix: Matrix, dtype: torch.dtype) -> Tensor:
    """A matrix's weight (outputs, inputs); one of 8 bits in another type."""
    values, scale, scaled = parts(matrix)
    if not scaled:
        return values
    outputs, inputs = values.shape
    out = torch.empty_like(values, dtype=dtype)
    multiply_out[(outputs, triton.cdiv(inputs, BLOCK))](
        values,
        scale,
        out,
        inputs,
        BLOCK=min(BLOCK, triton.next_power_of_2(inputs)),
        **overlap(values.device),
    )
    return out
