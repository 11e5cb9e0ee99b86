"""Which code plays a column: kernels of our own where they can run, else PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from audio_chain.generate.musicgen.decoder import Decoder
from audio_chain.generate.musicgen.kernels import MOST_ROWS, may_run, reason
from audio_chain.generate.musicgen.sampling import Sampling, play_column
from audio_chain.generate.musicgen.state import State

Step = Callable[[Tensor, State], Tensor]
"""Tokens (rows, codebooks) and the state to logits, as `Decoder.step`."""

Play = Callable[[Tensor, Sampling, Tensor, Tensor, Tensor, Tensor, Tensor], None]
"""As `sampling.play_column`."""


def _nothing(_: State) -> None:
    """What there is to do about a state's texts where its keys and values are enough."""


@dataclass(frozen=True)
class Stepping:
    """How columns are played.

    Attributes
    ----------
    step : callable
        Reads a column.
    play : callable
        Draws the next one.
    failure : str
        Why kernels are not used where they could be; else "".
    hear : callable
        Called once a state's texts have been heard, before it is played in.
    """

    step: Step
    play: Play = play_column
    failure: str = ""
    hear: Callable[[State], None] = _nothing


def stepping(decoder: Decoder, state: State) -> Stepping:
    """The fastest way to play in a state; what has to be compiled for it is compiled."""
    if not may_run(decoder.device):
        return Stepping(decoder.step)
    try:
        return in_kernels(decoder, state)
    except Exception as error:  # of Triton, of the compilers that it calls, of the driver
        return Stepping(decoder.step, failure=reason(error))


@torch.inference_mode()
def in_kernels(decoder: Decoder, state: State) -> Stepping:
    """Play in kernels.

    Raises
    ------
    Exception
        Triton isn't there, or something of it fails.
    """
    from audio_chain.generate.musicgen.kernels.many import ManySteps
    from audio_chain.generate.musicgen.kernels.play import play_column as play
    from audio_chain.generate.musicgen.kernels.step import Steps

    rows = len(state.keys[0])
    size = decoder.shape.width // decoder.shape.heads
    if size & (size - 1):  # kernels work on powers of 2
        return Stepping(decoder.step, play)
    steps = Steps(decoder, state) if rows <= MOST_ROWS else ManySteps(decoder, state)
    # a trial, taken back: what it leaves in the cache is overwritten before it is read
    state.text_mask.fill_(True)
    steps(state.column.new_zeros(rows, decoder.shape.codebooks), state)
    state.text_mask.zero_()
    state.rewind(0)
    return Stepping(steps, play, hear=steps.hear if isinstance(steps, Steps) else _nothing)
