"""What a decoder remembers of the pieces it is playing: tensors of fixed size, filled in place."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass
class State:
    """Keys and values, and how far they have been filled.

    The rows are those of the pieces, and where there is guidance, those of what is guided away
    from after them in the same order.

    Attributes
    ----------
    keys, values : list of Tensor
        Of each layer, (rows, heads, capacity, width / heads).
    text_keys, text_values : list of Tensor
        Of each layer, (rows with a text, heads, words, width / heads); of a decoder that reads
        its text as a prefix, none.
    text_mask : Tensor
        (rows with a text, 1, 1, words), which words count. Rows without a text come last: their
        states would be zeros, so cross-attention would add nothing to them.
    column : Tensor
        int64 (1,), on the decoder's device: how many columns have been read, and so where the
        next one goes.
    length : int
        The same number, known without asking the device.
    reach : int, optional
        How many columns of the cache a step attends to, with those not yet read masked. Default:
        just those that have been read, so that the shapes grow from step to step.
    """

    keys: list[Tensor]
    values: list[Tensor]
    text_keys: list[Tensor]
    text_values: list[Tensor]
    text_mask: Tensor
    column: Tensor
    length: int = 0
    reach: int | None = None

    @property
    def capacity(self) -> int:
        """Columns that there is room for."""
        return self.keys[0].shape[2]

    def of(self, piece: int, pieces: int) -> State:
        """One piece's rows, as views: to fill them is to fill the whole's."""

        def rows(tensors: list[Tensor]) -> list[Tensor]:
            return [tensor[piece::pieces] for tensor in tensors]

        return replace(
            self,
            keys=rows(self.keys),
            values=rows(self.values),
            text_keys=rows(self.text_keys),
            text_values=rows(self.text_values),
            text_mask=self.text_mask[piece::pieces],
            column=self.column.clone(),
            reach=None,
        )

    def rewind(self, length: int) -> None:
        """Go on from column `length`."""
        self.column.fill_(length)
        self.length = length


def empty_state(
    layers: int,
    heads: int,
    size: int,
    *,
    rows: int,
    text_rows: int,
    words: int,
    capacity: int,
    device: torch.device,
    dtype: torch.dtype,
) -> State:
    """Room for `rows` of `capacity` columns, and for the keys and values of so many words."""

    def room(rows: int, columns: int, count: int) -> list[Tensor]:
        # zeros: what is masked must be finite all the same
        return [
            torch.zeros(rows, heads, columns, size, device=device, dtype=dtype)
            for _ in range(count)
        ]

    text_layers = layers if text_rows else 0
    return State(
        keys=room(rows, capacity, layers),
        values=room(rows, capacity, layers),
        text_keys=room(text_rows, words, text_layers),
        text_values=room(text_rows, words, text_layers),
        text_mask=torch.zeros(text_rows, 1, 1, words, device=device, dtype=torch.bool),
        column=torch.zeros(1, device=device, dtype=torch.long),
    )
