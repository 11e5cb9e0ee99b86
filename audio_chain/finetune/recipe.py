"""How an adapter is trained."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from audio_chain.errors import UsageError


@dataclass(frozen=True)
class Recipe:
    """Settings of a training, all recorded with the adapter.

    Attributes
    ----------
    rank : int
        Of the matrices that are learnt.
    alpha : float
        What they add is scaled by ``alpha / rank``.
    targets : str
        Group of layers, one of the trainee's.
    dropout : float
        Of what goes into the matrices.
    steps : int
        At most.
    batch : int
        Pieces a step.
    accumulate : int
        Parts that a batch is computed in, one after the other, to save memory.
    learning_rate : float
        Its highest value; it rises for `warm_up` steps and falls like a cosine to a tenth.
    warm_up : int
    weight_decay : float
    caption_dropout : float
        Share of captions that are left out, so that guidance has something to guide away from
        (Ho and Salimans 2022). Where ordinary pieces are rehearsed, half of their captions are left
        out instead.
    keep : float
        Weight of answering ordinary prompts as the base model does, beside the loss of the style;
        0 for not at all.
    every : int
        Steps from one validation to the next.
    patience : int
        Validations without a better loss after which training stops.
    sample_every : int
        Steps from one sample to the next; 0 for none.
    checkpointing : bool
        Compute activations twice instead of keeping them.
    seed : int
    """

    rank: int = 8
    alpha: float = 16.0
    targets: str = "all"
    dropout: float = 0.0
    steps: int = 300
    batch: int = 8
    accumulate: int = 1
    learning_rate: float = 1e-3
    warm_up: int = 10
    weight_decay: float = 0.0
    caption_dropout: float = 0.15
    keep: float = 4.0
    every: int = 25
    patience: int = 4
    sample_every: int = 100
    checkpointing: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        checks = {
            "a rank from 1 to 1024": 1 <= self.rank <= 1024,
            "an alpha above 0": math.isfinite(self.alpha) and self.alpha > 0,
            "a dropout from 0 to 0.9": 0 <= self.dropout <= 0.9,
            "at least one step": self.steps >= 1,
            "a batch of at least 1": self.batch >= 1,
            "parts of a batch from 1 to its size": 1 <= self.accumulate <= self.batch,
            "a learning rate above 0 and at most 1": 0 < self.learning_rate <= 1,
            "a caption dropout from 0 to 0.9": 0 <= self.caption_dropout <= 0.9,
            "a weight of what is kept from 0 to 100": 0 <= self.keep <= 100,
            "at least one step between validations": self.every >= 1,
            "a patience of at least 1": self.patience >= 1,
            "a number of steps between samples, or 0": self.sample_every >= 0,
            "a seed of at least 0": self.seed >= 0,
        }
        for wanted, met in checks.items():
            if not met:
                raise UsageError(f"fine-tuning needs {wanted}")

    def rate_at(self, step: int) -> float:
        """Learning rate of the step after so many."""
        rise = min(1.0, (step + 1) / (self.warm_up + 1))
        fall = 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.steps)))
        return self.learning_rate * rise * (0.1 + 0.9 * fall)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)
