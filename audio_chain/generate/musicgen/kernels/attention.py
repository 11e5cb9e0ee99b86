"""Attention of one column to a cache, in stretches that are joined afterwards, or as a whole.

A row's head would keep one multiprocessor busy while the others wait; so each stretch of columns
gets a program of its own (flash-decoding, Dao et al. 2023). What they have heard is joined by the
product that follows, or by `join`. Where there are rows enough for all multiprocessors, a program
hears all columns of its head, and has nothing to join.
"""

from __future__ import annotations

import triton
import triton.language as tl

from audio_chain.generate.musicgen.kernels.overlap import gdc_launch_dependents, gdc_wait


@triton.jit
def attend(
    query,
    keys,
    values,
    mask,
    column,
    heard,
    peaks,
    sums,
    stride,
    capacity,
    factor,
    SIZE: tl.constexpr,
    SPLIT: tl.constexpr,
    BLOCK: tl.constexpr,
    MASKED: tl.constexpr,
    OVERLAPS: tl.constexpr,
):
    """What a head of a row hears in its stretch; the grid is (rows, heads, splits).

    query (rows, heads * SIZE), its rows `stride` apart; keys and values (rows, heads, capacity,
    SIZE). Columns up to `column` are heard, or those that the mask (rows, capacity) has.
    heard (splits, rows, heads * SIZE) is the stretch's own mean, and `sums` (splits, rows, heads)
    of exponentials, taken relative to `peaks`, tell how much it counts beside others.
    """
    if OVERLAPS:
        gdc_launch_dependents()
        gdc_wait()
    row, head, split = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    heads = tl.num_programs(1)
    dim = tl.arange(0, SIZE)
    q = tl.load(query + row * stride + head * SIZE + dim).to(tl.float32) * factor
    base = (row * heads + head) * capacity * SIZE
    if not MASKED:
        last = tl.load(column)
    peak = -1e30
    total = 0.0
    result = tl.zeros([SIZE], dtype=tl.float32)
    for block in tl.static_range(0, SPLIT, BLOCK):
        c = split * SPLIT + block + tl.arange(0, BLOCK)
        inside = c < capacity
        if MASKED:
            audible = tl.load(mask + row * capacity + c, mask=inside, other=0) != 0
        else:
            audible = inside & (c <= last)
        at = base + c[:, None] * SIZE + dim[None, :]
        key = tl.load(keys + at, mask=audible[:, None], other=0.0).to(tl.float32)
        value = tl.load(values + at, mask=audible[:, None], other=0.0).to(tl.float32)
        score = tl.where(audible, tl.sum(key * q[None, :], 1), -1e30)
        higher = tl.maximum(peak, tl.max(score, 0))
        weight = tl.where(audible, tl.exp(score - higher), 0.0)
        before = tl.exp(peak - higher)
        result = result * before + tl.sum(weight[:, None] * value, 0)
        total = total * before + tl.sum(weight, 0)
        peak = higher
    at = (split * tl.num_programs(0) + row) * heads + head
    # a stretch in which nothing is audible has heard zeros, and counts for nothing
    mean = result / tl.maximum(total, 1e-30)
    tl.store(heard + at * SIZE + dim, mean.to(heard.dtype.element_ty))
    tl.store(peaks + at, peak)
    tl.store(sums + at, total)


@triton.jit
def attend_whole(
    read,
    keys,
    values,
    column,
    heard,
    capacity,
    factor,
    SIZE: tl.constexpr,
    BLOCK: tl.constexpr,
    STAGES: tl.constexpr,
    OVERLAPS: tl.constexpr,
):
    """Put a column into the cache; what a head of a row hears up to it. The grid is (rows, heads).

    read (rows, 3 * heads * SIZE): query, key and value; keys and values (rows, heads, capacity,
    SIZE); heard (rows, heads * SIZE). `BLOCK` columns are loaded at once, and each of these places
    keeps a sum of its own, so that threads need not wait for each other before the end.
    """
    if OVERLAPS:
        gdc_launch_dependents()
        gdc_wait()
    row, head = tl.program_id(0), tl.program_id(1)
    width = tl.num_programs(1) * SIZE
    dim = tl.arange(0, SIZE)
    place = tl.arange(0, BLOCK)
    last = tl.load(column)
    at = row * 3 * width + head * SIZE + dim
    q = tl.load(read + at).to(tl.float32) * factor
    newest_key = tl.load(read + width + at)
    newest_value = tl.load(read + 2 * width + at)
    base = (row * tl.num_programs(1) + head).to(tl.int64) * capacity * SIZE
    tl.store(keys + base + last * SIZE + dim, newest_key)
    tl.store(values + base + last * SIZE + dim, newest_value)
    peaks = tl.full([BLOCK], -1e30, dtype=tl.float32)
    totals = tl.zeros([BLOCK], dtype=tl.float32)
    result = tl.zeros([BLOCK, SIZE], dtype=tl.float32)
    for begin in tl.range(0, last, BLOCK, num_stages=STAGES):
        c = begin + place
        known = c < last
        there = base + c[:, None] * SIZE + dim[None, :]
        key = tl.load(keys + there, mask=known[:, None], other=0.0).to(tl.float32)
        value = tl.load(values + there, mask=known[:, None], other=0.0).to(tl.float32)
        score = tl.where(known, tl.sum(key * q[None, :], 1), -1e30)
        higher = tl.maximum(peaks, score)
        before = tl.exp(peaks - higher)
        weight = tl.where(known, tl.exp(score - higher), 0.0)
        result = result * before[:, None] + weight[:, None] * value
        totals = totals * before + weight
        peaks = higher
    newest = tl.sum(newest_key.to(tl.float32) * q, 0)
    peak = tl.maximum(tl.max(peaks, 0), newest)
    share = tl.exp(peaks - peak)
    weight = tl.exp(newest - peak)
    total = tl.sum(totals * share, 0) + weight
    mean = tl.sum(result * share[:, None], 0) + weight * newest_value.to(tl.float32)
    to = heard + row * width + head * SIZE + dim
    tl.store(to, (mean / total).to(heard.dtype.element_ty))


@triton.jit
def joined(
    heard,
    peaks,
    sums,
    row,
    k,
    inside,
    SPLITS: tl.constexpr,
    ROWS: tl.constexpr,
    WIDTH: tl.constexpr,
    SIZE: tl.constexpr,
):
    """What a row has heard in all stretches, at the places k."""
    HEADS: tl.constexpr = WIDTH // SIZE
    v = tl.load(heard + row * WIDTH + k, mask=inside, other=0.0).to(tl.float32)
    if SPLITS > 1:
        # beyond the width some head's, which spares a mask
        at = row * HEADS + k // SIZE % HEADS
        peak = tl.load(peaks + at)
        total = tl.load(sums + at)
        v = v * total
        for split in tl.static_range(1, SPLITS):
            there = split * ROWS * HEADS + at
            here = tl.load(peaks + there)
            count = tl.load(sums + there)
            more = tl.load(heard + (split * ROWS + row) * WIDTH + k, mask=inside, other=0.0)
            higher = tl.maximum(peak, here)
            before = tl.exp(peak - higher)
            after = tl.exp(here - higher) * count
            v = v * before + more.to(tl.float32) * after
            total = total * before + after
            peak = higher
        v = v / total
    return v


@triton.jit
def join(
    heard,
    peaks,
    sums,
    out,
    SPLITS: tl.constexpr,
    ROWS: tl.constexpr,
    WIDTH: tl.constexpr,
    SIZE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Join what `attend` has heard: out (ROWS, WIDTH); the grid is (ROWS, blocks of the width)."""
    row = tl.program_id(0)
    k = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = k < WIDTH
    v = joined(heard, peaks, sums, row, k, inside, SPLITS, ROWS, WIDTH, SIZE)
    tl.store(out + row * WIDTH + k, v.to(out.dtype.element_ty), mask=inside)


@triton.jit
def remember(
    read,
    keys,
    values,
    column,
    capacity,
    WIDTH: tl.constexpr,
    SIZE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Put keys and values into the cache; the grid is (rows, blocks of the width).

    read (rows, 3 * WIDTH): query, key and value; keys and values (rows, heads, capacity, SIZE).
    """
    row = tl.program_id(0)
    k = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = k < WIDTH
    at = (row * (WIDTH // SIZE) + k // SIZE) * capacity + tl.load(column)
    at = at * SIZE + k % SIZE
    base = read + row * 3 * WIDTH + k
    tl.store(keys + at, tl.load(base + WIDTH, mask=inside, other=0.0), mask=inside)
    tl.store(values + at, tl.load(base + 2 * WIDTH, mask=inside, other=0.0), mask=inside)
