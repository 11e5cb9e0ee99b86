"""The first thing a step does: its tokens' embeddings and its position's, added."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from audio_chain.generate.musicgen.decoder import Decoder
from audio_chain.generate.musicgen.kernels.overlap import (
    gdc_launch_dependents,
    gdc_wait,
    overlap,
)

BLOCK = 256
"""Places of a row that a program adds."""


@triton.jit
def embed(
    tokens,
    table,
    places,
    column,
    out,
    factor,
    width,
    BOOKS: tl.constexpr,
    BOOK: tl.constexpr,
    BLOCK: tl.constexpr,
    OVERLAPS: tl.constexpr,
):
    """Sum rows of the table; the grid is (rows, blocks of the width).

    tokens int64 (rows, BOOKS); table (BOOKS * BOOK, width); places (columns, width); out
    (rows, width).
    """
    if OVERLAPS:
        gdc_launch_dependents()
        gdc_wait()
    row = tl.program_id(0)
    dim = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = dim < width
    total = tl.zeros([BLOCK], dtype=tl.float32)
    for book in tl.static_range(BOOKS):
        token = tl.load(tokens + row * BOOKS + book) + book * BOOK
        total += tl.load(table + token * width + dim, mask=inside, other=0.0).to(tl.float32)
    place = tl.load(places + tl.load(column) * width + dim, mask=inside, other=0.0).to(tl.float32)
    total = total * factor + place
    tl.store(out + row * width + dim, total.to(out.dtype.element_ty), mask=inside)


def embed_column(decoder: Decoder, tokens: Tensor, column: Tensor, out: Tensor) -> None:
    """What a decoder reads of a column's tokens (rows, codebooks) into out (rows, width)."""
    shape = decoder.shape
    embed[(len(tokens), triton.cdiv(shape.width, BLOCK))](
        tokens,
        decoder.embedding,
        decoder.places,
        column,
        out,
        shape.embedding_scale,
        shape.width,
        BOOKS=shape.codebooks,
        BOOK=shape.tokens + 1,
        BLOCK=BLOCK,
        **overlap(decoder.device),
    )
