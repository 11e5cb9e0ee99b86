"""diffusers' Stable Audio transformer, played without what a step doesn't need.

A piece that is guided away from nothing has a row whose text is all zeros. No layer that a text
goes through has a bias, so what such a row hears of it is zero, and isn't computed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from audio_chain.generate.stable_audio.attention import CrossAttention, SelfAttention
from audio_chain.generate.stable_audio.operations import Operations, operations


class Block:
    """A layer of the transformer.

    Parameters
    ----------
    block : object
        diffusers' StableAudioDiTBlock, of which parts are no longer to be used.
    operations : Operations
        How it is computed.

    Attributes
    ----------
    crossing : CrossAttention
        To read conditions.
    """

    def __init__(self, block: Any, operations: Operations) -> None:
        self._norms = (block.norm1, block.norm2, block.norm3)
        self._attention = SelfAttention(block.attn1, operations)
        self.crossing = CrossAttention(block.attn2)
        self._widen, self._narrow = block.ff.net[0].proj, block.ff.net[2]
        self._add_norm, self._gate = operations.add_norm, operations.gate

    def __call__(self, hidden: Tensor, more: Tensor, turning: list[Tensor], deaf: int) -> Tensor:
        """Add `more` to the hidden states (rows, frames, width), and all but what is returned.

        Parameters
        ----------
        hidden, more : Tensor
            What the block before left to be added is added first.
        turning : list of Tensor
            Cosine and sine of the positions.
        deaf : int
            Rows at the beginning that have no text.
        """
        first, second, third = self._norms
        normed = torch.empty_like(hidden)
        self._add_norm(hidden, more, first, normed)
        more = self._attention(normed, *turning)
        if deaf:
            self._add_norm(hidden[:deaf], more[:deaf], third, normed[:deaf])
        if deaf < len(hidden):
            hearing, heard = hidden[deaf:], normed[deaf:]
            self._add_norm(hearing, more[deaf:], second, heard)
            self._add_norm(hearing, self.crossing(heard), third, heard)
        left: Tensor = self._narrow(self._gate(self._widen(normed)))
        return left


class Network:
    """The whole of it.

    Parameters
    ----------
    transformer : object
        diffusers' StableAudioDiTModel, of which parts are no longer to be used.

    Attributes
    ----------
    keys : Tensor
        One block's of the text; it is another tensor when any block's is.
    failure : str
        Why kernels are not used where they could be; else "".
    """

    def __init__(self, transformer: Any) -> None:
        self._model = transformer
        weight = transformer.proj_in.weight
        fastest = operations(weight.device, transformer.config.attention_head_dim)
        self.failure = fastest.failure
        self._blocks = [Block(block, fastest) for block in transformer.transformer_blocks]
        self._deaf = 0

    @property
    def keys(self) -> Tensor:
        return self._blocks[0].crossing.keys

    def read(self, states: Tensor) -> None:
        """Read conditions (rows, columns, width); rows of nothing come first."""
        states = self._model.cross_attention_proj(states)
        self._deaf = int(states.flatten(1).any(1).int().cumsum(0).eq(0).sum())
        for block in self._blocks:
            block.crossing.read(states[self._deaf :])

    def __call__(
        self, latents: Tensor, time: Tensor, timing: Tensor, turning: list[Tensor]
    ) -> Tensor:
        """Predict.

        Parameters
        ----------
        latents : Tensor
            (rows, channels, frames).
        time : Tensor
            (1,).
        timing : Tensor
            Beginning and end of each row's piece, (rows, 1, width).
        turning : list of Tensor
            Cosine and sine of the positions, (1 + frames, channels that are turned).

        Returns
        -------
        Tensor
            As the latents.
        """
        model = self._model
        known = model.global_proj(timing)
        known = known + model.timestep_proj(model.time_proj(time.to(latents.dtype)))[:, None]
        heard = (model.preprocess_conv(latents) + latents).transpose(1, 2)
        hidden = torch.cat([known, model.proj_in(heard)], 1)
        more = torch.zeros_like(hidden)
        for block in self._blocks:
            more = block(hidden, more, turning, self._deaf)
        said = model.proj_out(hidden + more)[:, 1:].transpose(1, 2)
        predicted: Tensor = model.postprocess_conv(said) + said
        return predicted
