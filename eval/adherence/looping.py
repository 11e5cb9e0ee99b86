"""Whether a clip is stuck in a loop."""

from __future__ import annotations

from typing import Final

import numpy as np

from audio_chain.sound_check import Samples, mel_amplitudes

STUCK_SIMILARITY: Final = 0.99
"""Above this a clip is stuck in a loop. Of the first 150 training pieces techno comes nearest
(0.985); with a stretch of 0.15 to 0.9 s repeated from the middle on, 98 % are above 0.993."""

LOOP_SECONDS: Final = 4.0
"""The least that a loop is looked for in."""

_HOP: Final = 0.005  # seconds: a loop's period is no multiple of anything
_LOOP: Final = (0.1, 1.0)  # seconds; music repeats bars, a generator that hangs repeats less


def loop_similarity(audio: Samples, rate: int) -> float | None:
    """Measure how exactly a clip repeats itself within a second, in the half that does so more.

    With x(t) as in `spectral_change`, but every 5 ms and less its mean over time, it is the highest
    ``2 sum x(t) x(t + lag) / sum (|x(t)|**2 + |x(t + lag)|**2)`` at lags of 0.1 to 1 s.

    Parameters
    ----------
    audio : float32 array, shape (samples,)
        Mono.
    rate : int
        Samples a second.

    Returns
    -------
    float or None
        Up to 1 (each turn like the one before); None in less than four seconds, or if nothing
        changes that could repeat.
    """
    if len(audio) < LOOP_SECONDS * rate:
        return None
    halves = np.array_split(mel_amplitudes(audio, rate, _HOP), 2, axis=1)
    found = [_similarity(half) for half in halves]
    return max((value for value in found if value is not None), default=None)


def _similarity(amplitudes: Samples) -> float | None:
    moving = amplitudes.astype(np.float64)
    moving -= moving.mean(1, keepdims=True)
    power = np.square(moving).sum(0)
    if power.mean() <= 1e-6 * np.square(amplitudes, dtype=np.float64).sum(0).mean():
        return None
    frames = moving.shape[1]
    spectrum = np.abs(np.fft.rfft(moving, 2 * frames, axis=1)) ** 2
    products = np.fft.irfft(spectrum.sum(0))
    sums = np.concatenate([[0.0], np.cumsum(power)])
    first, last = (round(lag / _HOP) for lag in _LOOP)
    lags = np.arange(first, last + 1)
    apart = sums[frames - lags] + sums[frames] - sums[lags]
    return float((2 * products[lags] / np.maximum(apart, np.finfo(np.float64).tiny)).max())
