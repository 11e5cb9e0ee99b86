"""Spectra of a sound at evenly spread moments, and the mel scale."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from audio_chain.clip import Clip

Floats = npt.NDArray[np.float64]

_AT_ONCE: Final = 256


def hz_to_mel(frequency: npt.ArrayLike) -> Floats:
    """Frequencies in Hz on Slaney's mel scale: linear to 1 kHz, logarithmic above.

    Slaney, *Auditory Toolbox* (1998); the scale librosa uses by default.
    """
    hertz = np.asarray(frequency, dtype=np.float64)
    logarithmic = 15.0 + 27.0 * np.log(np.maximum(hertz, 1000.0) / 1000.0) / math.log(6.4)
    return np.where(hertz < 1000.0, hertz * 3.0 / 200.0, logarithmic)


def mel_to_hz(mel: npt.ArrayLike) -> Floats:
    """The inverse of `hz_to_mel`."""
    mels = np.asarray(mel, dtype=np.float64)
    above = 1000.0 * np.exp((np.maximum(mels, 15.0) - 15.0) * math.log(6.4) / 27.0)
    return np.where(mels < 15.0, mels * 200.0 / 3.0, above)


def mel_filters(rate: int, n_fft: int, mels: int) -> Floats:
    """Triangular filters of equal area from 0 Hz to half the rate, (mels, n_fft // 2 + 1)."""
    edges = mel_to_hz(np.linspace(0.0, hz_to_mel(rate / 2), mels + 2))
    bins = np.fft.rfftfreq(n_fft, 1.0 / rate)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    area: Floats = 2.0 / (edges[2:] - edges[:-2])[:, None]
    return np.maximum(0.0, np.minimum(rising, falling)) * area


def window_length(rate: int, seconds: float) -> int:
    """Samples of about `seconds`, a power of two."""
    return int(2 ** max(4, round(math.log2(seconds * rate))))


def powers(clip: Clip, columns: int, n_fft: int) -> Iterator[Floats]:
    """Power spectra of evenly spread moments.

    Parameters
    ----------
    clip : Clip
        Its channels are mixed.
    columns : int
        Moments; each sees a Hann window.
    n_fft : int
        Length of the window in samples.

    Yields
    ------
    ndarray of float64, shape (n_fft // 2 + 1, up to 256)
        A sine at full scale is 1 in its bin. Memory is bounded whatever the number of columns.
    """
    samples = clip.mono().samples[0]
    padded = np.pad(samples, n_fft // 2)
    starts = np.linspace(0, max(len(samples) - 1, 0), columns).round().astype(np.int64)
    window = np.hanning(n_fft + 1)[:-1].astype(np.float32)
    window *= np.float32(2.0 / window.sum())
    return powers_at(padded, starts, window)


def powers_at(
    samples: npt.NDArray[np.float32],
    starts: npt.NDArray[np.int64],
    window: npt.NDArray[np.floating],
) -> Iterator[Floats]:
    """Power spectra of windows that begin at given samples, as `powers` yields them."""
    for first in range(0, len(starts), _AT_ONCE):
        frames = samples[starts[first : first + _AT_ONCE, None] + np.arange(len(window))] * window
        power: Floats = np.square(np.abs(np.fft.rfft(frames))).T.astype(np.float64)
        yield power
