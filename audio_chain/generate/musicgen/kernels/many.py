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
from audio_chain.generate.musicgen.matrices import Matrix, Plain
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
        self._heard = torch.empty(
            len(state.keys[0]), shape.width, device=decoder.device, dtype=decoder.dtype
        )

    def __call__(self, tokens: Tensor, state: State) -> Tensor:
        """As `Decoder.step`."""
        decoder, rows = self._decoder, len(tokens)
        shape, texts = decoder.shape, len(state.text_mask)
        x = torch.empty_like(self._heard)
        embed_column(decoder, tokens, state.column, x)
        for index, layer in enumerate(decoder.layers):
            read = layer.query_key_value(layer.norm_self(x))
            remember[(rows, triton.cdiv(shape.width, BLOCK))](
                read,
                state.keys[index],
                state.values[index],
                state.column,
                state.capacity,
                WIDTH=shape.width,
                SIZE=self._size,
                BLOCK=BLOCK,
            )
            self._join(layer.out_self, x, self._hearing.columns(read, state, index))
            if layer.text is not None and texts:
                query = layer.text.query(layer.text.norm(x[:texts]))
                self._join(layer.text.out, x[:texts], self._hearing.words(query, state, index))
            hidden = layer.feed_in(layer.norm_feed(x))
            hidden = F.gelu(hidden) if shape.activation == "gelu" else F.relu(hidden)
            _add(x, layer.feed_out, hidden)
        state.column.add_(1)
        logits = decoder.heads(decoder.norm(x))
        return logits.view(-1, shape.codebooks, shape.tokens).float()

    def _join(self, matrix: Matrix, x: Tensor, splits: int) -> None:
        rows, width = x.shape
        join[(rows, triton.cdiv(width, BLOCK))](
            self._hearing.heard,
            self._hearing.peaks,
            self._hearing.sums,
            self._heard,
            SPLITS=splits,
            ROWS=rows,
            WIDTH=width,
            SIZE=self._size,
            BLOCK=BLOCK,
        )
        _add(x, matrix, self._heard[:rows])


def _add(x: Tensor, matrix: Matrix, rows: Tensor) -> None:
    """Add a product to x in place; cuBLAS does both at once."""
    if isinstance(matrix, Plain):
        x.addmm_(rows, matrix.weight.T)
    else:
        x.add_(matrix(rows))
