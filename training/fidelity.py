"""How much of a recording's pitch a codec keeps."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

Transform = Literal["cqt", "stft"]

_WINDOW, _HOP = 4096, 1024  # samples
_FLOOR: Final = 1e-3  # of the loudest frame's amplitude
_HEARD: Final = (
    "cosine of original and decoded in each frame, mean over the frames whose amplitude in the "
    "original is within 60 dB of its loudest"
)

CHROMA: Final[Mapping[Transform, str]] = MappingProxyType(
    {
        "cqt": f"librosa.feature.chroma_cqt (hop {_HOP}, tuning 0, no normalisation); {_HEARD}",
        "stft": (
            f"librosa.feature.chroma_stft of power (window {_WINDOW}, hop {_HOP}, tuning 0, no "
            f"normalisation); {_HEARD}"
        ),
    }
)
"""The measures in words, for reports."""


def chroma_cosine(
    original: NDArray[np.float32],
    decoded: NDArray[np.float32],
    rate: int,
    transform: Transform = "cqt",
) -> float | None:
    """Compare how strong the twelve pitch classes are over time, as `CHROMA` says.

    Parameters
    ----------
    original, decoded : float32 array, shape (samples,)
        Mono, equally long, at least three seconds.
    rate : int
        Samples a second.
    transform : {"cqt", "stft"}
        The constant-Q transform tells semitones apart in every octave. The Fourier transform
        doesn't in the bass, and of its power the loudest partials are nearly all: it is the
        harsher judge.

    Returns
    -------
    float or None
        0 to 1; None if the original is silent.
    """
    if original.shape != decoded.shape:
        raise ValueError(f"lengths differ: {original.shape} and {decoded.shape}")
    if not original.any():
        return None
    before, after = (_chroma(audio, rate, transform) for audio in (original, decoded))
    amplitude = np.sqrt(before.sum(0)) if transform == "stft" else before.sum(0)
    heard = amplitude > _FLOOR * amplitude.max()
    length = np.linalg.norm(before, axis=0) * np.linalg.norm(after, axis=0)
    cosine = (before * after).sum(0) / np.maximum(length, np.finfo(np.float64).tiny)
    return float(cosine[heard].mean())


def _chroma(audio: NDArray[np.float32], rate: int, transform: Transform) -> NDArray[np.float64]:
    """Strength of each pitch class, (12, frames)."""
    import librosa

    # tuning is fixed: estimated, it could differ between the two
    same: dict[str, Any] = {"y": audio, "sr": rate, "hop_length": _HOP, "norm": None}
    if transform == "cqt":
        chroma: Any = librosa.feature.chroma_cqt(tuning=0.0, **same)
    else:
        chroma = librosa.feature.chroma_stft(n_fft=_WINDOW, tuning=0.0, **same)
    return np.asarray(chroma, np.float64)
