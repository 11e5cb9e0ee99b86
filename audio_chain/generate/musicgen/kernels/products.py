"""Products of a few rows with a weight: every program reads some outputs' weights, all at once.

A program's work is one block of three axes, (inputs, rows, outputs): all its rows are read
together and all its sums over the inputs are taken together, since what a program waits for, once
it may begin, is what a step's time goes into. Rows go in groups of `GROUP`, a power of 2 that
divides their number. Weights may be of 8 bits, with a scale for each output.

The norm before a product is computed by every program again, since reading a few rows from the
second-level cache takes less time than a kernel of its own. It doesn't wait for its mean and its
variance to multiply: with gain g, shift b and a weight w,

    norm(x) . w = (x . gw - mean * sum(gw)) / deviation + sum(bw)

whose sums of weights are `along` and `aside`, made once. What follows the product is done on its
way out.

Where kernels may overlap, a program reads its weights while the kernel before it still runs, and
then waits for what that one makes; see `overlap`.
"""

from __future__ import annotations

import triton
import triton.language as tl

from audio_chain.generate.musicgen.kernels.attention import joined
from audio_chain.generate.musicgen.kernels.overlap import gdc_launch_dependents, gdc_wait


@triton.jit
def axes(BLOCK: tl.constexpr, GROUP: tl.constexpr, PADDED: tl.constexpr):
    """Inputs, rows of a group and outputs of a program, each along an axis of its own."""
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    return tl.arange(0, PADDED)[:, None, None], tl.arange(0, GROUP)[None, :, None], o[None, None, :]


@triton.jit
def places(o, k, INPUTS: tl.constexpr, TOGETHER: tl.constexpr = 8):
    """Where weights (outputs, INPUTS) are; a thread reads so many inputs together.

    It is to be as many as it reads of the rows, or all weights change threads on their way.
    """
    return tl.max_contiguous(o * INPUTS + k, (TOGETHER, 1, 1))


@triton.jit
def _results(BLOCK: tl.constexpr, GROUP: tl.constexpr):
    """Rows of a group and outputs of a program, along the axes of a product."""
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    return tl.arange(0, GROUP)[:, None], o[None, :]


@triton.jit
def _both(a, b, c, d):
    """Two sums at once, for half the waiting."""
    return a + c, b + d


@triton.jit
def normed(w, v, g, along, aside, INPUTS: tl.constexpr):
    """Product (rows, outputs) of weights with the layer norm of rows v, padded with zeros."""
    mean, square = tl.reduce((v / INPUTS, v * v / INPUTS), 0, _both)
    y = tl.sum(w.to(tl.float32) * (g * v), 0)
    variance = tl.maximum(square - mean * mean, 0.0)
    return (y - mean * along) * tl.rsqrt(variance + 1e-5) + aside


@triton.jit
def project(
    x,
    weight,
    scale,
    gain,
    along,
    aside,
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
    k, r, o = axes(BLOCK, GROUP, PADDED)
    w = tl.load(weight + places(o, k, INPUTS), mask=(o < outputs) & (k < INPUTS), other=0.0)
    row, output = _results(BLOCK, GROUP)
    wanted = output < outputs
    if NORM:
        g = tl.load(gain + k, mask=k < INPUTS, other=0.0).to(tl.float32)
        s = tl.load(along + output, mask=wanted, other=0.0)
        b = tl.load(aside + output, mask=wanted, other=0.0)
    if SCALED:
        levels = tl.load(scale + output, mask=wanted, other=0.0)
    if OVERLAPS:
        gdc_wait()
    for first in range(0, ROWS, GROUP):
        v = tl.load(x + (first + r) * INPUTS + k, mask=k < INPUTS, other=0.0).to(tl.float32)
        at = out + (first + row) * outputs + output
        if ADD:
            before = tl.load(at, mask=wanted, other=0.0).to(tl.float32)
        y = normed(w, v, g, s, b, INPUTS) if NORM else tl.sum(w.to(tl.float32) * v, 0)
        if SCALED:
            y = y * levels
        if ACTIVATION == "gelu":
            y = 0.5 * y * (1.0 + tl.erf(y * 0.7071067811865476))
        if ACTIVATION == "relu":
            y = tl.maximum(y, 0.0)
        if ADD:
            y = y + before
        tl.store(at, y.to(out.dtype.element_ty), mask=wanted)


@triton.jit
def project_self(
    x,
    weight,
    scale,
    gain,
    along,
    aside,
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
    k, r, o = axes(BLOCK, GROUP, PADDED)
    w = tl.load(weight + places(o, k, WIDTH), mask=(o < 3 * WIDTH) & (k < WIDTH), other=0.0)
    row, output = _results(BLOCK, GROUP)
    wanted = output < 3 * WIDTH
    g = tl.load(gain + k, mask=k < WIDTH, other=0.0).to(tl.float32)
    s = tl.load(along + output, mask=wanted, other=0.0)
    b = tl.load(aside + output, mask=wanted, other=0.0)
    if SCALED:
        levels = tl.load(scale + output, mask=wanted, other=0.0)
    place = output % WIDTH
    head, dim = place // SIZE, place % SIZE
    if OVERLAPS:
        gdc_wait()
    now = tl.load(column)
    for first in range(0, ROWS, GROUP):
        v = tl.load(x + (first + r) * WIDTH + k, mask=k < WIDTH, other=0.0).to(tl.float32)
        y = normed(w, v, g, s, b, WIDTH)
        if SCALED:
            y = y * levels
        y = y.to(query.dtype.element_ty)
        tl.store(query + (first + row) * WIDTH + place, y, mask=output < WIDTH)
        at = (((first + row) * (WIDTH // SIZE) + head) * capacity + now) * SIZE + dim
        tl.store(keys + at, y, mask=(output >= WIDTH) & (output < 2 * WIDTH))
        tl.store(values + at, y, mask=(output >= 2 * WIDTH) & wanted)


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
    k, r, o = axes(BLOCK, GROUP, PADDED)
    w = tl.load(weight + places(o, k, WIDTH), mask=(o < WIDTH) & (k < WIDTH), other=0.0)
    row, output = _results(BLOCK, GROUP)
    wanted = output < WIDTH
    if SCALED:
        levels = tl.load(scale + output, mask=wanted, other=0.0)
    if OVERLAPS:
        gdc_wait()
    for first in range(0, ROWS, GROUP):
        v = joined(heard, peaks, sums, first + r, k, k < WIDTH, SPLITS, ROWS, WIDTH, SIZE)
        to = out + (first + row) * WIDTH + output
        before = tl.load(to, mask=wanted, other=0.0).to(tl.float32)
        y = tl.sum(w.to(tl.float32) * v, 0)
        if SCALED:
            y = y * levels
        tl.store(to, (y + before).to(out.dtype.element_ty), mask=wanted)
