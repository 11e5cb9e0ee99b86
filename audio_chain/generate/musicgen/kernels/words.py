"""Attention to words as two products: scores of a row's words, and what it hears of them.

The matrices are of a layer and a row's text; see `absorbed`. A masked word's part of them isn't
read.
"""

from __future__ import annotations

import triton
import triton.language as tl

from audio_chain.generate.musicgen.kernels.overlap import gdc_launch_dependents, gdc_wait
from audio_chain.generate.musicgen.kernels.products import axes, normed, places


@triton.jit
def score_words(
    x,
    reads,
    gain,
    along,
    aside,
    mask,
    scores,
    words,
    factor,
    INPUTS: tl.constexpr,
    PADDED: tl.constexpr,
    HEADS: tl.constexpr,
    WORDS: tl.constexpr,
    BLOCK: tl.constexpr,
    OVERLAPS: tl.constexpr,
):
    """scores = norm(x) @ reads.T * factor; the grid is (blocks of a row's scores, rows).

    x (rows, INPUTS), reads (rows, HEADS * WORDS, INPUTS), mask (rows, words), scores
    (rows, HEADS * WORDS), -1e30 where there is no word.
    """
    if OVERLAPS:
        gdc_launch_dependents()
    k, _, o = axes(BLOCK, 1, PADDED)
    row = tl.program_id(1)
    output = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)[None, :]
    at = row * HEADS * WORDS
    wanted, inside = output < HEADS * WORDS, k < INPUTS
    there = wanted & (output % WORDS < words)
    heard = tl.load(mask + row * words + output % WORDS, mask=there, other=0) != 0
    w = tl.load(reads + places(at + o, k, INPUTS), mask=heard[None, :, :] & inside, other=0.0)
    g = tl.load(gain + k, mask=inside, other=0.0).to(tl.float32)
    s = tl.load(along + at + output, mask=wanted, other=0.0)
    b = tl.load(aside + at + output, mask=wanted, other=0.0)
    if OVERLAPS:
        gdc_wait()
    v = tl.load(x + row * INPUTS + k, mask=inside, other=0.0).to(tl.float32)
    y = normed(w, v, g, s, b, INPUTS) * factor
    tl.store(scores + at + output, tl.where(heard, y, -1e30), mask=wanted)


@triton.jit
def add_words(
    scores,
    gives,
    mask,
    out,
    words,
    WIDTH: tl.constexpr,
    HEADS: tl.constexpr,
    PADDED: tl.constexpr,
    WORDS: tl.constexpr,
    BLOCK: tl.constexpr,
    OVERLAPS: tl.constexpr,
):
    """out += softmax(scores) @ gives.T; the grid is (blocks of the width, rows).

    scores (rows, HEADS * WORDS), of which each head's are weighed, gives
    (rows, WIDTH, HEADS * WORDS), mask (rows, words), out (rows, WIDTH). PADDED are the heads.
    """
    if OVERLAPS:
        gdc_launch_dependents()
    word, head, o = axes(BLOCK, PADDED, WORDS)
    row = tl.program_id(1)
    heard = tl.load(mask + row * words + word, mask=word < words, other=0) != 0
    heard = heard & (head < HEADS)
    # scores are of 32 bits, and read four at a time
    at = places(row * WIDTH + o, head * WORDS + word, HEADS * WORDS, 4)
    w = tl.load(gives + at, mask=heard & (o < WIDTH), other=0.0)
    output = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    to = out + row * WIDTH + output
    if OVERLAPS:
        gdc_wait()
    score = tl.load(scores + (row * HEADS + head) * WORDS + word, mask=heard, other=-1e30)
    before = tl.load(to, mask=output < WIDTH, other=0.0).to(tl.float32)
    weight = tl.where(heard, tl.exp(score - tl.max(score, 0)[None, :, :]), 0.0)
    y = tl.sum(w.to(tl.float32) * weight, 0) / tl.maximum(tl.sum(weight, 0), 1e-30)
    y = tl.sum(y, 0)
    tl.store(to, (before + y).to(out.dtype.element_ty), mask=output < WIDTH)
