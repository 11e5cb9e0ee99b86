"""What can be wrong with a clip whatever it plays: silence, clipping, a drone, a stuck loop."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

SILENT_DBFS: Final = -45.0
FULL_SCALE: Final = 0.999
CLIPPED_SHARE: Final = 0.001
DRONE_CHANGE: Final = 0.07
"""Below this a clip drones. One of the first 1,000 training pieces of the data factory does; so do
steady sounds: chords (0.001), MusicGen-nano decoded greedily, which collapses (up to 0.005), white
noise (0.04), a sine with vibrato (0.05)."""
STUCK_SIMILARITY: Final = 0.99
"""Above this a clip is stuck in a loop. Of the first 150 training pieces techno comes nearest
(0.985); with a stretch of 0.15 to 0.9 s repeated from the middle on, 98 % are above 0.993."""

_HOP, _WINDOW = 0.02, 0.064  # seconds
_LOOP_HOP: Final = 0.005  # seconds: a loop's period is no multiple of anything
_BANDS: Final = 64
LOOP_SECONDS: Final = 4.0  # the least that a loop is looked for in
_LOOP: Final = (0.1, 1.0)  # seconds; music repeats bars, a generator that hangs repeats less

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class SoundCheck:
    """What was measured on a clip.

    Attributes
    ----------
    level : float
        RMS of the whole clip, dB below full scale.
    clipped : float
        Share of samples at full scale.
    change : float
        As `spectral_change`.
    """

    level: float
    clipped: float
    change: float

    @property
    def silent(self) -> bool:
        """Whether there is next to nothing to hear."""
        return self.level < SILENT_DBFS

    @property
    def distorted(self) -> bool:
        """Whether more than one sample in a thousand is at full scale."""
        return self.clipped > CLIPPED_SHARE

    @property
    def drones(self) -> bool:
        """Whether a half of the clip stays the same; silence does too, but has its own name."""
        return self.change < DRONE_CHANGE and not self.silent


def check_sound(audio: Samples, rate: int) -> SoundCheck:
    """Measure a mono clip (samples,)."""
    return SoundCheck(level(audio), clipped_share(audio), spectral_change(audio, rate))


def level(audio: Samples) -> float:
    """RMS of samples in dB relative to full scale; ``-inf`` for silence."""
    power = float(np.mean(np.square(audio, dtype=np.float64)))
    return 10 * math.log10(power) if power > 0 else -math.inf


def clipped_share(audio: Samples) -> float:
    """Share of the samples whose magnitude is at least `FULL_SCALE`."""
    return float(np.mean(np.abs(audio) >= FULL_SCALE))


def spectral_change(audio: Samples, rate: int) -> float:
    """Measure how much the spectrum changes over time, in the half that changes less.

    With x(t) the vector of amplitudes in 64 mel bands, every 20 ms, it is
    ``1 - |mean x|**2 / mean |x|**2``: the share of the amplitudes' power that is variance. A
    model that has collapsed in mid-piece is steady from there on, so both halves are measured.

    Parameters
    ----------
    audio : float32 array, shape (samples,)
        Mono, at least a second.
    rate : int
        Samples a second.

    Returns
    -------
    float
        0 (a steady tone, or silence) to 1 (a single burst).
    """
    halves = np.array_split(_amplitudes(audio, rate), 2, axis=1)
    return min(_change(half) for half in halves)


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
    halves = np.array_split(_amplitudes(audio, rate, _LOOP_HOP), 2, axis=1)
    found = [_similarity(half) for half in halves]
    return max((value for value in found if value is not None), default=None)


def _amplitudes(audio: Samples, rate: int, hop: float = _HOP) -> NDArray[np.float32]:
    """Square root of the power in mel bands, (bands, frames)."""
    import librosa

    power: NDArray[np.float32] = librosa.feature.melspectrogram(
        y=audio,
        sr=rate,
        n_fft=round(_WINDOW * rate),
        hop_length=round(hop * rate),
        n_mels=_BANDS,
        center=False,  # no edges: they would look like change
    )
    return np.sqrt(power)


def _similarity(amplitudes: NDArray[np.float32]) -> float | None:
    moving = amplitudes.astype(np.float64)
    moving -= moving.mean(1, keepdims=True)
    power = np.square(moving).sum(0)
    if power.mean() <= 1e-6 * np.square(amplitudes, dtype=np.float64).sum(0).mean():
        return None
    frames = moving.shape[1]
    spectrum = np.abs(np.fft.rfft(moving, 2 * frames, axis=1)) ** 2
    products = np.fft.irfft(spectrum.sum(0))
    sums = np.concatenate([[0.0], np.cumsum(power)])
    first, last = (round(lag / _LOOP_HOP) for lag in _LOOP)
    lags = np.arange(first, last + 1)
    apart = sums[frames - lags] + sums[frames] - sums[lags]
    return float((2 * products[lags] / np.maximum(apart, np.finfo(np.float64).tiny)).max())


def _change(amplitudes: NDArray[np.float32]) -> float:
    power = float(np.square(amplitudes).sum(0).mean())
    steady = float(np.square(amplitudes.mean(1)).sum())
    return max(0.0, 1 - steady / power) if power > 0 else 0.0
