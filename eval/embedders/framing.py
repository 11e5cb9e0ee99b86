"""Windows of fixed length over a whole clip, cut as the sound comes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Mono = npt.NDArray[np.float32]
"""Samples of shape (frames,)."""

Tail = Literal["drop", "align", "keep"]
"""What becomes of the sound after the last whole window.

``drop``
    It is left out.
``align``
    One more window that ends where the sound ends.
``keep``
    One more window, shorter than the others.
"""


@dataclass(frozen=True)
class Framing:
    """How a model's windows lie over a clip; the first one starts with it.

    Parameters
    ----------
    rate : int
        Samples a second.
    window, hop : int
        Samples in a window, and from one window's start to the next one's; hop <= window.
    tail : Tail
        What becomes of what is left. Sound shorter than one window is one short window.
    shortest : int
        Samples below which a short window is left out, unless it is the only one.
    """

    rate: int
    window: int
    hop: int
    tail: Tail
    shortest: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.hop <= self.window:
            raise ValueError(f"a hop of {self.hop} samples doesn't fit a window of {self.window}")

    def cut(self, sound: Iterable[Mono]) -> Iterator[Mono]:
        """Cut windows from sound that comes in blocks of any length.

        No more than one window and one block are held.

        Parameters
        ----------
        sound : iterable of float32 array, shape (frames,)
            Blocks to be put end to end.

        Yields
        ------
        float32 array, shape (window,)
            Only the last one can be shorter.
        """
        held = np.zeros(0, np.float32)
        last: Mono | None = None
        for block in sound:
            held = np.concatenate([held, block])
            while len(held) >= self.window:
                last = held[: self.window]
                yield last
                held = held[self.hop :]
        if last is None:
            if len(held):
                yield held
            return
        unheard = held[self.window - self.hop :]
        if self.tail == "align" and len(unheard):
            yield np.concatenate([last, unheard])[-self.window :]
        elif self.tail == "keep" and len(unheard) >= self.shortest:
            yield held
