"""Products of a few rows with a weight: every program reads some outputs' weights, all at once.

The norm before a product is computed by every program again, since reading a few rows from the
second-level cache takes less time than a kernel of its own; what follows the product is done on
its way out. Weights may be of 8 bits, with a scale for each output. Rows go in groups of `GROUP`,
which divides their number, so that those of a group wait for memory together.

Where kernels may overlap, a program reads its weights while the kernel before it still runs, and
then waits for what that one makes; see `overlap`.
"""

from __future__ import annotations

import triton
import triton.language as tl

from audio_chain.generate.musicgen.kernels.attention import joined
from audio_chain.generate.musicgen.kernels.overlap import gdc_launch_dependents, gdc_wait


@triton.jit
def _weights(weight, outputs, wanted, inputs, inside, INPUTS: tl.constexpr):
    """Weights (outputs, inputs) of a program in float32."""
    at = outputs[:, None] * INPUTS + inputs[None, :]
    return tl.load(weight + at, mask=wanted[:, None] & inside[None, :], other=0.0).to(tl.float32)


@triton.jit
def _normed(x, inside, gain, shift, INPUTS: tl.constexpr):
    """Layer norm of a row."""
    mean = tl.sum(x, 0) / INPUTS
    centred = tl.where(inside, x - mean, 0.0)
    variance = tl.sum(centred * centred, 0) / INPUTS
    return centred / tl.sqrt(variance + 1e-5) * gain + shift


@triton.jit
def project(
    x,
    weight,
    scale,
    gain,
    shift,
    out,
    outputs,
    ROWS: tl.constexpr,
    GROUP: tl.constexpr,
    INPUTS: tl.constexpr,
    PADDED: tl.constexpr,
    BLOCK: tl.constexpr,
    NORM: tl.constexpr,
    SCALED: tl.constexpr,
    ACTIVATION: tl.constexpr,
    ADD: tl.constexpr,
    OVERLAPS: tl.constexpr,
):
    """out = activation(norm(x) @ weight.T), or out += ...; rows (ROWS, INPUTS), (ROWS, outputs)."""
    if OVERLAPS:
        gdc_launch_dependents()
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    k = tl.arange(0, PADDED)
    wanted, inside = o < outputs, k < INPUTS
    w = _weights(weight, o, wanted, k, inside, INPUTS)
    if NORM:
        g = tl.load(gain + k, mask=inside, other=0.0).to(tl.float32)
        b = tl.load(shift + k, mask=inside, other=0.0).to(tl.float32)
    if SCALED:
        levels = tl.load(scale + o, mask=wanted, other=0.0)
    if OVERLAPS:
        gdc_wait()
    for first in range(0, ROWS, GROUP):
        for one in tl.static_range(GROUP):
            row = first + one
            v = tl.load(x + row * INPUTS + k, mask=inside, other=0.0).to(tl.float32)
            if NORM:
                v = _normed(v, inside, g, b, INPUTS)
            y = tl.sum(w * v[None, :], 1)
            if SCALED:
                y = y * levels
            if ACTIVATION == "gelu":
                y = 0.5 * y * (1.0 + tl.erf(y * 0.7071067811865476))
            if ACTIVATION == "relu":
                y = tl.maximum(y, 0.0)
            at = out + row * outputs + o
            if ADD:
                y = y + tl.load(at, mask=wanted, other=0.0).to(tl.float32)
            tl.store(at, y.to(out.dtype.element_ty), mask=wanted)


@triton.jit
def project_self(
    x,
    weight,
    scale,
    gain,
    shift,
    query,
    keys,
    values,
    column,
    capacity,
    ROWS: tl.constexpr,
    GROUP: tl.constexpr,
    WIDTH: tl.constexpr,
    PADDED: tl.constexpr,
    SIZE: tl.constexpr,
    BLOCK: tl.constexpr,
    SCALED: tl.constexpr,
    OVERLAPS: tl.constexpr,
):
    """Query, key and value of the column that is read; the last two go into the cache.

    query (ROWS, WIDTH); keys and values (ROWS, heads, capacity, SIZE).
    """
    if OVERLAPS:
        gdc_launch_dependents()
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    k = tl.arange(0, PADDED)
    wanted, inside = o < 3 * WIDTH, k < WIDTH
    w = _weights(weight, o, wanted, k, inside, WIDTH)
    g = tl.load(gain + k, mask=inside, other=0.0).to(tl.float32)
    b = tl.load(shift + k, mask=inside, other=0.0).to(tl.float32)
    if SCALED:
        levels = tl.load(scale + o, mask=wanted, other=0.0)
    if OVERLAPS:
        gdc_wait()
    now = tl.load(column)
    place = o % WIDTH
    head, dim = place // SIZE, place % SIZE
    for first in range(0, ROWS, GROUP):
        for one in tl.static_range(GROUP):
            row = first + one
            v = tl.load(x + row * WIDTH + k, mask=inside, other=0.0).to(tl.float32)
            y = tl.sum(w * _normed(v, inside, g, b, WIDTH)[None, :], 1)
            if SCALED:
                y = y * levels
            y = y.to(query.dtype.element_ty)
            tl.store(query + row * WIDTH + place, y, mask=o < WIDTH)
            at = ((row * (WIDTH // SIZE) + head) * capacity + now) * SIZE + dim
            tl.store(keys + at, y, mask=(o >= WIDTH) & (o < 2 * WIDTH))
            tl.store(values + at, y, mask=(o >= 2 * WIDTH) & wanted)


@triton.jit
def project_heard(
    heard,
    peaks,
    sums,
    weight,
    scale,
    out,
    SPLITS: tl.constexpr,
    ROWS: tl.constexpr,
    GROUP: tl.constexpr,
    WIDTH: tl.constexpr,
    PADDED: tl.constexpr,
    SIZE: tl.constexpr,
    BLOCK: tl.constexpr,
    SCALED: tl.constexpr,
    OVERLAPS: tl.constexpr,
):
    """Join what `attend` has heard in each stretch, and add its product to out (ROWS, WIDTH).

    heard (SPLITS, ROWS, WIDTH), peaks and sums (SPLITS, ROWS, heads).
    """
    if OVERLAPS:
        gdc_launch_dependents()
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    k = tl.arange(0, PADDED)
    wanted, inside = o < WIDTH, k < WIDTH
    w = _weights(weight, o, wanted, k, inside, WIDTH)
    if SCALED:
        levels = tl.load(scale + o, mask=wanted, other=0.0)
    if OVERLAPS:
        gdc_wait()
    for first in range(0, ROWS, GROUP):
        for one in tl.static_range(GROUP):
            row = first + one
            v = joined(heard, peaks, sums, row, k, inside, SPLITS, ROWS, WIDTH, SIZE)
            y = tl.sum(w * v[None, :], 1)
            if SCALED:
                y = y * levels
            to = out + row * WIDTH + o
            y = y + tl.load(to, mask=wanted, other=0.0).to(tl.float32)
            tl.store(to, y.to(out.dtype.element_ty), mask=wanted)
