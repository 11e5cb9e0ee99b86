"""What makes the decoder keep a tempo: it has to name it, and where in its beat each frame stands.

A wrong number in a prompt costs a piece's codes next to nothing, since after two beats the past
tells the tempo. From codes alone, MusicGen-nano never learned to read it in 54,481 steps, and
having learned to name it, it still drifted by some frames a beat. So while it learns, its middle
layer is asked for both. The head that asks isn't part of the model.
"""

from __future__ import annotations

import math
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audio_chain.nano.codec import SpectralCodecConfig

SLOWEST: Final = 40.0
"""Beats a minute, of the first class."""
FASTEST: Final = 220.0
CLASSES: Final = 86
"""As wide as 2 %, so that a neighbour is still within the 4 % that adherence allows."""

PLACES: Final = 16
"""Parts of a beat that are told apart: at 120 bpm, one is 31 ms, and a frame is 20."""

WEIGHTS: Final = (0.3, 0.15)
"""Of the surprises at tempo and place in the loss; a codebook's is 0.25."""

FRAME_RATE: Final = SpectralCodecConfig().frame_rate


def tempo_class(bpm: Tensor) -> Tensor:
    """Class, 0 to `CLASSES` - 1, of tempi in beats a minute: evenly spaced logarithms."""
    along = (bpm.float() / SLOWEST).log() / math.log(FASTEST / SLOWEST)
    return (along * (CLASSES - 1)).round().clamp(0, CLASSES - 1).long()


def places(pulse: Tensor, frames: int) -> Tensor:
    """Place in the beat, 0 to `PLACES` - 1, of the middle of each frame, (batch, frames).

    Parameters
    ----------
    pulse : Tensor
        (batch, 2): beats a minute, and the share of a beat that is over when the piece begins.
    frames : int
        From the beginning.
    """
    seconds = (torch.arange(frames, device=pulse.device) + 0.5) / FRAME_RATE
    beats = pulse[:, 1:] + seconds * pulse[:, :1] / 60
    return (beats % 1 * PLACES).long().clamp(max=PLACES - 1)


class PulseHead(nn.Module):
    """A linear map of states to classes of tempo and of place in the beat.

    Parameters
    ----------
    width : int
        Of the states.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.linear = nn.Linear(width, CLASSES + PLACES)

    def forward(self, states: Tensor, pulse: Tensor) -> Tensor:
        """Cross-entropies in nats of tempo and place, (batch, 2, frames).

        Parameters
        ----------
        states : Tensor
            (batch, frames, width).
        pulse : Tensor
            As in `places`.
        """
        batch, frames, _ = states.shape
        tempo, place = self.linear(self.norm(states)).float().split([CLASSES, PLACES], 2)
        named = tempo_class(pulse[:, :1]).expand(batch, frames)
        surprises = [
            F.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="none")
            for logits, target in ((tempo, named), (place, places(pulse, frames)))
        ]
        return torch.stack(surprises).view(2, batch, frames).transpose(0, 1)
