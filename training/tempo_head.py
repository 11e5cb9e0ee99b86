"""What makes the decoder read a tempo: it has to name it, from the first frame on.

A wrong number in a prompt costs a piece's codes next to nothing, since after two beats the past
tells the tempo. From codes alone, MusicGen-nano never learned to read it in 54,481 steps. So while
it learns, its middle layer is also asked for the tempo. The head that asks isn't part of the model.
"""

from __future__ import annotations

import math
from typing import Final

import torch.nn.functional as F
from torch import Tensor, nn

SLOWEST: Final = 40.0
"""Beats a minute, of the first class."""
FASTEST: Final = 220.0
CLASSES: Final = 86
"""As wide as 2 %, so that a neighbour is still within the 4 % that adherence allows."""

WEIGHT: Final = 0.3
"""Of the tempo's surprise in the loss; a codebook's is 0.25."""


def tempo_class(bpm: Tensor) -> Tensor:
    """Class, 0 to `CLASSES` - 1, of tempi in beats a minute: evenly spaced logarithms."""
    along = (bpm.float() / SLOWEST).log() / math.log(FASTEST / SLOWEST)
    return (along * (CLASSES - 1)).round().clamp(0, CLASSES - 1).long()


class TempoHead(nn.Module):
    """A linear map of states to tempo classes.

    Parameters
    ----------
    width : int
        Of the states.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.linear = nn.Linear(width, CLASSES)

    def forward(self, states: Tensor, bpm: Tensor) -> Tensor:
        """Cross-entropy in nats of the tempo, (batch, frames), from (batch, frames, width)."""
        logits = self.linear(self.norm(states)).float()
        target = tempo_class(bpm)[:, None].expand(logits.shape[:2])
        return F.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="none").view(
            target.shape
        )
