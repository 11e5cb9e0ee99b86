"""The decoder's step of a few rows, all in our kernels: what runs after what, on which tensors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import torch
from torch import Tensor

from audio_chain.generate.musicgen.decoder import Decoder
from audio_chain.generate.musicgen.kernels.absorbed import Absorbed, pays
from audio_chain.generate.musicgen.kernels.division import divided, group
from audio_chain.generate.musicgen.kernels.embedding import embed_column
from audio_chain.generate.musicgen.kernels.hearing import Hearing
from audio_chain.generate.musicgen.kernels.overlap import overlap
from audio_chain.generate.musicgen.kernels.products import project, project_heard, project_self
from audio_chain.generate.musicgen.kernels.weights import parts, sums
from audio_chain.generate.musicgen.layers import Layer, Norm, TextAttention
from audio_chain.generate.musicgen.matrices import Matrix
from audio_chain.generate.musicgen.state import State

MANY: Final = 2
"""Stretches; of more a thread keeps too much while it joins them."""


def _normed(decoder: Decoder) -> Iterator[tuple[Norm, Matrix]]:
    """The matrices that read a norm, each with it."""
    for layer in decoder.layers:
        yield layer.norm_self, layer.query_key_value
        if layer.text is not None:
            yield layer.text.norm, layer.text.query
        yield layer.norm_feed, layer.feed_in
    yield decoder.norm, decoder.heads


class Steps:
    """Steps of a decoder in a state of some size; what one gives is overwritten by the next.

    Parameters
    ----------
    decoder : Decoder
        With `Plain` or `Scaled` matrices.
    state : State
        Those that follow have its rows and its capacity.
    """

    def __init__(self, decoder: Decoder, state: State) -> None:
        self._decoder, shape = decoder, decoder.shape
        rows = self._rows = len(state.keys[0])
        self._size = shape.width // shape.heads
        hidden = len(parts(decoder.layers[0].feed_in)[0])
        self._hearing = Hearing(decoder, state)
        self._overlap = overlap(decoder.device)
        self._absorbed = Absorbed(decoder, state) if pays(decoder, state) else None
        self._sums = {matrix: sums(norm, parts(matrix)[0]) for norm, matrix in _normed(decoder)}

        def room(*sizes: int, dtype: torch.dtype = decoder.dtype) -> Tensor:
            return torch.empty(sizes, device=decoder.device, dtype=dtype)

        self._x, self._query = room(rows, shape.width), room(rows, shape.width)
        self._hidden = room(rows, hidden)
        self._logits = room(rows, shape.codebooks, shape.tokens, dtype=torch.float32)

    def hear(self, state: State) -> None:
        """Take in the texts of a state, once they have been heard there."""
        if self._absorbed is not None:
            self._absorbed.hear(state)

    def __call__(self, tokens: Tensor, state: State) -> Tensor:
        """As `Decoder.step`."""
        decoder, x = self._decoder, self._x
        embed_column(decoder, tokens, state.column, x)
        texts = len(state.text_mask)
        for index, layer in enumerate(decoder.layers):
            self._attend_self(layer, state, index)
            if self._absorbed is not None:
                self._absorbed(x, state, index)
            elif layer.text is not None and texts:
                self._attend_text(layer.text, state, index, texts)
            self._project(x, layer.feed_in, self._hidden, norm=layer.norm_feed, activated=True)
            self._project(self._hidden, layer.feed_out, x, add=True)
        self._project(x, decoder.heads, self._logits, norm=decoder.norm)
        state.column.add_(1)
        return self._logits

    def _project(
        self,
        x: Tensor,
        matrix: Matrix,
        out: Tensor,
        *,
        norm: Norm | None = None,
        activated: bool = False,
        add: bool = False,
        rows: int | None = None,
    ) -> None:
        weight, scale, scaled = parts(matrix)
        outputs, inputs = weight.shape
        division = divided(inputs, outputs)
        rows = rows or self._rows
        gain = norm.weight if norm else weight
        along, aside = self._sums[matrix] if norm else (weight, weight)
        project[(division.programs,)](
            x,
            weight,
            scale,
            gain,
            along,
            aside,
            out,
            outputs,
            ROWS=rows,
            GROUP=group(rows),
            INPUTS=inputs,
            PADDED=division.padded,
            BLOCK=division.block,
            NORM=norm is not None,
            SCALED=scaled,
            ACTIVATION=self._decoder.shape.activation if activated else "none",
            ADD=add,
            num_warps=division.warps,
            **self._overlap,
        )

    def _attend_self(self, layer: Layer, state: State, index: int) -> None:
        keys, values = state.keys[index], state.values[index]
        weight, scale, scaled = parts(layer.query_key_value)
        width = self._decoder.shape.width
        division = divided(width, 3 * width)
        project_self[(division.programs,)](
            self._x,
            weight,
            scale,
            layer.norm_self.weight,
            *self._sums[layer.query_key_value],
            self._query,
            keys,
            values,
            state.column,
            state.capacity,
            ROWS=self._rows,
            GROUP=group(self._rows),
            WIDTH=width,
            PADDED=division.padded,
            SIZE=self._size,
            BLOCK=division.block,
            SCALED=scaled,
            num_warps=division.warps,
            **self._overlap,
        )
        splits = self._hearing.columns(self._query, state, index)
        self._join(layer.out_self, self._rows, splits)

    def _attend_text(self, text: TextAttention, state: State, index: int, rows: int) -> None:
        self._project(self._x, text.query, self._query, norm=text.norm, rows=rows)
        self._join(text.out, rows, self._hearing.words(self._query, state, index))

    def _join(self, matrix: Matrix, rows: int, splits: int) -> None:
        weight, scale, scaled = parts(matrix)
        width = self._decoder.shape.width
        division = divided(width, width, crowded=splits > MANY)
        project_heard[(division.programs,)](
            self._hearing.heard,
            self._hearing.peaks,
            self._hearing.sums,
            weight,
            scale,
            self._x,
            SPLITS=splits,
            ROWS=rows,
            GROUP=group(rows),
            WIDTH=width,
            PADDED=division.padded,
            SIZE=self._size,
            BLOCK=division.block,
            SCALED=scaled,
            num_warps=division.warps,
            **self._overlap,
        )
