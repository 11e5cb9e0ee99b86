"""The network: diffusers' transformer, guided, its step captured on a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from audio_chain.generate.musicgen.graph import Captured
from audio_chain.generate.stable_audio.conditions import Conditions
from audio_chain.generate.stable_audio.network import Network


class Denoiser:
    """Predicts for pieces that are sampled together.

    Parameters
    ----------
    transformer : object
        diffusers' StableAudioDiTModel, of which parts are no longer to be used.

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
        self._network = Network(transformer)
        self._turns = get_1d_rotary_pos_embed(
            config.attention_head_dim // 2,
            self.window + 1,  # timing goes before the frames
            use_real=True,
            repeat_interleave_real=False,
        )
        self._time, self._guidance = torch.zeros(2, 1, device=self.device)
        self._input = self._output = self._timing = torch.zeros(0)
        self._turning: list[Tensor] = []
        self._captured = Captured(self._run, self._watched, lambda: None, self.device)

    @property
    def failure(self) -> str:
        """Why steps are slower than this device allows; "" if they aren't."""
        return self._network.failure or self._captured.failure

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
        self._network.read(states.to(self._dtype))
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
        network = self._network
        predicted = network(self._input, self._time, self._timing, self._turning).float()
        if len(predicted) > len(self._output):
            other, wanted = predicted.chunk(2)
            predicted = other + self._guidance * (wanted - other)
        self._output.copy_(predicted)

    def _watched(self) -> list[Tensor]:
        return [self._input, self._timing, self._output, self._network.keys]
