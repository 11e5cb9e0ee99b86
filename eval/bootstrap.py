"""Figures with their uncertainty: percentile bootstrap (Efron 1979), seeded."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES: Final = 4000

Statistic = Callable[..., NDArray[np.float64]]
"""Takes arrays (..., n), one a sample, and reduces their last axis."""


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval.

    Attributes
    ----------
    value, low, high : float
        NaN where the figure is undefined, such as a ratio to zero.
    count : int
        Clips it was measured on.
    """

    value: float
    low: float
    high: float
    count: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, to four decimals."""
        value, low, high = (
            None if math.isnan(x) else round(x, 4) for x in (self.value, self.low, self.high)
        )
        return {"value": value, "interval": [low, high], "count": self.count}


def estimate(statistic: Statistic, *samples: ArrayLike, seed: int = 0) -> Estimate:
    """Apply a statistic to samples, and to resamples of them with replacement.

    Parameters
    ----------
    statistic : Statistic
        Such as `mean` or `ratio_of_means`.
    *samples : array_like, shape (n,)
        Paired: element i of each belongs to clip i, and they are drawn together.
    seed : int
        Of the draws.
    """
    columns = [np.asarray(sample, np.float64) for sample in samples]
    count = len(columns[0])
    if not count:
        return Estimate(math.nan, math.nan, math.nan, 0)
    draws = np.random.default_rng(seed).integers(0, count, (RESAMPLES, count))
    resampled = statistic(*(column[draws] for column in columns))
    defined = resampled[~np.isnan(resampled)]
    low, high = np.percentile(defined, [2.5, 97.5]) if len(defined) else (math.nan, math.nan)
    return Estimate(float(statistic(*columns)), float(low), float(high), count)


def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of the last axis."""
    return np.asarray(values.mean(-1))


def median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median of the last axis."""
    return np.asarray(np.median(values, axis=-1))


def ratio_of_means(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of one over the mean of the other; NaN where that is zero."""
    below = bottom.mean(-1)
    return np.asarray(top.mean(-1) / np.where(below == 0, np.nan, below))


def subsets(
    units: int, size: int, count: int, generator: np.random.Generator
) -> Iterator[NDArray[np.bool_]]:
    """Draw subsets without replacement, for statistics that take equal units for fewer units.

    Yields
    ------
    bool array, shape (units,)
        True for `size` of them.
    """
    for _ in range(count):
        chosen = np.zeros(units, bool)
        chosen[generator.permutation(units)[:size]] = True
        yield chosen
