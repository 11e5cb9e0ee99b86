"""The network: diffusers' transformer, guided, its step captured on a GPU."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor

from audio_chain.generate.musicgen.graph import Captured
from audio_chain.generate.stable_audio.attention import CrossAttention, SelfAttention
from audio_chain.generate.stable_audio.conditions import Conditions

COMPILE: Final = "AUDIO_CHAIN_COMPILE"
"""Environment variable; 1 fuses the network's small operations with torch.compile, which takes a
minute before the first step: for many pieces on a GPU."""


class Denoiser:
    """Predicts for pieces that are sampled together.

    Parameters
    ----------
    transformer : object
        diffusers' StableAudioDiTModel, whose attention is replaced for good.

    Attributes
    ----------
    window : int
        Frames that it was made for, and can read at the most.
    channels : int
        Of the latents.
    device : torch.device
    """

    def __init__(self, transformer: Any) -> None:
        from diffusers.models.embeddings import get_1d_rotary_pos_embed

        config = transformer.config
        weight = transformer.proj_in.weight
        self.window: int = config.sample_size
        self.channels: int = config.in_channels
        self.device, self._dtype = weight.device, weight.dtype
        self._crossing: list[tuple[Any, CrossAttention]] = []
        for block in transformer.transformer_blocks:
            crossing = CrossAttention()
            block.attn1.set_processor(SelfAttention(block.attn1))
            block.attn2.set_processor(crossing)
            self._crossing.append((block.attn2, crossing))
        # of what is read once, nothing is left to be done in a step
        self._project = transformer.cross_attention_proj
        transformer.cross_attention_proj = torch.nn.Identity()
        self._turns = get_1d_rotary_pos_embed(
            config.attention_head_dim // 2,
            self.window + 1,  # timing goes before the frames
            use_real=True,
            repeat_interleave_real=False,
        )
        self._forward = transformer.forward
        if self.device.type == "cuda" and os.environ.get(COMPILE) == "1":
            self._forward = torch.compile(transformer.forward, dynamic=False)
        self._time, self._guidance = torch.zeros(2, 1, device=self.device)
        self._input = self._output = self._timing = self._states = torch.zeros(0)
        self._turning: list[Tensor] = []
        self._captured = Captured(self._run, self._watched, lambda: None, self.device)

    @property
    def failure(self) -> str:
        """Why the step is not captured, where it could be; else ""."""
        return self._captured.failure

    @torch.inference_mode()
    def read(self, conditions: Sequence[Conditions], frames: int) -> None:
        """Begin pieces.

        Parameters
        ----------
        conditions : sequence of Conditions
            One a piece; all have as many rows.
        frames : int
            Length of the pieces, up to `window`.
        """
        states = torch.stack([each.states for each in conditions], 1).flatten(0, 1)
        timing = torch.stack([each.timing for each in conditions], 1).flatten(0, 1)
        self._states = self._project(states.to(self._dtype))
        for attention, crossing in self._crossing:
            crossing.read(attention, self._states)
        shape = (len(states), self.channels, frames)
        if (self._input.shape, len(self._output)) != (shape, len(conditions)):
            self._input = torch.zeros(shape, device=self.device, dtype=self._dtype)
            self._output = torch.zeros(len(conditions), *shape[1:], device=self.device)
            self._timing = timing.to(self._dtype)
            self._turning = [
                table[: frames + 1].to(self.device, self._dtype) for table in self._turns
            ]
        self._timing.copy_(timing)

    @torch.inference_mode()
    def __call__(self, latents: Tensor, time: float, guidance: float) -> Tensor:
        """Predict.

        Parameters
        ----------
        latents : Tensor
            float32 (pieces, channels, frames), scaled as the network reads them.
        time, guidance : float

        Returns
        -------
        Tensor
            float32 of the same shape, overwritten by the next call.
        """
        self._time.fill_(time)
        self._guidance.fill_(guidance)
        self._input.copy_(latents.repeat(len(self._input) // len(latents), 1, 1))
        self._captured(None)
        return self._output

    def _run(self) -> None:
        predicted = self._forward(
            self._input,
            self._time,
            encoder_hidden_states=self._states,
            global_hidden_states=self._timing,
            rotary_embedding=self._turning,
            return_dict=False,
        )[0].float()
        if len(predicted) > len(self._output):
            other, wanted = predicted.chunk(2)
            predicted = other + self._guidance * (wanted - other)
        self._output.copy_(predicted)

    def _watched(self) -> list[Tensor]:
        # of the states nothing is read in a step but the keys and values made of them
        return [self._input, self._timing, self._output, self._crossing[0][1].keys]
