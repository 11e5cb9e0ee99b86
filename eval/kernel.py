"""Kernel distances between sets of embeddings: KAD and KID, the companions of FAD for few files.

Both are the squared maximum mean discrepancy of Gretton et al. without bias: whatever the number
of windows, the expected value for two sets of the same kind is zero. So a single value may well
be negative, and is not cut off.

KAD (Chung et al. 2025) takes a Gaussian kernel whose bandwidth is the median distance between two
windows of the reference, times 100. Its toolkit kadtk says the same of the bandwidth, but
computes it from the evaluated set, so that every model is measured by another kernel.
KID (Binkowski et al. 2018) takes the cubic kernel ``(x.y / d + 1)^3``.

References
----------
A. Gretton et al.: A kernel two-sample test. Journal of Machine Learning Research 13, 2012, eq. 3.
Y. Chung et al.: KAD: No More FAD! An Effective and Efficient Evaluation Metric for Audio
Generation. arXiv:2502.15602, 2025.
M. Binkowski, D. J. Sutherland, M. Arbel, A. Gretton: Demystifying MMD GANs. ICLR 2018.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eval.bootstrap import Estimate
from eval.gaussian import StatisticsError, checked_windows

KernelName = Literal["gaussian", "cubic"]

KERNELS: Final[tuple[KernelName, ...]] = ("gaussian", "cubic")

KAD_SCALE: Final = 100.0
"""Chung et al. show their values times this."""

_BLOCK: Final = 1024  # windows a side: the most kernel values held at once is the square
_MOST_PAIRS: Final = 1_000_000  # beyond these the median is that of as many drawn pairs

Array = NDArray[np.float64]


@dataclass(frozen=True)
class KernelDistance:
    """A kernel distance.

    Attributes
    ----------
    kernel : str
        "gaussian" (KAD) or "cubic" (KID).
    bandwidth : float or None
        Of the Gaussian kernel, in the units of the embedding.
    estimate : Estimate
        The distance, its 95 % interval by the jackknife over the generated files, and how many
        windows of them there were. The reference is taken as it is.
    reference_windows : int
        Windows of the reference.
    """

    kernel: KernelName
    bandwidth: float | None
    estimate: Estimate
    reference_windows: int


def kernel_distance(
    reference: ArrayLike,
    generated: ArrayLike,
    *,
    files: ArrayLike | None = None,
    kernel: KernelName = "gaussian",
    bandwidth: float | None = None,
    seed: int = 0,
) -> KernelDistance:
    """Unbiased kernel distance of two sets; memory doesn't grow with the square of their sizes.

    Parameters
    ----------
    reference, generated : array_like, shape (m, d) and (n, d)
        At least two windows each.
    files : array_like of int, shape (n,), optional
        Which file each generated window is from, for the interval. Each is its own, if not given.
    kernel : {"gaussian", "cubic"}
    bandwidth : float, optional
        Of the Gaussian kernel. The median distance within the reference, if not given.
    seed : int
        Of the pairs drawn for the median, where there are more than a million.
    """
    x = checked_windows(reference).astype(np.float64)
    y = checked_windows(generated, x.shape[1]).astype(np.float64)
    if min(len(x), len(y)) < 2:
        raise StatisticsError("a kernel distance needs at least two windows on each side")
    if kernel == "cubic":
        bandwidth = None
    elif bandwidth is None:
        bandwidth = median_distance(x, seed=seed)
    labels = np.arange(len(y)) if files is None else np.unique(files, return_inverse=True)[1]
    scale = KAD_SCALE if kernel == "gaussian" else 1.0

    within_x = sum(float(block.sum()) for _, _, block in _pairs(x, x, bandwidth))
    to_others, to_own_file, to_x = (np.zeros(labels.max() + 1) for _ in range(3))
    for rows, columns, block in _pairs(y, y, bandwidth):
        np.add.at(to_others, labels[rows], block.sum(axis=1))
        same = labels[rows][:, np.newaxis] == labels[columns]
        np.add.at(to_own_file, labels[rows], (block * same).sum(axis=1))
    for rows, _, block in _pairs(y, x, bandwidth):
        np.add.at(to_x, labels[rows], block.sum(axis=1))

    count = np.bincount(labels).astype(np.float64)

    def distance(within_y: Array, between: Array, left: Array) -> Array:
        mean_x = within_x / (len(x) * (len(x) - 1))
        mean_y = within_y / (left * (left - 1))
        return scale * (mean_x + mean_y - 2 * between / (len(x) * left))

    value = distance(to_others.sum(), to_x.sum(), count.sum())
    left = count.sum() - count
    low = high = math.nan
    if len(count) > 1 and left.min() >= 2:
        without = distance(to_others.sum() - 2 * to_others + to_own_file, to_x.sum() - to_x, left)
        spread = without - without.mean()
        reach = 1.96 * math.sqrt((len(count) - 1) / len(count) * float(spread @ spread))
        low, high = float(value) - reach, float(value) + reach
    return KernelDistance(kernel, bandwidth, Estimate(float(value), low, high, len(y)), len(x))


def median_distance(windows: Array, *, seed: int = 0) -> float:
    """Median Euclidean distance between two different windows of (n, d).

    Of all pairs up to a million, of a million drawn with `seed` beyond.

    Raises
    ------
    StatisticsError
        More than half of the pairs are equal, so that it is zero.
    """
    count = len(windows)
    if count * (count - 1) // 2 <= _MOST_PAIRS:
        first, second = np.triu_indices(count, 1)
    else:
        generator = np.random.default_rng(seed)
        first = generator.integers(0, count, _MOST_PAIRS)
        second = (first + generator.integers(1, count, _MOST_PAIRS)) % count
    squares = np.concatenate(
        [
            np.square(
                windows[first[start : start + _BLOCK]] - windows[second[start : start + _BLOCK]]
            ).sum(axis=1)
            for start in range(0, len(first), _BLOCK)
        ]
    )
    median = math.sqrt(float(np.median(squares)))
    if not median > 0:
        raise StatisticsError(
            "most windows of the reference are equal: there is no bandwidth for the kernel; "
            "use a reference with different sounds"
        )
    return median


def _pairs(x: Array, y: Array, bandwidth: float | None) -> Iterator[tuple[slice, slice, Array]]:
    """Kernel values of all pairs, in blocks; zero for a window and itself when `x` is `y`."""
    norms_x, norms_y = (np.einsum("ij,ij->i", rows, rows) for rows in (x, y))
    for top in range(0, len(x), _BLOCK):
        for left in range(0, len(y), _BLOCK):
            rows, columns = slice(top, top + _BLOCK), slice(left, left + _BLOCK)
            products = x[rows] @ y[columns].T
            if bandwidth is None:
                block = (products / x.shape[1] + 1) ** 3
            else:
                squares = norms_x[rows, np.newaxis] + norms_y[columns] - 2 * products
                block = np.exp(np.maximum(squares, 0.0) / (-2 * bandwidth**2))
            if x is y and top == left:
                np.fill_diagonal(block, 0.0)
            yield rows, columns, block
