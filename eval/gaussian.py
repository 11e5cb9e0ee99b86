"""Mean and covariance of embeddings: streamed, merged, saved.

The update of Chan, Golub and LeVeque keeps a mean and a scatter about it, so a million windows
take no more memory than a thousand, nothing cancels, and what workers counted can be summed.

References
----------
T. F. Chan, G. H. Golub, R. J. LeVeque: Updating formulae and a pairwise algorithm for computing
sample variances. COMPSTAT 1982.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audio_chain.errors import ChainError, UsageError
from audio_chain.files import StrPath
from eval.statistics_file import read_statistics, write_statistics

_BLOCK_ROWS = 1024  # windows gathered before a merge, which costs as much for one as for many


class StatisticsError(ChainError):
    """Numbers that no distance can be computed from."""


@dataclass(frozen=True)
class Origin:
    """What embeddings were made with; distances are defined only between equal origins.

    Attributes
    ----------
    embedding, revision : str
        Name of the embedder, and of its weights' exact version.
    rate : int
        Sample rate it listens at, Hz.
    window_seconds, hop_seconds : float
        Length of audio a window hears, and from one window's start to the next one's.
    """

    embedding: str
    revision: str
    rate: int
    window_seconds: float
    hop_seconds: float

    def difference(self, other: Origin) -> str:
        """Say in which fields two origins differ; empty if in none."""
        names = [field.name for field in fields(self)]
        return ", ".join(
            f"{name.replace('_', ' ')} {mine} and {theirs}"
            for name in names
            if (mine := getattr(self, name)) != (theirs := getattr(other, name))
        )


@dataclass(frozen=True, eq=False)
class Gaussian:
    """The normal distribution with the mean and covariance of a set of embeddings.

    Attributes
    ----------
    mean : float64 array, shape (d,)
    covariance : float64 array, shape (d, d)
        Unbiased (divided by ``count - 1``) and exactly symmetric.
    count : int
        Windows it was estimated from, at least 2.
    origin : Origin
        What they were made with.
    note : str
        What they are of, for people, such as "500 pieces of the data factory".
    """

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    count: int
    origin: Origin
    note: str = ""

    @property
    def dimensions(self) -> int:
        """Dimensions of the embedding."""
        return len(self.mean)

    def require_same_origin(self, other: Gaussian) -> None:
        """Raise `UsageError` unless both were made with the same embedder in the same way."""
        if difference := self.origin.difference(other.origin):
            raise UsageError(
                f"these statistics can't be compared: {difference}; "
                "embed both sets with the same embedder"
            )

    def save(self, path: StrPath) -> Path:
        """Write an ``.npz`` file, whole or not at all.

        Raises
        ------
        UsageError
            The name does not end in ``.npz``, or can't be written.
        """
        values = {field.name: getattr(self.origin, field.name) for field in fields(Origin)}
        values |= {"count": self.count, "note": self.note}
        return write_statistics(Path(path), self.mean, self.covariance, values)

    @classmethod
    def load(cls, path: StrPath) -> Self:
        """Read what `save` wrote. Nothing in the file is ever unpickled.

        Raises
        ------
        UsageError
            There is no such file.
        ChainError
            It isn't statistics, is damaged, or its numbers are no mean and covariance.
        """
        kinds: dict[str, type] = {
            "embedding": str, "revision": str, "rate": int,
            "window_seconds": float, "hop_seconds": float,
        }  # fmt: skip
        mean, covariance, found = read_statistics(Path(path), {**kinds, "count": int, "note": str})
        origin = Origin(**{name: found[name] for name in kinds})
        return cls(mean, covariance, found["count"], origin, found["note"])


class Accumulator:
    """Gathers a mean and covariance from embeddings that come in pieces.

    Parameters
    ----------
    dimensions : int
        Of the embedding. Memory is a few times ``8 d (d + 1024)`` bytes, whatever is added.
    """

    def __init__(self, dimensions: int) -> None:
        if dimensions < 1:
            raise StatisticsError(f"an embedding of {dimensions} dimensions has no statistics")
        self._count = 0
        self._mean = np.zeros(dimensions)
        self._scatter = np.zeros((dimensions, dimensions))  # sum of (x - mean)(x - mean)^T
        self._waiting: list[NDArray[np.float64]] = []
        self._waiting_rows = 0

    @property
    def dimensions(self) -> int:
        """Dimensions of the embedding."""
        return len(self._mean)

    @property
    def count(self) -> int:
        """Windows added so far."""
        return self._count + self._waiting_rows

    def add(self, embeddings: ArrayLike) -> None:
        """Add windows.

        Parameters
        ----------
        embeddings : array_like of float, shape (n, d)

        Raises
        ------
        StatisticsError
            Another shape, or values that are not finite; nothing has been added then.
        """
        rows = checked_windows(embeddings, self.dimensions)
        for start in range(0, len(rows), _BLOCK_ROWS):
            # a copy, for the caller may use the array again
            block = np.array(rows[start : start + _BLOCK_ROWS], dtype=np.float64)
            self._waiting.append(block)
            self._waiting_rows += len(block)
            if self._waiting_rows >= _BLOCK_ROWS:
                self._settle()

    def merge(self, other: Accumulator) -> None:
        """Add all that `other` has gathered; `other` keeps it too."""
        if other.dimensions != self.dimensions:
            raise StatisticsError(
                f"can't merge embeddings of {self.dimensions} and {other.dimensions} dimensions"
            )
        other._settle()
        self._settle()
        self._combine(other._count, other._mean, other._scatter)

    def finish(self, origin: Origin, *, note: str = "") -> Gaussian:
        """Give the Gaussian of what was added; more can still be added.

        Raises
        ------
        StatisticsError
            Fewer than two windows.
        """
        self._settle()
        if self._count < 2:
            raise StatisticsError(
                f"a covariance takes two windows, here is {self._count}; give more or longer audio "
                f"(a window of {origin.embedding} is {origin.window_seconds:g} s)"
            )
        covariance = self._scatter / (self._count - 1)
        covariance = (covariance + covariance.T) / 2  # symmetric to the last bit
        return Gaussian(self._mean.copy(), covariance, self._count, origin, note)

    def _settle(self) -> None:
        """Take in the windows that wait."""
        if not self._waiting:
            return
        rows = np.concatenate(self._waiting)
        self._waiting, self._waiting_rows = [], 0
        mean = rows.mean(axis=0)
        rows -= mean
        self._combine(len(rows), mean, rows.T @ rows)

    def _combine(self, count: int, mean: NDArray[np.float64], scatter: NDArray[np.float64]) -> None:
        """Pool two sets: their scatters, and that of their means (Chan et al., eq. 2.1)."""
        if not count:
            return
        total = self._count + count
        apart = mean - self._mean
        self._scatter += scatter
        apart_weighted = apart * (self._count / total * count)
        for start in range(0, self.dimensions, _BLOCK_ROWS):  # without another (d, d) array
            rows = slice(start, start + _BLOCK_ROWS)
            self._scatter[rows] += np.outer(apart_weighted[rows], apart)
        self._mean += apart * (count / total)
        self._count = total


def checked_windows(embeddings: ArrayLike, dimensions: int | None = None) -> NDArray[Any]:
    """Embeddings as an array (n, d) of real numbers, all finite.

    Raises
    ------
    StatisticsError
        They are not.
    """
    rows: NDArray[Any] = np.asarray(embeddings)
    if rows.ndim != 2 or (dimensions is not None and rows.shape[1] != dimensions):
        wanted = "d" if dimensions is None else dimensions
        raise StatisticsError(f"embeddings of shape {rows.shape}; they must be (n, {wanted})")
    if rows.dtype.kind not in "fiu":
        raise StatisticsError(f"embeddings of type {rows.dtype}; they must be real numbers")
    for start in range(0, len(rows), _BLOCK_ROWS):
        if not np.isfinite(rows[start : start + _BLOCK_ROWS]).all():
            raise StatisticsError("an embedding has values that are not finite numbers")
    return rows
