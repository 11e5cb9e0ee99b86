"""A set of audio files as embeddings: statistics of all windows, and the windows of some files.

The statistics are streamed. What needs windows again and again (intervals, FAD-infinity, kernel
distances) gets those of files drawn by chance, as many as fit into a fixed size; sets of the
usual size fit as a whole. So memory does not grow with the number of files.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eval.gaussian import Accumulator, Gaussian, Origin, checked_windows

SAMPLE_VALUES: Final = 1 << 23
"""Most numbers kept of windows: 32 MB, or 32,768 windows of 256 dimensions."""


@dataclass(frozen=True, eq=False)
class Collection:
    """Embeddings of a set of files.

    Attributes
    ----------
    gaussian : Gaussian
        Of all windows of all files.
    files : int
        How many there were.
    windows : float32 array, shape (n, d)
        Of the sampled files, one after the other in the order they came in.
    labels : int array, shape (n,)
        Which of the sampled files each window is from, from 0 up.
    """

    gaussian: Gaussian
    files: int
    windows: NDArray[np.float32]
    labels: NDArray[np.intp]

    @property
    def sampled_files(self) -> int:
        """How many files the windows are from: all of them, unless they were too many."""
        return int(self.labels[-1]) + 1 if len(self.labels) else 0


class Collector:
    """Makes a `Collection` of embeddings that come file by file.

    Parameters
    ----------
    dimensions : int
        Of the embedding.
    most_values : int or None
        Of windows to keep; None for all.
    seed : int
        Of the choice which files' windows are kept.
    """

    def __init__(
        self, dimensions: int, *, most_values: int | None = SAMPLE_VALUES, seed: int = 0
    ) -> None:
        self._accumulator = Accumulator(dimensions)
        self._most_windows = None if most_values is None else max(2, most_values // dimensions)
        self._lots = np.random.default_rng(seed)
        self._kept: list[tuple[float, int, NDArray[np.float32]]] = []  # largest lot on top
        self._kept_windows = 0
        self._files = 0

    def add(self, embeddings: ArrayLike) -> None:
        """Add the windows of a file, (n, d) with n from 1 up."""
        windows = checked_windows(embeddings, self._accumulator.dimensions)
        if not len(windows):
            return
        self._accumulator.add(windows)
        # the files with the smallest lots are a fair sample, however many follow
        entry = (-self._lots.random(), self._files, windows.astype(np.float32))
        heapq.heappush(self._kept, entry)
        self._kept_windows += len(windows)
        self._files += 1
        most = self._most_windows
        while most and self._kept_windows > most and len(self._kept) > 1:
            self._kept_windows -= len(heapq.heappop(self._kept)[2])

    def finish(self, origin: Origin, *, note: str = "") -> Collection:
        """Give the collection; `StatisticsError` if there are fewer than two windows."""
        gaussian = self._accumulator.finish(origin, note=note)
        parts = [windows for _, _, windows in sorted(self._kept, key=lambda entry: entry[1])]
        empty = np.empty((0, gaussian.dimensions), np.float32)
        labels = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        return Collection(gaussian, self._files, np.concatenate([empty, *parts]), labels)
