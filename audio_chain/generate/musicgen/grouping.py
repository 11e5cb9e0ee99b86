"""How many pieces may play together without changing each other.

A matrix product may sum in another order when it has more rows, and then the last bits differ,
and with them, some steps later, the music. On a CPU where that happens pieces play in groups small
enough that it doesn't: MKL with AVX-512, for instance, treats 2 to 12 rows alike.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final

import torch
from torch import Tensor

from audio_chain import devices
from audio_chain.generate.musicgen.decoder import Decoder
from audio_chain.generate.musicgen.state import State

_SIZES: Final = (64, 32, 16, 8, 6, 4, 3, 2)

_BUDGET: Final = {"cpu": 2e9, "cuda": 24e9}
"""Bytes that the caches of a group may take; of a GPU's memory at most half."""

_COLUMNS: Final = 37
"""Columns in the cache when sizes are tried; a number that no kernel divides by."""


class Grouping:
    """Groups for one decoder and one kind of request.

    Parameters
    ----------
    decoder : Decoder
        The model.
    rows : int
        Of the cache that a piece takes: 2 with guidance, else 1.
    texts : int
        Of these, rows that attend to a text.
    columns : int
        Words of that text.
    """

    def __init__(self, decoder: Decoder, *, rows: int, texts: int, columns: int) -> None:
        self._decoder, self._rows, self._texts = decoder, rows, texts
        self._columns = columns
        self._tried: dict[int, bool] = {}

    def sizes(self, pieces: int, capacity: int) -> Iterator[int]:
        """Sizes of groups that pieces are played in, one after the other.

        Parameters
        ----------
        pieces : int
            How many there are.
        capacity : int
            Columns of the longest one's cache.
        """
        room = max(1, int(self._budget() // self._bytes_each(capacity)))
        while pieces:
            most = min(pieces, room)
            size = next((size for size in _SIZES if size <= most and self._is_usable(size)), 1)
            yield size
            pieces -= size

    def _budget(self) -> float:
        device = self._decoder.device
        return min(_BUDGET.get(device.type, _BUDGET["cpu"]), devices.memory(device) / 2)

    def _bytes_each(self, capacity: int) -> int:
        shape = self._decoder.shape
        columns = 2 * shape.layers * shape.width * capacity
        return columns * self._rows * self._decoder.dtype.itemsize

    def _is_usable(self, size: int) -> bool:
        if self._decoder.device.type != "cpu":
            return True  # kernels for one piece and for many differ, and speed counts for more
        if size not in self._tried:
            self._tried[size] = self.alike(size)
        return self._tried[size]

    @torch.inference_mode()
    def alike(self, pieces: int) -> bool:
        """Whether a step of pieces together gives what it gives each alone, bit for bit.

        Tried on random states. The order of sums depends on the shapes, not on the values.
        """
        chance = torch.Generator().manual_seed(pieces)
        shape = self._decoder.shape
        together = self._state(pieces)
        filled = (together.keys, together.values, together.text_keys, together.text_values)
        for tensor in itertools.chain(*filled):
            tensor.copy_(torch.rand(tensor.shape, generator=chance) - 0.5)
        together.text_mask.fill_(True)
        tokens = torch.randint(shape.tokens, (pieces, shape.codebooks), generator=chance)
        each = []
        for piece in range(pieces):
            alone = self._state(1)
            views = together.of(piece, pieces)
            for ours, theirs in (
                (alone.keys, views.keys),
                (alone.values, views.values),
                (alone.text_keys, views.text_keys),
                (alone.text_values, views.text_values),
                ([alone.text_mask], [views.text_mask]),
            ):
                for mine, view in zip(ours, theirs, strict=True):
                    mine.copy_(view)
            each.append(self._step(tokens[piece : piece + 1], alone))
        whole = self._step(tokens, together)
        return all(torch.equal(whole[piece::pieces], one) for piece, one in enumerate(each))

    def _state(self, pieces: int) -> State:
        state = self._decoder.start(
            rows=pieces * self._rows,
            text_rows=pieces * self._texts,
            words=self._columns,
            capacity=_COLUMNS + 1,
        )
        state.rewind(_COLUMNS)
        return state

    def _step(self, tokens: Tensor, state: State) -> Tensor:
        return self._decoder.step(tokens.repeat(self._rows, 1).to(self._decoder.device), state)
