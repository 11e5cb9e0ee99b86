"""What a genre is made of: layers of instruments, beats, and the taste that binds them.

Patterns are strings with one letter a sixteenth note: 16 in a bar of 4/4, 12 in one of 3/4 or 6/8.
In all of them ``.`` is a rest and ``-`` holds the note before it. The other letters depend on
who reads them:

==================  ==============================================================
comp, chorale       ``x`` a chord, ``X`` an accented one
strum               ``D`` a down-stroke over all strings, ``U`` an up-stroke over the upper ones
arpeggio            a digit counts up the voices of the chord, on into the next octave
bass                ``R`` root, ``3`` third, ``5`` fifth, ``7`` seventh, ``8`` octave,
                    ``b`` a semitone below or above the next bar's root
timpani             ``x`` a stroke
chug                ``x`` a damped fifth, ``P`` an open power chord
drums               ``X`` accented, ``x`` normal, ``o`` a ghost note
==================  ==============================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from training.factory.instruments import Kit
from training.factory.theory import MeterName, Mode

Role = Literal[
    "melody",
    "comp",
    "strum",
    "pad",
    "chorale",
    "arpeggio",
    "bass",
    "walk",
    "drone",
    "timpani",
    "chug",
]
"""What a layer plays: see `training.factory.parts`."""

Pattern = str
"""A rhythm, one letter a sixteenth: see above."""

Progressions = dict[Mode, tuple[str, ...]]
"""Chord loops by mode: one roman numeral a bar, several in one bar parted by commas."""


@dataclass(frozen=True)
class Layer:
    """One part of an arrangement.

    Attributes
    ----------
    role : Role
        What it plays.
    instruments : tuple of str
        Which may play it.
    patterns : tuple of Pattern
        Rhythms to choose from; none for roles that need none.
    center : int
        MIDI pitch the part keeps near.
    gain : float
        dB.
    chance : float
        How often the layer is used, 0 to 1.
    dry : bool
        Kept out of the room and of the side chain, as basses are.
    length : float
        Factor on the length of notes: below 1 detached, above 1 ringing.
    voices : int
        Notes in a chord.
    density : float
        Factor on the number of notes of a melody.
    scale : {"pentatonic", "blues"}, optional
        What a melody draws on instead of the mode's own scale.
    """

    role: Role
    instruments: tuple[str, ...]
    patterns: tuple[Pattern, ...] = ()
    center: int = 60
    gain: float = 0.0
    chance: float = 1.0
    dry: bool = False
    length: float = 1.0
    voices: int = 3
    density: float = 1.0
    scale: Literal["pentatonic", "blues"] | None = None


@dataclass(frozen=True)
class Beat:
    """A drum pattern.

    Attributes
    ----------
    kits : tuple of Kit
        Which may play it.
    rows : mapping of str to Pattern
        Pattern by drum; longer than a bar where something comes round less often.
    energy : (float, float)
        Range of a piece's energy that it suits.
    gain : float
        dB.
    """

    kits: tuple[Kit, ...]
    rows: Mapping[str, Pattern]
    energy: tuple[float, float] = (0.0, 1.0)
    gain: float = 0.0


def grid(text: str) -> dict[str, Pattern]:
    """Read a beat written as on a drum machine: a line a drum, its name and then its pattern."""
    return {name.rstrip(): row for name, row in (line.rsplit(" ", 1) for line in _lines(text))}


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


class Swing(NamedTuple):
    """Long-short playing of pairs of notes.

    Attributes
    ----------
    pair : int
        Sixteenths in a pair: `EIGHTHS` or `SIXTEENTHS`; 0 plays straight.
    low, high : float
        Range of the share of the pair that its first note takes: 0.5 straight, 0.67 triplets.
    """

    pair: int
    low: float
    high: float


EIGHTHS: Final = 4
SIXTEENTHS: Final = 2
STRAIGHT: Final = Swing(0, 0.5, 0.5)


class Reverb(NamedTuple):
    """The room: `wet` is its level against the direct sound, `seconds` its decay by 60 dB."""

    wet: float
    seconds: float


@dataclass(frozen=True)
class Genre:
    """A style, as tables of choices.

    Attributes
    ----------
    name : str
        As in `audio_chain.vocabulary`.
    titles : tuple of str
        What captions call it.
    bpm : (int, int)
        Range of the tempo.
    energy : float
        0 (hushed) to 1 (full on).
    moods : tuple of str
        That suit it.
    progressions : mapping
        Chord loops by mode.
    layers : tuple of Layer
        In order of importance: the first is hardly ever left out.
    reverb : Reverb
        The room.
    beats : tuple of Beat
        None where drums don't belong.
    grooves : tuple of str
        What captions call its drums.
    modes, meters : mapping to float
        How often each is chosen.
    bars_per_chord : int
        How long a chord of a progression lasts.
    swing : Swing
        Straight, swung eighths, or swung sixteenths.
    melody_notes : int
        In a bar of 4/4, before mood and layer have their say.
    melody_grid : int
        Finest step of a melody, in sixteenths.
    ornaments : bool
        Melodies have grace notes.
    looseness : float
        Standard deviation of the timing, in sixteenths; 0 for machines.
    solo : bool
        Whether one instrument may stand alone.
    duck : float
        How deep the kick ducks everything but drums and bass, 0 to 1.
    lowpass : (float, float), optional
        Range of the cut-off, in Hz.
    dust : float
        Most vinyl crackle there may be.
    """

    name: str
    titles: tuple[str, ...]
    bpm: tuple[int, int]
    energy: float
    moods: tuple[str, ...]
    progressions: Progressions
    layers: tuple[Layer, ...]
    reverb: Reverb
    beats: tuple[Beat, ...] = ()
    grooves: tuple[str, ...] = ()
    modes: Mapping[Mode, float] = field(default_factory=lambda: {"major": 1, "minor": 1})
    meters: Mapping[MeterName, float] = field(default_factory=lambda: {"4/4": 1})
    bars_per_chord: int = 1
    swing: Swing = STRAIGHT
    melody_notes: int = 6
    melody_grid: int = 2
    ornaments: bool = False
    looseness: float = 0.05
    solo: bool = True
    duck: float = 0.0
    lowpass: tuple[float, float] | None = None
    dust: float = 0.0
