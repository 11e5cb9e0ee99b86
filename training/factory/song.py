"""What every part has to know about the piece it plays in, and the notes it writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from training.factory.theory import Chord, Meter, Mode

TOUCH: Final = 82
"""MIDI velocity of a note before mood, energy and accents."""


class Note(NamedTuple):
    """A note as written: `start` and `length` in sixteenths, `pitch` and `velocity` as in MIDI.

    Velocities may be fractional or out of range until they are performed.
    """

    start: float
    length: float
    pitch: int
    velocity: float


class Span(NamedTuple):
    """A chord's place in its bar, in sixteenths."""

    start: int
    length: int
    chord: Chord

    @property
    def end(self) -> int:
        """Where the next one starts."""
        return self.start + self.length


Bar = tuple[Span, ...]


@dataclass(frozen=True)
class Song:
    """The piece, as far as its parts must agree on it.

    Attributes
    ----------
    mode, tonic, meter
        The key, its pitch class, and the bar.
    quarter_bpm : float
        Quarter notes a minute.
    energy : float
        0 (hushed) to 1 (full on).
    density, length : float
        Factors of the mood on the number of melody notes and on note lengths.
    velocity : float
        Added to every velocity.
    register : int
        Semitones added to where parts lie.
    melody_notes, melody_grid, ornaments
        As in `Genre`.
    bars : tuple of Bar
        Chords of the bars that the clip touches.
    """

    mode: Mode
    tonic: int
    meter: Meter
    quarter_bpm: float
    energy: float
    density: float
    length: float
    velocity: float
    register: int
    melody_notes: int
    melody_grid: int
    ornaments: bool
    bars: Sequence[Bar]

    @property
    def touch(self) -> float:
        """MIDI velocity of an ordinary note."""
        return TOUCH + self.velocity

    def on_beat(self, step: int) -> bool:
        """Whether a sixteenth of the bar falls on a beat."""
        return step % self.meter.beat == 0

    def chord_at(self, bar: int, step: int) -> Chord:
        """Chord at a sixteenth of a bar, which may lie beyond the bar's end.

        There it is the first chord of the next bar; after the last bar, of the bar itself.
        """
        if step < self.meter.steps:
            return span_at(self.bars[bar], step).chord
        return self.bars[min(bar + 1, len(self.bars) - 1)][0].chord


def span_at(bar: Bar, step: int) -> Span:
    """The span that holds a sixteenth of a bar, or the last one."""
    for span in bar:
        if span.start <= step < span.end:
            return span
    return bar[-1]
