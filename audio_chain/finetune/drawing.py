"""Which pieces a step learns from: every piece once, in a drawn order, then in another."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch

from audio_chain.finetune.trainee import Piece


class Drawing:
    """Draws batches that depend on the seed and the step only, so that training can go on.

    Parameters
    ----------
    pieces : sequence of Piece
    batch : int
        Pieces a step.
    seed : int
    """

    def __init__(self, pieces: Sequence[Piece], batch: int, seed: int) -> None:
        self._pieces, self._batch, self._seed = pieces, batch, seed
        self._order = lru_cache(2)(self._shuffled)

    def batch(self, step: int) -> list[Piece]:
        """Pieces of a step, counted from 0."""
        first = step * self._batch
        return [self._piece(number) for number in range(first, first + self._batch)]

    def _piece(self, number: int) -> Piece:
        turn, place = divmod(number, len(self._pieces))
        return self._pieces[self._order(turn)[place]]

    def _shuffled(self, turn: int) -> list[int]:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + turn)
        return [int(one) for one in torch.randperm(len(self._pieces), generator=generator)]
