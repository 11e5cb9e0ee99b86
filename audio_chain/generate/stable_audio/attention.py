"""Attention for diffusers' Stable Audio transformer, with what doesn't change computed once.

In every step the text is the same, so its keys and values are computed when a piece begins.
Queries, keys and values of self-attention come from one product, and are turned by their rotary
positions (Su et al. 2021) in the network's own precision.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


class SelfAttention:
    """Takes the place of diffusers' processor in a block's ``attn1``.

    Parameters
    ----------
    attention : object
        diffusers' Attention. Its three projections become one, and are no longer to be used.
    """

    def __init__(self, attention: Any) -> None:
        projections = (attention.to_q, attention.to_k, attention.to_v)
        self._sizes = [projection.out_features for projection in projections]
        self._weight = torch.cat([projection.weight.detach() for projection in projections])
        for name in ("to_q", "to_k", "to_v"):
            setattr(attention, name, None)

    def __call__(
        self,
        attention: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Attend from every frame to every frame, (rows, frames, width)."""
        assert rotary_emb is not None
        heads = attention.heads
        parts = F.linear(hidden_states, self._weight).split(self._sizes, -1)
        query, key, value = (_heads(part, part.shape[-1] // heads, heads) for part in parts)
        query, key = _turned(query, *rotary_emb), _turned(key, *rotary_emb)
        return _output(attention, F.scaled_dot_product_attention(query, key, value))


class CrossAttention:
    """Takes the place of diffusers' processor in a block's ``attn2``.

    Attributes
    ----------
    keys, values : Tensor
        Of the conditions, (rows, heads, columns, width / heads); `read` fills them.
    """

    def __init__(self) -> None:
        self.keys = self.values = torch.zeros(0)

    def read(self, attention: Any, conditions: Tensor) -> None:
        """Compute keys and values of conditions (rows, columns, width).

        They stay in the same memory as long as their shape does.
        """
        size = attention.to_q.out_features // attention.heads
        fresh = []
        for projection in (attention.to_k, attention.to_v):
            states = _heads(projection(conditions), size, projection.out_features // size)
            fresh.append(states.repeat_interleave(attention.heads // states.shape[1], 1))
        if self.keys.shape == fresh[0].shape:
            self.keys.copy_(fresh[0])
            self.values.copy_(fresh[1])
        else:
            self.keys, self.values = fresh

    def __call__(
        self,
        attention: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> Tensor:
        """Attend from every frame to the conditions that were read."""
        query = attention.to_q(hidden_states)
        query = _heads(query, query.shape[-1] // attention.heads, attention.heads)
        return _output(attention, F.scaled_dot_product_attention(query, self.keys, self.values))


def _heads(states: Tensor, size: int, heads: int) -> Tensor:
    rows, columns, _ = states.shape
    return states.view(rows, columns, heads, size).transpose(1, 2)


def _turned(states: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotate the first channels of each head, of which the halves are pairs."""
    turning, rest = states.split([cosine.shape[-1], states.shape[-1] - cosine.shape[-1]], -1)
    first, second = turning.chunk(2, -1)
    turned = turning * cosine + torch.cat([-second, first], -1) * sine
    return torch.cat([turned, rest], -1)


def _output(attention: Any, heard: Tensor) -> Tensor:
    projected: Tensor = attention.to_out[0](heard.transpose(1, 2).flatten(2))
    return projected
