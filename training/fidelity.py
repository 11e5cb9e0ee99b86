"""How much of a recording's pitch a codec keeps."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

CHROMA: Final = (
    "librosa.feature.chroma_stft of original and decoded audio (window 4096, hop 1024 samples at "
    "32 kHz, 12 classes, tuning 0, no normalisation); cosine of each frame, mean over the frames "
    "in which the original is within 60 dB of its loudest frame"
)
"""The measure in words, for reports."""

_WINDOW, _HOP = 4096, 1024  # samples
_FLOOR: Final = 1e-6  # of the loudest frame's power


def chroma_cosine(
    original: NDArray[np.float32], decoded: NDArray[np.float32], rate: int
) -> float | None:
    """Compare pitch classes, as `CHROMA` says.

    Parameters
    ----------
    original, decoded : float32 array, shape (samples,)
        Mono, equally long.
    rate : int
        Samples a second.

    Returns
    -------
    float or None
        0 to 1; None if the original is silent.
    """
    if original.shape != decoded.shape:
        raise ValueError(f"lengths differ: {original.shape} and {decoded.shape}")
    if not original.any():
        return None
    before, after = _chroma(original, rate), _chroma(decoded, rate)
    power = before.sum(0)
    heard = power > _FLOOR * power.max()
    length = np.linalg.norm(before, axis=0) * np.linalg.norm(after, axis=0)
    cosine = (before * after).sum(0) / np.maximum(length, np.finfo(np.float64).tiny)
    return float(cosine[heard].mean())


def _chroma(audio: NDArray[np.float32], rate: int) -> NDArray[np.float64]:
    """Power in each pitch class, (12, frames)."""
    import librosa

    # tuning is fixed: estimated, it could differ between the two
    chroma: Any = librosa.feature.chroma_stft(
        y=audio, sr=rate, n_fft=_WINDOW, hop_length=_HOP, tuning=0.0, norm=None
    )
    return np.asarray(chroma, np.float64)
