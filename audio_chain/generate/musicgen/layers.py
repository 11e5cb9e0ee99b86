"""The decoder's weights as it uses them: those that read the same input joined."""

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
    query: Tensor
    key_value: Tensor
    out: Tensor


@dataclass(frozen=True)
class Layer:
    """Weights of one layer."""

    norm_self: Norm
    query_key_value: Tensor
    out_self: Tensor
    text: TextAttention | None
    norm_feed: Norm
    feed_in: Tensor
    feed_out: Tensor


def read_norm(tensors: Mapping[str, Tensor], name: str) -> Norm:
    """Layer norm `name` of a state dictionary."""
    return Norm(tensors[f"{name}.weight"], tensors[f"{name}.bias"])


def read_layer(tensors: Mapping[str, Tensor], index: int) -> Layer:
    """Layer `index` of the state of a `MusicgenForCausalLM` or `MusicgenMelodyForCausalLM`."""
    base = f"model.decoder.layers.{index}"

    def joined(block: str, *names: str) -> Tensor:
        return torch.cat([tensors[f"{base}.{block}.{name}_proj.weight"] for name in names])

    text = None
    if f"{base}.encoder_attn.q_proj.weight" in tensors:
        text = TextAttention(
            norm=read_norm(tensors, f"{base}.encoder_attn_layer_norm"),
            query=tensors[f"{base}.encoder_attn.q_proj.weight"],
            key_value=joined("encoder_attn", "k", "v"),
            out=tensors[f"{base}.encoder_attn.out_proj.weight"],
        )
    return Layer(
        norm_self=read_norm(tensors, f"{base}.self_attn_layer_norm"),
        query_key_value=joined("self_attn", "q", "k", "v"),
        out_self=tensors[f"{base}.self_attn.out_proj.weight"],
        text=text,
        norm_feed=read_norm(tensors, f"{base}.final_layer_norm"),
        feed_in=tensors[f"{base}.fc1.weight"],
        feed_out=tensors[f"{base}.fc2.weight"],
    )
