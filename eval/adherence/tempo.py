"""Tempo of a recording, by autocorrelation of its onsets.

Which metrical level is the beat is left open: `same_tempo` takes half and double for right. With
that, the estimate was within 4 % of the score's tempo for 304 of 305 pieces with drums among the
first 600 training pieces of the data factory, by which the constants were chosen.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

TOLERANCE: Final = 0.04
LEVELS: Final = (0.5, 1.0, 2.0)
"""Metrical levels that count as the same tempo, as factors."""

_HOP: Final = 0.008  # seconds
_WINDOW: Final = 0.064  # seconds
_SMOOTHING: Final = 0.09  # seconds; evens out where notes fall a little early or late
_RANGE: Final = (50.0, 210.0)  # beats a minute; an octave more than `LEVELS` needs
_STEP: Final = 1.002  # factor from one candidate to the next
_BEATS: Final = 8  # a tempo has to hold over so many
_USED: Final = 0.75  # share of the lags: few onsets are that far apart from one another
_COMMON, _WIDTH = 120.0, 1.5  # beats a minute, octaves: which of several fitting levels is taken


def estimate_tempo(audio: NDArray[np.float32], rate: int) -> float | None:
    """Estimate the tempo of a recording.

    The onset strength (half-wave rectified difference of the log-mel spectrogram, every 8 ms) is
    correlated with itself; a tempo scores the mean correlation at lags of 1 to 8 beats,
    interpolated between frames, weighted by a log-normal preference for common tempi (as
    Ellis 2007).

    Parameters
    ----------
    audio : float32 array, shape (samples,)
        Mono.
    rate : int
        Samples a second.

    Returns
    -------
    float or None
        Beats a minute, 50 to 210; None if there are no onsets, or less than three seconds.
    """
    import librosa

    if len(audio) < 3 * rate:
        return None
    hop, window = round(_HOP * rate), round(_WINDOW * rate)
    onsets: Any = librosa.onset.onset_strength(y=audio, sr=rate, n_fft=window, hop_length=hop)
    return _strongest_period(np.asarray(onsets, np.float64), rate / hop)


def same_tempo(estimate: float | None, bpm: float, tolerance: float = TOLERANCE) -> bool:
    """Whether an estimate is a tempo, half of it, or its double, within a relative tolerance."""
    if estimate is None:
        return False
    return any(abs(estimate / (bpm * level) - 1) <= tolerance for level in LEVELS)


def _strongest_period(onsets: NDArray[np.float64], frame_rate: float) -> float | None:
    kernel = np.hanning(round(_SMOOTHING * frame_rate) + 2)[1:-1]
    smooth = np.convolve(onsets, kernel / kernel.sum(), "same")
    correlation = _autocorrelation(smooth)
    if correlation is None:
        return None
    low, high = _RANGE
    tempi = low * _STEP ** np.arange(int(math.log(high / low, _STEP)) + 1)
    lags = np.arange(1, _BEATS + 1)[:, None] * (60 * frame_rate / tempi)
    usable = lags < _USED * len(correlation)
    at_lags = np.interp(lags, np.arange(len(correlation)), correlation)
    score = np.where(usable, at_lags, 0).sum(0) / usable.sum(0).clip(1)
    preference = np.exp(-0.5 * (np.log2(tempi / _COMMON) / _WIDTH) ** 2)
    return float(tempi[np.argmax(score * preference)])


def _autocorrelation(signal: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Unbiased, 1 at lag 0; None if the signal is constant."""
    centred = signal - signal.mean()
    frames = len(centred)
    power = np.abs(np.fft.rfft(centred, 2 * frames)) ** 2
    raw = np.fft.irfft(power)[:frames]
    if raw[0] <= 1e-12 * frames:
        return None
    unbiased: NDArray[np.float64] = raw / raw[0] * frames / (frames - np.arange(frames))
    return unbiased
