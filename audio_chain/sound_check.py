"""What can be heard to be wrong with a clip, whatever it plays: silence, clipping, a drone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audio_chain.spectrum import mel_filters, powers_at

SILENT_DBFS: Final = -45.0
FULL_SCALE: Final = 0.999
CLIPPED_SHARE: Final = 0.001
DRONE_CHANGE: Final = 0.07
"""Below this a clip drones. One of the first 1,000 training pieces of the data factory does; so do
steady sounds: chords (0.001), MusicGen-nano decoded greedily, which collapses (up to 0.005), white
noise (0.04), a sine with vibrato (0.05)."""

_HOP, _WINDOW = 0.02, 0.064  # seconds
_BANDS: Final = 64

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

    @property
    def passed(self) -> bool:
        """Whether none of that is so."""
        return not (self.silent or self.distorted or self.drones)


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
    halves = np.array_split(mel_amplitudes(audio, rate), 2, axis=1)
    return min(_change(half) for half in halves)


def mel_amplitudes(audio: Samples, rate: int, hop: float = _HOP) -> Samples:
    """Square root of the power in 64 mel bands.

    Parameters
    ----------
    audio : float32 array, shape (samples,)
    rate : int
        Samples a second.
    hop : float
        Seconds from a frame to the next.

    Returns
    -------
    float32 array, shape (bands, frames)
        Of whole windows alone: edges would look like change.
    """
    size = round(_WINDOW * rate)
    filters = mel_filters(rate, size, _BANDS)
    starts = np.arange(0, len(audio) - size + 1, round(hop * rate))
    window = np.hanning(size + 1)[:-1]
    power = np.hstack([filters @ spectra for spectra in powers_at(audio, starts, window)])
    return np.sqrt(power).astype(np.float32)


def _change(amplitudes: Samples) -> float:
    power = float(np.square(amplitudes).sum(0).mean())
    steady = float(np.square(amplitudes.mean(1)).sum())
    return max(0.0, 1 - steady / power) if power > 0 else 0.0
