"""From a step's logits to the tokens of the next column: guidance, top-k and the draw in one."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def play(
    logits,
    guidance,
    seeds,
    begin,
    place,
    sheet,
    temperature,
    steps,
    tokens,
    FREE: tl.constexpr,
    TOP_K: tl.constexpr,
    PADDED: tl.constexpr,
    GUIDES: tl.constexpr,
    GREEDY: tl.constexpr,
):
    """Write a codebook's next token, unless it is given; the grid is (pieces, codebooks).

    logits (pieces or twice as many, codebooks, tokens), guidance (pieces, steps), seeds (pieces,),
    sheet (pieces, codebooks, 1 + steps). The noise is that of `noise.gumbel`.
    """
    piece, book = tl.program_id(0), tl.program_id(1)
    pieces, books = tl.num_programs(0), tl.num_programs(1)
    token = tl.arange(0, PADDED)
    inside = token < tokens
    now = tl.load(place)
    at = (piece * books + book) * tokens + token
    value = tl.load(logits + at, mask=inside, other=0.0)
    if GUIDES:
        other = tl.load(logits + pieces * books * tokens + at, mask=inside, other=0.0)
        value = other + tl.load(guidance + piece * steps + now) * (value - other)
    if not GREEDY:
        value = value / temperature
    value = tl.where(inside, value, float("-inf"))
    if not GREEDY:
        if TOP_K > 0:
            # integers in the order of the floats, from 0; the k-th largest bit by bit
            bits = (value + 0.0).to(tl.int32, bitcast=True)
            order = tl.where(bits < 0, bits ^ 0x7FFFFFFF, bits).to(tl.int64) + 2147483648
            least = tl.zeros([1], dtype=tl.int64)
            half = tl.full([1], 2147483648, dtype=tl.int64)
            for _ in tl.static_range(32):
                enough = tl.sum((order >= least + half).to(tl.int32), 0) >= TOP_K
                least = tl.where(enough, least + half, least)
                half = half // 2
            value = tl.where(order >= least, value, float("-inf"))
        none = token * 0
        step = (tl.load(begin) + now).to(tl.int32)
        seed = tl.load(seeds + piece)
        w0, w1, w2, w3 = tl.philox(seed, token, none + step, none + book // 4, none)
        word = book % 4
        words = tl.where(word == 0, w0, tl.where(word == 1, w1, tl.where(word == 2, w2, w3)))
        uniform = ((words >> 9).to(tl.float32) + 0.5) * (1.0 / 8388608.0)
        value = value - tl.log(-tl.log(uniform))
    drawn = tl.argmax(value, 0).to(tl.int64)
    cell = sheet + (piece * books + book) * (1 + steps) + now + 1
    known = tl.load(cell)
    tl.store(cell, tl.where(known == FREE, drawn, known))
