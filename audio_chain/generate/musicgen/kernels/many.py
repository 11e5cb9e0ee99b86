"""The decoder's step of many rows: cuBLAS's products, and our kernels between them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
import triton
from torch import Tensor

from audio_chain.generate.musicgen.decoder import Decoder
from audio_chain.generate.musicgen.kernels.attention import join, remember
from audio_chain.generate.musicgen.kernels.embedding import embed_column
from audio_chain.generate.musicgen.kernels.hearing import Hearing
from audio_chain.generate.musicgen.kernels.norms import normed
from audio_chain.generate.musicgen.kernels.scaled import multiplied
from audio_chain.generate.musicgen.matrices import Matrix
from audio_chain.generate.musicgen.state import State

BLOCK = 1024
"""Places of a row that a program moves."""


class ManySteps:
    """Steps of a decoder in a state of some size.

    Parameters
    ----------
    decoder : Decoder
        With `Plain` or `Scaled` matrices.
    state : State
        Those that follow have its rows and its capacity.
    """

    def __init__(self, decoder: Decoder, state: State) -> None:
        self._decoder, shape = decoder, decoder.shape
        self._size = shape.width // shape.heads
        self._hearing = Hearing(decoder, state)
        self._joined, self._normed = (
            torch.empty(len(state.keys[0]), shape.width, device=decoder.device, dtype=decoder.dtype)
            for _ in range(2)
        )

    def __call__(self, tokens: Tensor, state: State) -> Tensor:
        """As `Decoder.step`."""
        decoder = self._decoder
        shape, texts = decoder.shape, len(state.text_mask)
        x = torch.empty_like(self._normed)
        embed_column(decoder, tokens, state.column, x)
        for index, layer in enumerate(decoder.layers):
            read = _product(layer.query_key_value, normed(layer.norm_self, x, self._normed))
            _add(x, layer.out_self, self._columns(read, state, index))
            if layer.text is not None and texts:
                query = _product(layer.text.query, normed(layer.text.norm, x[:texts], self._normed))
                heard = self._together(texts, self._hearing.words(query, state, index))
                _add(x[:texts], layer.text.out, heard)
            hidden = _product(layer.feed_in, normed(layer.norm_feed, x, self._normed))
            hidden = F.gelu(hidden) if shape.activation == "gelu" else F.relu(hidden)
            _add(x, layer.feed_out, hidden)
        state.column.add_(1)
        logits = _product(decoder.heads, normed(decoder.norm, x, self._normed))
        return logits.view(-1, shape.codebooks, shape.tokens).float()

    def _columns(self, read: Tensor, state: State, index: int) -> Tensor:
        """Put what was read of a column into a layer's cache; what is heard of all."""
        if self._hearing.whole:
            return self._hearing.every_column(read, state, index)
        width = self._decoder.shape.width
        remember[(len(read), triton.cdiv(width, BLOCK))](
            read,
            state.keys[index],
            state.values[index],
            state.column,
            state.capacity,
            WIDTH=width,
            SIZE=self._size,
            BLOCK=BLOCK,
        )
        return self._together(len(read), self._hearing.columns(read, state, index))

    def _together(self, rows: int, splits: int) -> Tensor:
        """What so many rows have heard in all stretches."""
        if splits == 1:
            return self._hearing.heard[0, :rows]
        width = self._decoder.shape.width
        join[(rows, triton.cdiv(width, BLOCK))](
            self._hearing.heard,
            self._hearing.peaks,
            self._hearing.sums,
            self._joined,
            SPLITS=splits,
            ROWS=rows,
            WIDTH=width,
            SIZE=self._size,
            BLOCK=BLOCK,
        )
        return self._joined[:rows]


def _product(matrix: Matrix, rows: Tensor) -> Tensor:
    return F.linear(rows, multiplied(matrix, rows.dtype))


def _add(x: Tensor, matrix: Matrix, rows: Tensor) -> None:
    """Add a product to x in place; cuBLAS does both at once."""
    x.addmm_(rows, multiplied(matrix, x.dtype).T)
