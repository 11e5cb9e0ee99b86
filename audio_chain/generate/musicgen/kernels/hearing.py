"""Launches attention of one column, and holds what its stretches have heard."""

from __future__ import annotations

from typing import Final, NamedTuple

import torch
import triton
from torch import Tensor

from audio_chain.generate.musicgen.decoder import Decoder
from audio_chain.generate.musicgen.kernels.attention import attend, attend_whole
from audio_chain.generate.musicgen.kernels.overlap import overlap
from audio_chain.generate.musicgen.state import State

SPLIT: Final = 256
"""Columns of the cache that one program attends to."""

WORDS: Final = 64
"""Words that are attended to at once."""

FULL: Final = 256
"""Heads of all rows from which on each is one program: two on each multiprocessor of an H200."""


class Pace(NamedTuple):
    """How a program goes over all columns of a head.

    Attributes
    ----------
    block : int
        Columns that it loads at once.
    stages : int
        How many blocks are on their way.
    warps : int
        Of 32 threads.
    """

    block: int
    stages: int
    warps: int


CROWDED: Final = 1024
"""Heads from which on many small programs hide each other's waiting."""


def pace(heads: int) -> Pace:
    """The fastest one for so many heads on an H200."""
    return Pace(16, 2, 1) if heads >= CROWDED else Pace(64, 3, 4)


class Hearing:
    """Attention of one column in states of some size.

    Parameters
    ----------
    decoder : Decoder
        The model.
    state : State
        Those that follow have its rows and its capacity.

    Attributes
    ----------
    heard, peaks, sums : Tensor
        As `attend` leaves them.
    whole : bool
        Whether there are heads enough for `every_column`.
    """

    def __init__(self, decoder: Decoder, state: State) -> None:
        shape, rows = decoder.shape, len(state.keys[0])
        splits = triton.cdiv(max(state.capacity, state.text_mask.shape[-1]), SPLIT)
        self._heads, self._size = shape.heads, shape.width // shape.heads
        self._overlap = overlap(decoder.device)
        self.whole = rows * shape.heads >= FULL
        self._pace = pace(rows * shape.heads)
        self.heard = torch.empty(
            splits, rows, shape.width, device=decoder.device, dtype=decoder.dtype
        )
        self.peaks = torch.empty(splits, rows, shape.heads, device=decoder.device)
        self.sums = torch.empty_like(self.peaks)

    def columns(self, query: Tensor, state: State, index: int) -> int:
        """Attend to the columns in a layer's cache; in how many stretches.

        Parameters
        ----------
        query : Tensor
            (rows, at least the width), whose rows may lie apart.
        state : State
            Its ``column`` is heard too.
        index : int
            Of the layer.
        """
        splits: int = triton.cdiv(state.reach or state.length + 1, SPLIT)
        keys, values = state.keys[index], state.values[index]
        self._attend(query, keys, values, keys, state.column, splits, SPLIT, SPLIT, False)
        return splits

    def every_column(self, read: Tensor, state: State, index: int) -> Tensor:
        """Put a column into a layer's cache, and attend to all up to it.

        Parameters
        ----------
        read : Tensor
            (rows, 3 * width): query, key and value.
        state : State
            Its ``column`` is where it goes.
        index : int
            Of the layer.

        Returns
        -------
        Tensor
            What has been heard, (rows, width).
        """
        keys, values, heard = state.keys[index], state.values[index], self.heard[0]
        attend_whole[(len(read), self._heads)](
            read,
            keys,
            values,
            state.column,
            heard,
            state.capacity,
            self._size**-0.5,
            SIZE=self._size,
            BLOCK=self._pace.block,
            STAGES=self._pace.stages,
            num_warps=self._pace.warps,
            **self._overlap,
        )
        return heard

    def words(self, query: Tensor, state: State, index: int) -> int:
        """Attend to a layer's texts; as `columns`."""
        keys, values = state.text_keys[index], state.text_values[index]
        words = keys.shape[2]
        split = min(SPLIT, max(16, triton.next_power_of_2(words)))
        splits: int = triton.cdiv(words, split)
        mask = state.text_mask.view(torch.uint8)
        block = min(split, WORDS)
        self._attend(query, keys, values, mask, state.column, splits, split, block, True)
        return splits

    def _attend(
        self,
        query: Tensor,
        keys: Tensor,
        values: Tensor,
        mask: Tensor,
        column: Tensor,
        splits: int,
        split: int,
        block: int,
        masked: bool,
    ) -> None:
        attend[(len(keys), self._heads, splits)](
            query,
            keys,
            values,
            mask,
            column,
            self.heard,
            self.peaks,
            self.sums,
            query.stride(0),
            keys.shape[2],
            self._size**-0.5,
            SIZE=self._size,
            SPLIT=split,
            BLOCK=block,
            MASKED=masked,
            num_warps=8 if block > WORDS else 4,
            **self._overlap,
        )
