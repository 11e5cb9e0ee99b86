"""Keys, modes, meters, chords and voice leading.

Pitches are MIDI note numbers (60 is middle C), pitch classes 0 (C) to 11 (B).
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import Final, Literal, NamedTuple

Mode = Literal["major", "minor", "dorian", "mixolydian", "lydian", "phrygian"]
MeterName = Literal["4/4", "3/4", "6/8"]

MAJOR_KEYS: Final = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MINOR_KEYS: Final = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")
"""Names of the pitch classes as tonics, in the spelling with fewer accidentals."""

SCALES: Final[dict[Mode, tuple[int, ...]]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
}
"""Semitones above the tonic."""

MAJOR_BLUES: Final = (0, 2, 3, 4, 7, 9)
MINOR_BLUES: Final = (0, 3, 5, 6, 7, 10)
_MAJOR_PENTATONIC: Final = (0, 2, 4, 7, 9)
_MINOR_PENTATONIC: Final = (0, 3, 5, 7, 10)

_DEGREES: Final = {"i": 0, "ii": 2, "iii": 4, "iv": 5, "v": 7, "vi": 9, "vii": 11}
_EXTENSIONS: Final[dict[str, tuple[int, ...]]] = {
    "": (),
    "6": (9,),
    "7": (10,),
    "9": (10, 14),
    "13": (10, 21),
    "maj7": (11,),
    "maj9": (11, 14),
}
_HALF_DIMINISHED: Final = (0, 3, 6, 10)
_NUMERAL: Final = re.compile(r"([b#]?)([ivIV]+)(.*)")

# How `voicing` weighs what it wants: semitones from the wanted height, semitones moved, clashes.
_HEIGHT: Final = 1.2
_MOTION: Final = 0.8
_CLASH: Final = 3


class Meter(NamedTuple):
    """A bar: `steps` sixteenths long, felt in beats of `beat` sixteenths."""

    name: MeterName
    steps: int
    beat: int

    @property
    def quarters_per_beat(self) -> float:
        """1, or 1.5 where beats are dotted quarters."""
        return 1.5 if self.name == "6/8" else 1.0


METERS: Final[dict[MeterName, Meter]] = {
    "4/4": Meter("4/4", 16, 4),
    "3/4": Meter("3/4", 12, 4),
    "6/8": Meter("6/8", 12, 6),
}


class Chord(NamedTuple):
    """A `root` pitch class and the `intervals` of the chord's tones above it, in semitones."""

    root: int
    intervals: tuple[int, ...]

    @property
    def pitch_classes(self) -> tuple[int, ...]:
        """The tones as pitch classes, in ascending order."""
        return tuple(sorted({(self.root + interval) % 12 for interval in self.intervals}))


def is_minor(mode: Mode) -> bool:
    """Whether the mode's third is minor."""
    return SCALES[mode][2] == 3


def key_names(mode: Mode) -> tuple[str, ...]:
    """Names of the twelve tonics, from C up."""
    return MINOR_KEYS if is_minor(mode) else MAJOR_KEYS


def tonic(key: str) -> int:
    """Pitch class of a key, "C" to "B"."""
    return (MAJOR_KEYS if key in MAJOR_KEYS else MINOR_KEYS).index(key)


def pentatonic(mode: Mode) -> tuple[int, ...]:
    """Five-note scale of a mode, in semitones above the tonic."""
    return _MINOR_PENTATONIC if is_minor(mode) else _MAJOR_PENTATONIC


@lru_cache
def chord(numeral: str, tonic: int = 0) -> Chord:
    """Read a roman numeral.

    Parameters
    ----------
    numeral : str
        Degree of the *major* scale, whatever the mode (minor keys use bIII, bVI, bVII), upper
        case for a major triad, lower case for a minor one; then 6, 7, 9, 13, maj7, maj9, or ø.
    tonic : int
        Pitch class of degree I.

    Raises
    ------
    ValueError
        If it isn't a numeral.

    Examples
    --------
    >>> chord("ii7").pitch_classes  # in C: D F A C
    (0, 2, 5, 9)
    """
    match = _NUMERAL.fullmatch(numeral)
    if not match or match[2].lower() not in _DEGREES:
        raise ValueError(f"not a roman numeral: {numeral!r}")
    accidental, degree, suffix = match.groups()
    root = tonic + _DEGREES[degree.lower()] + {"b": -1, "": 0, "#": 1}[accidental]
    if suffix == "ø":
        return Chord(root % 12, _HALF_DIMINISHED)
    if suffix not in _EXTENSIONS:
        raise ValueError(f"unknown chord {suffix!r} in {numeral!r}")
    triad = (0, 4, 7) if degree.isupper() else (0, 3, 7)
    return Chord(root % 12, triad + _EXTENSIONS[suffix])


@lru_cache(4096)
def chord_scale(chord_tones: tuple[int, ...], scale: tuple[int, ...]) -> tuple[int, ...]:
    """Bend a scale until it holds a chord (all pitch classes).

    Notes of the scale a semitone from a chord tone that is foreign to it give way to that tone.
    """
    foreign = [tone for tone in chord_tones if tone not in scale]
    kept = {
        note
        for note in scale
        if note in chord_tones or not any((note - tone) % 12 in (1, 11) for tone in foreign)
    }
    return tuple(sorted(kept | set(chord_tones)))


@lru_cache(20_000)
def ladder(pitch_classes: tuple[int, ...], low: int, high: int) -> tuple[int, ...]:
    """All pitches of these classes from `low` to `high`, both included."""
    return tuple(pitch for pitch in range(low, high + 1) if pitch % 12 in pitch_classes)


def above(low: int, pitch_class: int) -> int:
    """Lowest pitch of a class that isn't below `low`."""
    return low + (pitch_class - low) % 12


@lru_cache(50_000)
def voicing(
    chord: Chord, voices: int, center: int, previous: tuple[int, ...] | None
) -> tuple[int, ...]:
    """Lay a chord out in close position.

    Parameters
    ----------
    chord : Chord
        What to play. With more tones than voices the fifth goes first, then the root.
    voices : int
        Notes wanted; tones are doubled where the chord has fewer.
    center : int
        Pitch that the average note should be near.
    previous : tuple of int, optional
        The voicing before, from which to move as little as possible.

    Returns
    -------
    tuple of int
        Pitches, ascending.
    """
    tones = sorted(set(_essential(chord, voices)))
    candidates = [
        _stack(tones[turn:] + tones[:turn], max(voices, len(tones)), base)
        for turn in range(len(tones))
        for base in (center - 16, center - 4)
    ]
    return min(candidates, key=lambda candidate: _unease(candidate, center, previous))


def _essential(chord: Chord, voices: int) -> list[int]:
    tones = [(chord.root + interval) % 12 for interval in chord.intervals]
    if len(tones) > voices and chord.intervals[2] == 7:
        del tones[2]
    return tones[max(0, len(tones) - voices) :]


def _stack(tones: list[int], count: int, base: int) -> tuple[int, ...]:
    pitches = [above(base, tones[0])]
    for place in range(1, count):
        pitches.append(above(pitches[-1] + 1, tones[place % len(tones)]))
    return tuple(pitches)


def _unease(pitches: tuple[int, ...], center: int, previous: tuple[int, ...] | None) -> float:
    unease = abs(sum(pitches) / len(pitches) - center) * _HEIGHT
    if previous:
        unease += sum(min(abs(pitch - old) for old in previous) for pitch in pitches) * _MOTION
    clashes = sum(1 for lower, upper in pairwise(pitches) if upper - lower == 1)
    return unease + _CLASH * clashes
