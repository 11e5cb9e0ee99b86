"""MusicGen's decoder for inference: fused weights, a cache of fixed size, one step at a time.

The weights are those of transformers' `MusicgenForCausalLM` or `MusicgenMelodyForCausalLM`.
`prefill` reads a stretch of columns at once, `step` one column and gives logits. The first kind
attends to the text, whose keys and values are computed once for a whole piece (`hear`); the
melody models read the melody and the text as a prefix instead.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from audio_chain.generate.musicgen.layers import (
    DecoderShape,
    Layer,
    TextAttention,
    read_layer,
    read_norm,
)
from audio_chain.generate.musicgen.state import State, empty_state

__all__ = ["Decoder", "DecoderShape", "State"]


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """Multiply rows (..., width) by a weight; one row as two would be.

    A CPU has a kernel of its own for one row, which sums in another order than that for more.
    """
    if x.device.type == "cpu" and x.numel() == x.shape[-1]:
        return F.linear(torch.cat([x, x]), weight)[:1]
    return F.linear(x, weight)


class Decoder:
    """The decoder's weights, and how to run them.

    Parameters
    ----------
    shape : DecoderShape
        Sizes.
    tensors : mapping of str to Tensor
        State of a `MusicgenForCausalLM` or of a `MusicgenMelodyForCausalLM`.
    """

    def __init__(self, shape: DecoderShape, tensors: Mapping[str, Tensor]) -> None:
        self.shape = shape
        books = range(shape.codebooks)
        # one table for all codebooks: a book's tokens are found at its offset
        self._embedding = torch.cat(
            [tensors[f"model.decoder.embed_tokens.{book}.weight"] for book in books]
        )
        self._offsets = torch.arange(shape.codebooks) * (shape.tokens + 1)
        self._heads = torch.cat([tensors[f"lm_heads.{book}.weight"] for book in books])
        self._norm = read_norm(tensors, "model.decoder.layer_norm")
        self._layers = [read_layer(tensors, index) for index in range(shape.layers)]
        self._offsets = self._offsets.to(self.device)
        self._places = self._sinusoids(0)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self._embedding.device

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights, and of what is computed."""
        return self._embedding.dtype

    @property
    def attends_to_text(self) -> bool:
        """Whether the text is attended to; else it is read as a prefix, after the melody."""
        return self._layers[0].text is not None

    def _split(self, x: Tensor) -> Tensor:
        """(rows, columns, width) to (rows, heads, columns, width / heads)."""
        rows, columns, width = x.shape
        heads = self.shape.heads
        return x.view(rows, columns, heads, width // heads).transpose(1, 2)

    def start(self, *, rows: int, text_rows: int, words: int, capacity: int) -> State:
        """Make room for pieces.

        Parameters
        ----------
        rows : int
            Pieces, twice with guidance.
        text_rows : int
            How many of the rows, the first ones, attend to a text.
        words : int
            Tokens of the longest text that is attended to.
        capacity : int
            Columns that will be read at most, with those of a prefix.
        """
        shape = self.shape
        if len(self._places) < capacity:
            self._places = self._sinusoids(capacity)
        return empty_state(
            shape.layers,
            shape.heads,
            shape.width // shape.heads,
            rows=rows,
            text_rows=text_rows if self.attends_to_text else 0,
            words=words,
            capacity=capacity,
            device=self.device,
            dtype=self.dtype,
        )

    def hear(self, text: Tensor, mask: Tensor, state: State) -> None:
        """Compute the keys and values of texts.

        Parameters
        ----------
        text : Tensor
            States of the words, projected to the decoder's width, (rows with a text, words, width).
        mask : Tensor
            (rows with a text, words), true where there is a word.
        state : State
            Has room for as many words, or more.
        """
        words = text.shape[1]
        text = (text * mask[..., None]).to(self.device, self.dtype)
        for index, layer in enumerate(self._layers):
            assert layer.text is not None
            key, value = F.linear(text, layer.text.key_value).chunk(2, -1)
            state.text_keys[index][:, :, :words] = self._split(key)
            state.text_values[index][:, :, :words] = self._split(value)
        state.text_mask.zero_()
        state.text_mask[..., :words] = mask.bool()[:, None, None, :]

    def prefill(self, tokens: Tensor, state: State, prefix: Tensor | None = None) -> None:
        """Read columns at once, for what they leave in the cache.

        Parameters
        ----------
        tokens : Tensor
            (rows, codebooks, columns); there may be none.
        state : State
            Grows by the columns, and by those of the prefix.
        prefix : Tensor, optional
            States to read before them, (rows, columns, width).
        """
        x = self._embed(tokens)
        if prefix is not None:
            x = torch.cat([prefix.to(x), x], 1)
        if columns := x.shape[1]:
            self._run(x, state)
            state.rewind(state.length + columns)

    def step(self, tokens: Tensor, state: State) -> Tensor:
        """Read one column; what follows it.

        The state's ``length`` is the caller's to move on: where the step has been captured, this
        code doesn't run again.

        Parameters
        ----------
        tokens : Tensor
            (rows, codebooks).
        state : State
            Gets the column's keys and values, and its ``column`` moves on.

        Returns
        -------
        Tensor
            Logits of the next column, float32 (rows, codebooks, tokens).
        """
        x = self._run(self._embed(tokens[..., None]), state)
        state.column.add_(1)
        logits = linear(self._norm(x[:, -1]), self._heads)
        return logits.view(-1, self.shape.codebooks, self.shape.tokens).float()

    def _embed(self, tokens: Tensor) -> Tensor:
        ids = tokens + self._offsets[:, None]
        return F.embedding(ids, self._embedding).sum(1) * self.shape.embedding_scale

    def _run(self, x: Tensor, state: State) -> Tensor:
        """All layers on the columns x (rows, columns, width) that follow those already read."""
        columns = x.shape[1]
        where = state.column + torch.arange(columns, device=x.device)
        end = state.length + columns
        mask = None
        if columns > 1 or state.reach is not None:
            end = state.reach or end
            mask = torch.arange(end, device=x.device) <= where[:, None]
        x = x + self._places.index_select(0, where)
        for index, layer in enumerate(self._layers):
            x = self._attend_self(x, layer, state, index, where, end, mask)
            if layer.text is not None and len(state.text_mask):
                x = self._attend_text(x, layer.text, state, index)
            x = x + self._feed(x, layer)
        return x

    def _sinusoids(self, columns: int) -> Tensor:
        """Of the positions from 0 on, (columns, width), cosines first as in transformers."""
        half = self.shape.width // 2
        rate = torch.exp(torch.arange(half, device=self.device) * -(math.log(10_000) / (half - 1)))
        place = torch.arange(columns, device=self.device).float()
        angle = place[:, None] * rate
        return torch.cat([angle.cos(), angle.sin()], 1).to(self.dtype)

    def _attend_self(
        self,
        x: Tensor,
        layer: Layer,
        state: State,
        index: int,
        where: Tensor,
        end: int,
        mask: Tensor | None,
    ) -> Tensor:
        qkv = linear(layer.norm_self(x), layer.query_key_value)
        query, key, value = map(self._split, qkv.chunk(3, -1))
        keys, values = state.keys[index], state.values[index]
        keys.index_copy_(2, where, key)
        values.index_copy_(2, where, value)
        heard = F.scaled_dot_product_attention(
            query, keys[:, :, :end], values[:, :, :end], attn_mask=mask
        )
        return x + linear(heard.transpose(1, 2).flatten(2), layer.out_self)

    def _attend_text(self, x: Tensor, text: TextAttention, state: State, index: int) -> Tensor:
        rows = len(state.text_mask)
        query = self._split(linear(text.norm(x[:rows]), text.query))
        heard = F.scaled_dot_product_attention(
            query, state.text_keys[index], state.text_values[index], attn_mask=state.text_mask
        )
        update = linear(heard.transpose(1, 2).flatten(2), text.out)
        if rows == len(x):
            return x + update
        return torch.cat([x[:rows] + update, x[rows:]])

    def _feed(self, x: Tensor, layer: Layer) -> Tensor:
        hidden = linear(layer.norm_feed(x), layer.feed_in)
        hidden = F.gelu(hidden) if self.shape.activation == "gelu" else F.relu(hidden)
        return linear(hidden, layer.feed_out)
