"""MusicGen's decoder for inference: fused weights, a cache of fixed size, one step at a time.

The weights are those of transformers' `MusicgenForCausalLM` or `MusicgenMelodyForCausalLM`.
`prefill` reads a stretch of columns at once, `step` one column and gives logits. The first kind
attends to the text, whose keys and values are computed once for a whole piece (`hear`); the
melody models read the melody and the text as a prefix instead.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from audio_chain.generate.musicgen.layers import DecoderShape, Layer, Reader, TextAttention
from audio_chain.generate.musicgen.matrices import Precision
from audio_chain.generate.musicgen.state import State, empty_state

__all__ = ["Decoder", "DecoderShape", "State"]


CPU: Final = torch.device("cpu")


class Decoder:
    """The decoder's weights, and how to run them.

    Parameters
    ----------
    shape : DecoderShape
        Sizes.
    tensors : mapping of str to Tensor
        State of a `MusicgenForCausalLM` or of a `MusicgenMelodyForCausalLM`.
    device : torch.device
        Where to compute.
    precision : Precision
        How to keep the weights.

    Attributes
    ----------
    embedding : Tensor
        Of all codebooks, one table after the other, each ``tokens + 1`` long.
    places : Tensor
        Of the positions that there has been need of.
    layers : list of Layer
    norm : Norm
        Before the heads.
    heads : Matrix
        Of all codebooks.
    """

    def __init__(
        self,
        shape: DecoderShape,
        tensors: Mapping[str, Tensor],
        device: torch.device = CPU,
        precision: Precision = "fp32",
    ) -> None:
        self.shape, self.precision = shape, precision
        reader = Reader(tensors, device, precision)
        books = range(shape.codebooks)
        # one table for all codebooks: a book's tokens are found at its offset
        self.embedding = reader.place(
            torch.cat([tensors[f"model.decoder.embed_tokens.{book}.weight"] for book in books])
        )
        self.heads = reader.joined(*(f"lm_heads.{book}" for book in books))
        self.norm = reader.norm("model.decoder.layer_norm")
        # a weight is packed by one thread, so on a CPU several layers are at once
        workers = torch.get_num_threads() if device.type == "cpu" else 1
        with ThreadPoolExecutor(workers) as pool:
            self.layers = list(pool.map(reader.layer, range(shape.layers)))
        self._offsets = torch.arange(shape.codebooks, device=device) * (shape.tokens + 1)
        self.places = self._sinusoids(0)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.embedding.device

    @property
    def dtype(self) -> torch.dtype:
        """Of what is computed."""
        return self.embedding.dtype

    @property
    def attends_to_text(self) -> bool:
        """Whether the text is attended to; else it is read as a prefix, after the melody."""
        return self.layers[0].text is not None

    @property
    def together(self) -> bool:
        """Whether texts and codes of several pieces are read and decoded at once.

        On a CPU a piece shall not depend on its company, to the last bit; on a GPU it does so
        anyhow, and many small kernels take longer than a few large ones.
        """
        return self.device.type == "cuda"

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
        if len(self.places) < capacity:
            self.places = self._sinusoids(capacity)
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
        for index, layer in enumerate(self.layers):
            assert layer.text is not None
            key, value = layer.text.key_value(text).chunk(2, -1)
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
        logits = self.heads(self.norm(x[:, -1]))
        return logits.view(-1, self.shape.codebooks, self.shape.tokens).float()

    def _embed(self, tokens: Tensor) -> Tensor:
        ids = tokens + self._offsets[:, None]
        return F.embedding(ids, self.embedding).sum(1) * self.shape.embedding_scale

    def _run(self, x: Tensor, state: State) -> Tensor:
        """All layers on the columns x (rows, columns, width) that follow those already read."""
        columns = x.shape[1]
        where = state.column + torch.arange(columns, device=x.device)
        end = state.length + columns
        mask = None
        if columns > 1 or state.reach is not None:
            end = state.reach or end
            mask = torch.arange(end, device=x.device) <= where[:, None]
        x = x + self.places.index_select(0, where)
        for index, layer in enumerate(self.layers):
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
        qkv = layer.query_key_value(layer.norm_self(x))
        query, key, value = map(self._split, qkv.chunk(3, -1))
        keys, values = state.keys[index], state.values[index]
        keys.index_copy_(2, where, key)
        values.index_copy_(2, where, value)
        heard = F.scaled_dot_product_attention(
            query, keys[:, :, :end], values[:, :, :end], attn_mask=mask
        )
        return x + layer.out_self(heard.transpose(1, 2).flatten(2))

    def _attend_text(self, x: Tensor, text: TextAttention, state: State, index: int) -> Tensor:
        rows = len(state.text_mask)
        query = self._split(text.query(text.norm(x[:rows])))
        heard = F.scaled_dot_product_attention(
            query, state.text_keys[index], state.text_values[index], attn_mask=state.text_mask
        )
        update = text.out(heard.transpose(1, 2).flatten(2))
        if rows == len(x):
            return x + update
        return torch.cat([x[:rows] + update, x[rows:]])

    def _feed(self, x: Tensor, layer: Layer) -> Tensor:
        hidden = layer.feed_in(layer.norm_feed(x))
        hidden = F.gelu(hidden) if self.shape.activation == "gelu" else F.relu(hidden)
        return layer.feed_out(hidden)
