"""Attention of diffusers' Stable Audio transformer, with what doesn't change computed once.

In every step the text is the same, so its keys and values are computed when a piece begins.
Queries, keys and values of self-attention come from one product, and are turned by their rotary
positions (Su et al. 2021) in place.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from audio_chain.generate.stable_audio.operations import Operations


class SelfAttention:
    """A block's ``attn1``.

    Parameters
    ----------
    attention : object
        diffusers' Attention. Its three projections become one, and are no longer to be used.
    operations : Operations
        How positions are turned.
    """

    def __init__(self, attention: Any, operations: Operations) -> None:
        projections = (attention.to_q, attention.to_k, attention.to_v)
        self._weight = torch.cat([projection.weight.detach() for projection in projections])
        for name in ("to_q", "to_k", "to_v"):
            setattr(attention, name, None)
        self._heads, self._output = attention.heads, attention.to_out[0]
        self._turn = operations.turn

    def __call__(self, hidden: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """Attend from every frame to every frame, (rows, frames, width)."""
        rows, frames, _ = hidden.shape
        three = F.linear(hidden, self._weight).view(rows, frames, 3, self._heads, -1)
        self._turn(three[:, :, :2], cosine, sine)
        query, key, value = three.permute(2, 0, 3, 1, 4)
        return _joined(F.scaled_dot_product_attention(query, key, value), self._output)


class CrossAttention:
    """A block's ``attn2``.

    Parameters
    ----------
    attention : object
        diffusers' Attention.

    Attributes
    ----------
    keys, values : Tensor
        Of the conditions, (rows, heads, columns, width / heads); `read` fills them.
    """

    def __init__(self, attention: Any) -> None:
        self._attention = attention
        self.keys = self.values = torch.zeros(0)

    def read(self, conditions: Tensor) -> None:
        """Compute keys and values of conditions (rows, columns, width).

        They stay in the same memory as long as their shape does.
        """
        attention = self._attention
        size = attention.to_q.out_features // attention.heads
        fresh = []
        for projection in (attention.to_k, attention.to_v):
            states = _heads(projection(conditions), projection.out_features // size)
            fresh.append(states.repeat_interleave(attention.heads // states.shape[1], 1))
        if self.keys.shape == fresh[0].shape:
            self.keys.copy_(fresh[0])
            self.values.copy_(fresh[1])
        else:
            self.keys, self.values = fresh

    def __call__(self, hidden: Tensor) -> Tensor:
        """Attend from every frame to the conditions that were read."""
        query = _heads(self._attention.to_q(hidden), self._attention.heads)
        heard = F.scaled_dot_product_attention(query, self.keys, self.values)
        return _joined(heard, self._attention.to_out[0])


def _heads(states: Tensor, heads: int) -> Tensor:
    rows, columns, _ = states.shape
    return states.view(rows, columns, heads, -1).transpose(1, 2)


def _joined(heard: Tensor, projection: Any) -> Tensor:
    """What all heads heard, (rows, columns, width), projected."""
    projected: Tensor = projection(heard.transpose(1, 2).flatten(2))
    return projected
