"""The decoder's weights as it uses them: those that read the same input joined."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from audio_chain.generate.musicgen.matrices import Matrix, Precision, computed_in, keep


@dataclass(frozen=True)
class DecoderShape:
    """Sizes of a decoder, from a `MusicgenDecoderConfig` or a `MusicgenMelodyDecoderConfig`."""

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
        # the melody decoder's configuration has the field too, but its decoder ignores it
        scaled = config.scale_embedding and config.model_type != "musicgen_melody_decoder"
        return cls(
            layers=config.num_hidden_layers,
            width=config.hidden_size,
            heads=config.num_attention_heads,
            codebooks=config.num_codebooks,
            tokens=config.vocab_size,
            pad=config.pad_token_id,
            channels=config.audio_channels,
            embedding_scale=math.sqrt(config.hidden_size) if scaled else 1.0,
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
class TextAttention:
    """Weights of a layer's attention to the words; a melody model's layers have none."""

    norm: Norm
    query: Matrix
    key_value: Matrix
    out: Matrix


@dataclass(frozen=True)
class Layer:
    """Weights of one layer."""

    norm_self: Norm
    query_key_value: Matrix
    out_self: Matrix
    text: TextAttention | None
    norm_feed: Norm
    feed_in: Matrix
    feed_out: Matrix


@dataclass(frozen=True)
class Reader:
    """Reads the state of a `MusicgenForCausalLM` or `MusicgenMelodyForCausalLM`.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        The state.
    device : torch.device
        Where to compute.
    precision : Precision
        How to keep the weights.
    """

    tensors: Mapping[str, Tensor]
    device: torch.device
    precision: Precision

    def place(self, tensor: Tensor) -> Tensor:
        """Bring a tensor to where, and to what, is computed in."""
        return tensor.to(self.device, computed_in(self.precision, self.device))

    def norm(self, name: str) -> Norm:
        """Layer norm `name`."""
        # copied, because a few numbers would hold on to the mapping of many
        weight, bias = (self.tensors[f"{name}.{part}"].clone() for part in ("weight", "bias"))
        return Norm(self.place(weight), self.place(bias))

    def joined(self, *names: str) -> Matrix:
        """Weights that read the same input, as one."""
        weights = [self.tensors[f"{name}.weight"] for name in names]
        return keep(weights, self.precision, self.device)

    def layer(self, index: int) -> Layer:
        """Layer `index`."""
        base = f"model.decoder.layers.{index}"

        def projections(block: str, names: str) -> Matrix:
            return self.joined(*(f"{base}.{block}.{name}_proj" for name in names))

        text = None
        if f"{base}.encoder_attn.q_proj.weight" in self.tensors:
            text = TextAttention(
                norm=self.norm(f"{base}.encoder_attn_layer_norm"),
                query=projections("encoder_attn", "q"),
                key_value=projections("encoder_attn", "kv"),
                out=self.joined(f"{base}.encoder_attn.out_proj"),
            )
        return Layer(
            norm_self=self.norm(f"{base}.self_attn_layer_norm"),
            query_key_value=projections("self_attn", "qkv"),
            out_self=self.joined(f"{base}.self_attn.out_proj"),
            text=text,
            norm_feed=self.norm(f"{base}.final_layer_norm"),
            feed_in=self.joined(f"{base}.fc1"),
            feed_out=self.joined(f"{base}.fc2"),
        )
