"""The ``.npz`` file that Gaussian statistics are kept in.

An ordinary NumPy archive: ``mean`` (d,), ``covariance`` (d, d), both float64, and scalars that
say what they are of. It may come from anybody, so nothing in it is unpickled, and no array is
allocated before its declared size is known to be right.
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from audio_chain.errors import ChainError, UsageError
from audio_chain.files import open_file, shown, write_whole

LAYOUT: Final = 1
"""Version of the file; raised when older readers could misread it."""

_MOST_DIMENSIONS: Final = 16_384  # 2 GB of covariance; the embeddings in use have up to 2,048
_LONGEST_TEXT: Final = 4_096
_ROUNDING: Final = 1e-9  # of the variances


def write_statistics(
    path: Path,
    mean: NDArray[np.float64],
    covariance: NDArray[np.float64],
    values: Mapping[str, str | int | float],
) -> Path:
    """Write the file, whole or not at all.

    Parameters
    ----------
    path : Path
        Ends in ``.npz``.
    mean, covariance : float64 array, shape (d,) and (d, d)
    values : mapping
        Scalars by name.
    """
    if path.suffix != ".npz":
        raise UsageError(f"statistics are kept in .npz files; rename {shown(path)}")
    content = io.BytesIO()
    scalars: dict[str, Any] = {name: np.array(value) for name, value in values.items()}
    np.savez_compressed(
        content, layout=np.array(LAYOUT), mean=mean, covariance=covariance, **scalars
    )
    write_whole(path, content)
    return path


def read_statistics(
    path: Path, kinds: Mapping[str, type]
) -> tuple[NDArray[np.float64], NDArray[np.float64], dict[str, Any]]:
    """Read and check the file.

    Parameters
    ----------
    path : Path
    kinds : mapping of str to type
        Scalars to read: ``str``, ``int`` or ``float`` by name; one called ``count`` must be.

    Returns
    -------
    mean, covariance : float64 array, shape (d,) and (d, d)
        Finite; the covariance symmetric, its variances not negative.
    values : dict
        The scalars.

    Raises
    ------
    ChainError
        Says what is wrong with the file, in one line.
    """
    try:
        with open_file(path) as file, zipfile.ZipFile(file) as archive:
            _check_layout(archive)
            values = {name: _scalar(archive, name, kind) for name, kind in kinds.items()}
            mean = _array(archive, "mean", 1)
            covariance = _array(archive, "covariance", 2)
            _check_numbers(mean, covariance, values)
    except (
        zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError,
        NotImplementedError, MemoryError,
    ) as error:  # fmt: skip
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ChainError(
            f"{shown(path)} holds no usable statistics: {reason}; "
            "make them again with `audio-chain eval fad ... --save-statistics`"
        ) from error
    return mean, (covariance + covariance.T) / 2, values


def _check_layout(archive: zipfile.ZipFile) -> None:
    layout = _scalar(archive, "layout", int)
    if layout != LAYOUT:
        raise ValueError(f"its layout is {layout}, this program reads {LAYOUT}")


def _check_numbers(
    mean: NDArray[np.float64], covariance: NDArray[np.float64], values: Mapping[str, Any]
) -> None:
    """Raise ``ValueError`` unless these can be a mean and a covariance."""
    if covariance.shape != (len(mean), len(mean)):
        raise ValueError(f"a mean of {mean.shape} with a covariance of {covariance.shape}")
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise ValueError("some of its values are not finite numbers")
    variances = np.diagonal(covariance)
    if (variances < 0).any():
        raise ValueError("a variance is negative")
    largest = variances.max(initial=0.0)
    if np.abs(covariance).max(initial=0.0) > (1 + _ROUNDING) * largest:
        raise ValueError("a covariance is larger than the variances allow")
    if np.abs(covariance - covariance.T).max(initial=0.0) > _ROUNDING * largest:
        raise ValueError("its covariance is not symmetric")
    if largest > 0 and not _is_positive(covariance):
        raise ValueError("its covariance has negative eigenvalues")
    if values["count"] < 2:
        raise ValueError(f"a count of {values['count']} windows")


def _is_positive(covariance: NDArray[np.float64]) -> bool:
    """Whether a symmetric matrix has no eigenvalue below zero, but for rounding."""
    lifted = covariance + _ROUNDING * np.trace(covariance) * np.eye(len(covariance))
    try:
        np.linalg.cholesky(lifted)
    except np.linalg.LinAlgError:
        return False
    return True


def _array(archive: zipfile.ZipFile, name: str, axes: int) -> NDArray[np.float64]:
    """One float64 array with `axes` axes."""
    array = _member(archive, name, axes, _MOST_DIMENSIONS**axes * 8)
    if array.dtype.kind != "f":
        raise ValueError(f"its {name} is of type {array.dtype}")
    return np.ascontiguousarray(array, dtype=np.float64)


def _scalar(archive: zipfile.ZipFile, name: str, kind: type) -> Any:
    """One scalar as a Python value of `kind`."""
    array = _member(archive, name, 0, 4 * _LONGEST_TEXT)
    kinds = {str: "U", int: "iu", float: "fiu"}[kind]
    if array.dtype.kind not in kinds:
        raise ValueError(f"its {name} is of type {array.dtype}")
    value = kind(array[()])
    if kind is float and not math.isfinite(value):
        raise ValueError(f"its {name} is {value}")
    return value


def _member(archive: zipfile.ZipFile, name: str, axes: int, most: int) -> NDArray[Any]:
    """Read one array, after its header is found to agree with the bytes that follow it."""
    try:
        size = archive.getinfo(f"{name}.npy").file_size
    except KeyError:
        raise ValueError(f"there is no {name!r} in it") from None
    with archive.open(f"{name}.npy") as file:
        version = npy.read_magic(file)
        if version == (1, 0):
            shape, _, kind = npy.read_array_header_1_0(file)
        elif version == (2, 0):
            shape, _, kind = npy.read_array_header_2_0(file)
        else:
            raise ValueError(f"its {name} is in version {version} of the npy format")
        length = math.prod(shape) * kind.itemsize
        if kind.hasobject or len(shape) != axes or length > most or file.tell() + length != size:
            raise ValueError(f"its {name} is of type {kind} and shape {shape}")
    with archive.open(f"{name}.npy") as file:
        return np.asarray(npy.read_array(file, allow_pickle=False))
