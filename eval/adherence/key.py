"""Key of a recording: the scale that its pitch classes fit best.

Correlation with key profiles (Krumhansl and Schmuckler; Krumhansl 1990), the profiles being those
that Albrecht and Shanahan (2013) counted in tonal music. Ten seconds often hold two or three
chords, and then a key is a matter of opinion: the same profiles on the *notes* of 400 training
pieces of the data factory, without any sound, find the key of 62 %. So a relative, a fifth or a
parallel key is told apart from a plain miss.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

Mode = Literal["major", "minor"]
Relation = Literal["same", "relative", "fifth", "parallel", "other"]

NAMES: Final = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")
THIRDS: Final[dict[str, Mode]] = {
    "major": "major",
    "lydian": "major",
    "mixolydian": "major",
    "minor": "minor",
    "dorian": "minor",
    "phrygian": "minor",
}
"""The estimator knows two modes; the others count as the one with the same third."""

_MAJOR = (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081)
_MINOR = (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052)
_LETTERS: Final = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_KEY: Final = re.compile(r"([A-G])([#b]?) (\w+)")

_RATE: Final = 22_050
_HOP: Final = 2048  # samples
_OCTAVES: Final = 7  # from C1
_FINE: Final = 3  # bins a semitone
_GAIN: Final = 100.0  # before the logarithm
_MIN_SECONDS: Final = 2.0


@dataclass(frozen=True)
class Key:
    """A tonic (pitch class, 0 is C) and a mode.

    Examples
    --------
    >>> str(parse_key("Db lydian")), relation(parse_key("A minor"), parse_key("C major"))
    ('C# major', 'relative')
    """

    tonic: int
    mode: Mode

    def __str__(self) -> str:
        return f"{NAMES[self.tonic]} {self.mode}"


def parse_key(text: str) -> Key:
    """Read a brief's key, such as ``Eb major`` or ``D dorian``; `THIRDS` says what modes become.

    Raises
    ------
    ValueError
        It is none.
    """
    match = _KEY.fullmatch(text)
    if match is None or match[3] not in THIRDS:
        raise ValueError(f"{text!r} is not a key such as 'A minor'")
    accidental = {"": 0, "#": 1, "b": -1}[match[2]]
    return Key((_LETTERS[match[1]] + accidental) % 12, THIRDS[match[3]])


def relation(asked: Key, found: Key) -> Relation:
    """Say how near a key is to another, as MIREX's key-finding task does.

    ``relative`` shares the scale, ``fifth`` is a fifth above or below in the same mode,
    ``parallel`` has the same tonic.
    """
    if found == asked:
        return "same"
    up = (found.tonic - asked.tonic) % 12
    if found.mode == asked.mode:
        return "fifth" if up in (5, 7) else "other"
    if up == 0:
        return "parallel"
    return "relative" if up == (9 if asked.mode == "major" else 3) else "other"


def estimate_key(audio: NDArray[np.float32], rate: int) -> Key | None:
    """Estimate the key of a recording.

    A constant-Q transform, at the recording's own tuning, seven octaves from C1, three bins a
    semitone. In each frame only peaks over frequency count, and only by what they rise above the
    median around them, which drums don't; compressed by a logarithm, summed over octaves and time.

    Parameters
    ----------
    audio : float32 array, shape (samples,)
        Mono.
    rate : int
        Samples a second.

    Returns
    -------
    Key or None
        None if there are no pitches, or less than two seconds.
    """
    if len(audio) < _MIN_SECONDS * rate:
        return None
    chroma = _chroma(audio, rate)
    if chroma.std() <= 1e-6 * max(1.0, chroma.mean()):
        return None
    best = int(np.argmax(_standardized(_PROFILES) @ _standardized(chroma)))
    return Key(best % 12, "minor" if best >= 12 else "major")


_PROFILES: Final = np.array([np.roll(p, tonic) for p in (_MAJOR, _MINOR) for tonic in range(12)])


def _standardized(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = rows - rows.mean(-1, keepdims=True)
    scaled: NDArray[np.float64] = centred / centred.std(-1, keepdims=True)
    return scaled


def _chroma(audio: NDArray[np.float32], rate: int) -> NDArray[np.float64]:
    """Strength of each pitch class, (12,)."""
    import librosa
    import soxr
    from scipy.ndimage import median_filter

    if rate != _RATE:
        audio = soxr.resample(audio, rate, _RATE)
    if not audio.any():
        return np.zeros(12)
    tuning = float(librosa.estimate_tuning(y=audio, sr=_RATE))  # in semitones
    transform: Any = librosa.cqt(
        audio,
        sr=_RATE,
        hop_length=_HOP,
        fmin=librosa.note_to_hz("C1"),
        n_bins=12 * _FINE * _OCTAVES,
        bins_per_octave=12 * _FINE,
        tuning=_FINE * tuning,
    )
    amplitude = np.abs(np.asarray(transform)).astype(np.float64)
    around = median_filter(amplitude, size=(2 * 12 + 1, 1))
    below, above = (np.pad(amplitude, pad) for pad in (((1, 0), (0, 0)), ((0, 1), (0, 0))))
    peak = (amplitude >= below[:-1]) & (amplitude >= above[1:]) & (amplitude > around)
    strength = np.log1p(_GAIN * np.where(peak, amplitude - around, 0))
    in_tune = strength.reshape(_OCTAVES, 12, _FINE, -1)[:, :, 0]
    chroma: NDArray[np.float64] = in_tune.sum(0).mean(-1)
    return chroma
