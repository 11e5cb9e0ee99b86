"""The stretch of a piece that a clip shows: bars and chords, fills, what enters or leaves."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import NamedTuple

from training.factory.character import Character
from training.factory.genres.progressions import POP
from training.factory.score import TICKS_PER_STEP
from training.factory.song import Bar, Span
from training.factory.theory import Meter, chord, tonic

_PHRASE = 4  # bars


@dataclass(frozen=True)
class Form:
    """The bars that a clip touches.

    Attributes
    ----------
    bars : tuple of Bar
        Their chords.
    first : int
        Number of the first of them in the piece.
    meter : Meter
        Of all bars.
    bar_seconds : float
        Length of a bar.
    offset : float
        Seconds from the start of the first bar to the start of the clip.
    seconds : float
        Length of the clip.
    """

    bars: tuple[Bar, ...]
    first: int
    meter: Meter
    bar_seconds: float
    offset: float
    seconds: float

    @property
    def start(self) -> float:
        """Where the clip starts, in sixteenths from the first bar."""
        return self.offset / self.bar_seconds * self.meter.steps

    @property
    def end(self) -> float:
        """Where the clip ends, in sixteenths from the first bar."""
        return self.start + self.seconds / self.bar_seconds * self.meter.steps

    @property
    def start_tick(self) -> int:
        """Where the clip starts, in MIDI ticks from the first bar."""
        return int(self.start * TICKS_PER_STEP)

    def place_in_phrase(self, bar: int) -> int:
        """0 to 3: where a bar stands in its phrase of four."""
        return (self.first + bar) % _PHRASE

    def phrase_lines(self) -> list[int]:
        """Bars that begin a phrase well inside the clip."""
        return [
            bar
            for bar in range(1, len(self.bars))
            if self.place_in_phrase(bar) == 0
            and 0.18 < (bar * self.bar_seconds - self.offset) / self.seconds < 0.82
        ]


def draw_form(character: Character, seconds: float, rng: random.Random) -> Form:
    """Choose a chord loop, and where in it the clip begins."""
    meter = character.meter
    bar_seconds = meter.steps * 15 / character.quarter_bpm
    offset = 0.0 if rng.random() < 0.4 else rng.random() * bar_seconds
    count = math.ceil((offset + seconds) / bar_seconds + 1e-6)
    loop = _draw_loop(character, rng)
    first = rng.choice((0, 0, rng.randrange(len(loop)), _PHRASE * rng.randrange(3)))
    bars = tuple(loop[number % len(loop)] for number in range(first, first + count))
    return Form(bars, first, meter, bar_seconds, offset, seconds)


def _draw_loop(character: Character, rng: random.Random) -> list[Bar]:
    genre, mode = character.genre, character.mode
    progression = rng.choice(genre.progressions.get(mode) or POP[mode])
    bars = [_bar(numerals.split(","), character) for numerals in progression.split()]
    return [bar for bar in bars for _ in range(genre.bars_per_chord)]


def _bar(numerals: list[str], character: Character) -> Bar:
    length = character.meter.steps // len(numerals)
    return tuple(
        Span(place * length, length, chord(numeral, tonic(character.key)))
        for place, numeral in enumerate(numerals)
    )


class Entry(NamedTuple):
    """A part that enters at a line between phrases, or leaves there.

    Attributes
    ----------
    part : int
        Number of the part in the cast; drums come after all others.
    step : int
        Where the line is, in sixteenths from the first bar.
    enters : bool
        Enters rather than leaves.
    """

    part: int
    step: int
    enters: bool

    def sounding(self, starts_at: float) -> bool:
        """Whether the part plays a note that starts here."""
        return (starts_at >= self.step - 0.01) == self.enters


def draw_entry(form: Form, parts: int, drums: bool, rng: random.Random) -> Entry | None:
    """Perhaps choose a part, never the first, that plays on one side of a line only.

    Parameters
    ----------
    form : Form
        Where the lines are.
    parts : int
        Parts but for the drums.
    drums : bool
        Whether there are drums.
    """
    lines = form.phrase_lines()
    if not lines or rng.random() >= 0.5 or parts + drums <= 2:
        return None
    part = rng.choice(range(1, parts + drums))
    return Entry(part, lines[0] * form.meter.steps, enters=rng.random() < 0.65)


def draw_fills(form: Form, energy: float, rng: random.Random) -> frozenset[int]:
    """Choose bars, each the last of a phrase, that end in a drum fill."""
    return frozenset(
        bar
        for bar in range(len(form.bars))
        if form.place_in_phrase(bar) == _PHRASE - 1 and rng.random() < 0.35 + 0.4 * energy
    )
