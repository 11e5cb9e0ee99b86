"""MusicGen's decoder for inference: fused weights, a cache of fixed size, one step at a time.

The weights are those of transformers' `MusicgenForCausalLM`; `prefill` reads a stretch of tokens
at once, `step` one column. Keys and values of the text are computed once for a whole piece.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class DecoderShape:
    """Sizes of a decoder, from a `MusicgenDecoderConfig`."""

    layers: int
    width: int
    heads: int
    codebooks: int
    tokens: int
    pad: int
    channels: int
    embedding_scale: float
    activation: str

    @classmethod
    def of(cls, config: Any) -> DecoderShape:
        """Read transformers' configuration."""
        return cls(
            layers=config.num_hidden_layers,
            width=config.hidden_size,
            heads=config.num_attention_heads,
            codebooks=config.num_codebooks,
            tokens=config.vocab_size,
            pad=config.pad_token_id,
            channels=config.audio_channels,
            embedding_scale=math.sqrt(config.hidden_size) if config.scale_embedding else 1.0,
            activation=config.activation_function,
        )


@dataclass(frozen=True)
class Norm:
    """Scale and shift of a layer norm."""

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias)


@dataclass(frozen=True)
class Layer:
    """Weights of one layer, those that read the same input joined."""

    norm_self: Norm
    query_key_value: Tensor
    out_self: Tensor
    norm_text: Norm
    query_text: Tensor
    key_value_text: Tensor
    out_text: Tensor
    norm_feed: Norm
    feed_in: Tensor
    feed_out: Tensor


@dataclass
class State:
    """What a decoder remembers of the pieces it is playing.

    Attributes
    ----------
    keys, values : list of Tensor
        Of each layer, (rows, heads, capacity, width / heads).
    text_keys, text_values : list of Tensor
        Of each layer, (rows with a text, heads, words, width / heads).
    text_mask : Tensor
        (rows with a text, 1, 1, words), which words count. Rows without a text come last: their
        states would be zeros, so cross-attention would add nothing to them.
    length : int
        Columns read so far.
    """

    keys: list[Tensor]
    values: list[Tensor]
    text_keys: list[Tensor]
    text_values: list[Tensor]
    text_mask: Tensor
    length: int = 0


class Decoder:
    """The decoder's weights, and how to run them.

    Parameters
    ----------
    shape : DecoderShape
        Sizes.
    tensors : mapping of str to Tensor
        State of a `MusicgenForCausalLM`.
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
        self._norm = self._norm_of(tensors, "model.decoder.layer_norm")
        self._layers = [self._layer(tensors, index) for index in range(shape.layers)]
        self._offsets = self._offsets.to(self.device)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self._embedding.device

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights, and of what is computed."""
        return self._embedding.dtype

    @staticmethod
    def _norm_of(tensors: Mapping[str, Tensor], name: str) -> Norm:
        return Norm(tensors[f"{name}.weight"], tensors[f"{name}.bias"])

    def _layer(self, tensors: Mapping[str, Tensor], index: int) -> Layer:
        base = f"model.decoder.layers.{index}"

        def joined(block: str, *names: str) -> Tensor:
            return torch.cat([tensors[f"{base}.{block}.{name}_proj.weight"] for name in names])

        return Layer(
            norm_self=self._norm_of(tensors, f"{base}.self_attn_layer_norm"),
            query_key_value=joined("self_attn", "q", "k", "v"),
            out_self=tensors[f"{base}.self_attn.out_proj.weight"],
            norm_text=self._norm_of(tensors, f"{base}.encoder_attn_layer_norm"),
            query_text=tensors[f"{base}.encoder_attn.q_proj.weight"],
            key_value_text=joined("encoder_attn", "k", "v"),
            out_text=tensors[f"{base}.encoder_attn.out_proj.weight"],
            norm_feed=self._norm_of(tensors, f"{base}.final_layer_norm"),
            feed_in=tensors[f"{base}.fc1.weight"],
            feed_out=tensors[f"{base}.fc2.weight"],
        )

    def _split(self, x: Tensor) -> Tensor:
        """(rows, columns, width) to (rows, heads, columns, width / heads)."""
        rows, columns, width = x.shape
        heads = self.shape.heads
        return x.view(rows, columns, heads, width // heads).transpose(1, 2)

    def start(self, text: Tensor, mask: Tensor, rows: int, capacity: int) -> State:
        """Make room for pieces.

        Parameters
        ----------
        text : Tensor
            States of the words, projected to the decoder's width, (rows with a text, words, width).
        mask : Tensor
            (rows with a text, words), true where there is a word.
        rows : int
            Pieces in all, at least those with a text.
        capacity : int
            Columns that will be read at most.
        """
        shape = self.shape
        size = (rows, shape.heads, capacity, shape.width // shape.heads)
        text = (text * mask[..., None]).to(self.device, self.dtype)
        pairs = [F.linear(text, layer.key_value_text).chunk(2, -1) for layer in self._layers]
        return State(
            keys=[text.new_zeros(size) for _ in self._layers],
            values=[text.new_zeros(size) for _ in self._layers],
            text_keys=[self._split(key) for key, _ in pairs],
            text_values=[self._split(value) for _, value in pairs],
            text_mask=mask.bool()[:, None, None, :].to(self.device),
        )

    def prefill(self, tokens: Tensor, state: State) -> Tensor:
        """Read columns of tokens.

        Parameters
        ----------
        tokens : Tensor
            (rows, codebooks, columns).
        state : State
            Grows by the columns.

        Returns
        -------
        Tensor
            Logits after the last column, float32 (rows, codebooks, tokens).
        """
        columns = tokens.shape[-1]
        ids = tokens + self._offsets[:, None]
        x = F.embedding(ids, self._embedding).sum(1) * self.shape.embedding_scale
        x = x + self._positions(state.length, columns)
        for index, layer in enumerate(self._layers):
            x = self._attend_self(x, layer, state, index)
            x = self._attend_text(x, layer, state, index)
            x = x + self._feed(x, layer)
        state.length += columns
        logits = F.linear(self._norm(x[:, -1]), self._heads)
        return logits.view(-1, self.shape.codebooks, self.shape.tokens).float()

    def step(self, tokens: Tensor, state: State) -> Tensor:
        """Read one column of tokens (rows, codebooks); the logits as from `prefill`."""
        return self.prefill(tokens[..., None], state)

    def _positions(self, start: int, columns: int) -> Tensor:
        """Sinusoids of the positions, (columns, width), cosines first as in transformers."""
        half = self.shape.width // 2
        rate = torch.exp(torch.arange(half, device=self.device) * -(math.log(10_000) / (half - 1)))
        place = torch.arange(start, start + columns, device=self.device).float()
        angle = place[:, None] * rate
        return torch.cat([angle.cos(), angle.sin()], 1).to(self.dtype)

    def _attend_self(self, x: Tensor, layer: Layer, state: State, index: int) -> Tensor:
        qkv = F.linear(layer.norm_self(x), layer.query_key_value)
        query, key, value = map(self._split, qkv.chunk(3, -1))
        begin, end = state.length, state.length + x.shape[1]
        state.keys[index][:, :, begin:end] = key
        state.values[index][:, :, begin:end] = value
        mask = None
        if x.shape[1] > 1:
            reach = torch.arange(begin, end, device=x.device)[:, None]
            mask = torch.arange(end, device=x.device) <= reach
        heard = F.scaled_dot_product_attention(
            query, state.keys[index][:, :, :end], state.values[index][:, :, :end], attn_mask=mask
        )
        return x + F.linear(heard.transpose(1, 2).flatten(2), layer.out_self)

    def _attend_text(self, x: Tensor, layer: Layer, state: State, index: int) -> Tensor:
        rows = len(state.text_mask)
        query = self._split(F.linear(layer.norm_text(x[:rows]), layer.query_text))
        heard = F.scaled_dot_product_attention(
            query, state.text_keys[index], state.text_values[index], attn_mask=state.text_mask
        )
        update = F.linear(heard.transpose(1, 2).flatten(2), layer.out_text)
        if rows == len(x):
            return x + update
        return torch.cat([x[:rows] + update, x[rows:]])

    def _feed(self, x: Tensor, layer: Layer) -> Tensor:
        hidden = F.linear(layer.norm_feed(x), layer.feed_in)
        hidden = F.gelu(hidden) if self.shape.activation == "gelu" else F.relu(hidden)
        return F.linear(hidden, layer.feed_out)
