"""From written parts to tracks: swing, human timing, instruments' ranges, MIDI's whole numbers."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.factory.genres.schema import Swing
from training.factory.instruments import DRUMS, DRUMS_TRACK, INSTRUMENTS, Kit
from training.factory.parts.drums import Stroke
from training.factory.score import TICKS_PER_STEP, Track, velocity_factor
from training.factory.song import Note

_UPBEAT: Final = -0.5  # sixteenths before the first bar that a note may start
_SHORTEST_STEPS: Final = 0.4
_SHORTEST_TICKS: Final = 20
_SOFTEST: Final = 8
_LOUDEST: Final = 127
_HEARD_TICKS: Final = 60  # how far a note must reach into the clip to count as heard


class Feel(NamedTuple):
    """Timing: a swing ratio (share of a pair's first note), and the spread of human error.

    Attributes
    ----------
    pair : int
        Sixteenths in a swung pair, 0 for none.
    ratio : float
        Share of the pair that its first note takes.
    looseness : float
        Standard deviation of starts, in sixteenths.
    """

    pair: int
    ratio: float
    looseness: float

    def swung(self, step: float) -> float:
        """Where a place in straight time falls in swung time, both in sixteenths."""
        if not self.pair:
            return step
        half = self.pair / 2
        pairs, within = divmod(step, self.pair)
        if within < half:
            return pairs * self.pair + within * 2 * self.ratio
        late = self.pair * self.ratio + (within - half) * 2 * (1 - self.ratio)
        return pairs * self.pair + late


def draw_feel(swing: Swing, looseness: float, rng: random.Random) -> Feel:
    """Choose how strongly to swing."""
    return Feel(swing.pair, rng.uniform(swing.low, swing.high), looseness)


class _Key(NamedTuple):
    name: str
    program: int
    is_drums: bool
    wet: bool


class _Played(NamedTuple):
    start: int
    duration: int
    pitch: int
    velocity: int


@dataclass
class Performance:
    """Plays parts, and gathers what is played into tracks: one an instrument and bus.

    Attributes
    ----------
    feel : Feel
        The timing.
    quarter_bpm : float
        Quarter notes a minute.
    end : float
        Where the clip ends, in sixteenths; later notes are left out.
    rng : random.Random
        Source of the human error.
    """

    feel: Feel
    quarter_bpm: float
    end: float
    rng: random.Random
    _tracks: dict[_Key, list[_Played]] = field(default_factory=dict)

    def play(self, instrument: str, notes: Iterable[Note], gain: float, *, dry: bool) -> None:
        """Play a melodic part, `gain` dB louder than written, octaves folded into range."""
        voice = INSTRUMENTS[instrument]
        played = self._track(_Key(instrument, voice.program, False, not dry))
        factor = velocity_factor(gain)
        for note in notes:
            if self._in_time(note.start):
                start = self._started(note.start)
                end = max(self.feel.swung(note.start + note.length), start + _SHORTEST_STEPS)
                pitch = folded(note.pitch, voice.low, voice.high)
                played.append(_played(start, end, pitch, note.velocity * factor))

    def drum(self, kit: Kit, strokes: Iterable[Stroke], gain: float) -> None:
        """Play the drums, `gain` dB louder than written."""
        played = self._track(_Key(DRUMS_TRACK, int(kit), True, False))
        factor = velocity_factor(gain)
        step_seconds = 15 / self.quarter_bpm
        for stroke in strokes:
            if self._in_time(stroke.start):
                start = self._started(stroke.start)
                end = start + stroke.seconds / step_seconds
                pitch = DRUMS[stroke.drum].pitch
                played.append(_played(start, end, pitch, stroke.velocity * factor))

    def tracks(self) -> tuple[Track, ...]:
        """All tracks that have notes, in the order in which they were first played on."""
        return tuple(
            Track(*key, *_columns(played)) for key, played in self._tracks.items() if played
        )

    def _track(self, key: _Key) -> list[_Played]:
        return self._tracks.setdefault(key, [])

    def _in_time(self, start: float) -> bool:
        return _UPBEAT <= start < self.end

    def _started(self, start: float) -> float:
        error = self.rng.gauss(0, self.feel.looseness) if self.feel.looseness else 0
        return self.feel.swung(start) + error


def folded(pitch: int, low: int, high: int) -> int:
    """Move a pitch by octaves into a range, or at least out of the end it is beyond."""
    if pitch < low:
        return pitch + 12 * -((pitch - low) // 12)
    if pitch > high:
        return pitch - 12 * -((high - pitch) // 12)
    return pitch


def heard(tracks: Iterable[Track], start: float, end: float) -> tuple[str, ...]:
    """Names of the instruments that sound in a clip, given in sixteenths."""
    first = start * TICKS_PER_STEP + _HEARD_TICKS
    last = end * TICKS_PER_STEP - _HEARD_TICKS
    names = (
        track.name
        for track in tracks
        if np.any((track.starts + track.durations > first) & (track.starts < last))
    )
    return tuple(dict.fromkeys(names))


def _played(start: float, end: float, pitch: int, velocity: float) -> _Played:
    """Round times in sixteenths and a velocity to MIDI's units."""
    tick = max(0, int(start * TICKS_PER_STEP))
    duration = max(_SHORTEST_TICKS, int(end * TICKS_PER_STEP) - tick)
    return _Played(tick, duration, pitch, min(_LOUDEST, max(_SOFTEST, int(velocity))))


def _columns(played: list[_Played]) -> NDArray[np.int32]:
    return np.array(played, np.int32).T
