"""Drums: a beat, ghost notes, fills, and the hi-hat that chokes itself."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from training.factory.genres.schema import Beat
from training.factory.instruments import DRUMS
from training.factory.score import velocity_factor
from training.factory.song import Song

_VELOCITY: Final = {"X": 112, "x": 94, "o": 52}
_OFFBEAT_SOFTER: Final = ("hat", "ride", "shaker")
_HATS: Final = ("hat", "open hat", "pedal hat")
_CALM: Final = 0.35  # energy below which half of the ghost notes are left out
_FILL_DRUMS: Final = {"s": "snare", "t": "high tom", "m": "mid tom", "f": "floor tom"}
_FILLS: Final = ("sstm", "stmf", "ssss", "tmff", "s.sf", "tsmf")
_FILL_SECONDS: Final = 0.6
_CRASH_SECONDS: Final = 1.6


class Stroke(NamedTuple):
    """A drum hit: `start` in sixteenths, the drum, its sound in seconds, MIDI velocity."""

    start: float
    drum: str
    seconds: float
    velocity: float


def drums(beat: Beat, song: Song, fills: Collection[int], rng: random.Random) -> list[Stroke]:
    """Play a beat, with a fill in each of the bars `fills` and a crash after most."""
    steps = song.meter.steps
    rows = {drum: _whole_bars(row, steps) for drum, row in beat.rows.items()}
    strokes: list[Stroke] = []
    for bar in range(len(song.bars)):
        start = bar * steps
        room = steps
        if bar in fills:
            room -= 4 if rng.random() < 0.6 else 8
        for drum, row in rows.items():
            phase = start % len(row)
            until = steps if drum == "kick" else room
            strokes += _strokes(drum, row[phase : phase + until], start, song, rng)
        if bar in fills:
            strokes += _fill(start + room, steps - room, rng)
        if bar - 1 in fills and rng.random() < 0.8:
            strokes.append(_stroke(start, "crash", 100, _CRASH_SECONDS))
    return _choked(strokes, song)


def _whole_bars(row: str, steps: int) -> str:
    """Repeat or cut a pattern to a whole number of bars."""
    return (row * (steps // len(row) + 1))[: max(steps, len(row) // steps * steps)]


def _strokes(drum: str, row: str, start: int, song: Song, rng: random.Random) -> list[Stroke]:
    strokes = []
    for step, letter in enumerate(row):
        if letter == "." or (letter == "o" and song.energy < _CALM and rng.random() < 0.5):
            continue
        velocity = _VELOCITY[letter] + song.velocity * 0.6 + rng.gauss(0, 5)
        if drum in _OFFBEAT_SOFTER and step % 4:
            velocity -= 7
        strokes.append(_stroke(start + step, drum, velocity, DRUMS[drum].seconds))
    return strokes


def _fill(start: int, steps: int, rng: random.Random) -> list[Stroke]:
    """A run over snare and toms that gets louder, with gaps on the weak sixteenths."""
    figure = rng.choice(_FILLS)
    strokes = []
    for step in range(steps):
        letter = figure[step * len(figure) // steps]
        if letter != "." and (step % 2 == 0 or rng.random() < 0.55):
            velocity = 88 + 4 * step + rng.gauss(0, 6)
            strokes.append(_stroke(start + step, _FILL_DRUMS[letter], velocity, _FILL_SECONDS))
    return strokes


def _stroke(start: float, drum: str, velocity: float, seconds: float) -> Stroke:
    return Stroke(start, drum, seconds, velocity * velocity_factor(DRUMS[drum].gain))


def _choked(strokes: Sequence[Stroke], song: Song) -> list[Stroke]:
    """End every open hi-hat where the hi-hat is next touched."""
    touched = sorted(stroke.start for stroke in strokes if stroke.drum in _HATS)

    def choked(stroke: Stroke) -> Stroke:
        if stroke.drum != "open hat":
            return stroke
        free = next((other - stroke.start for other in touched if other > stroke.start), 9)
        return stroke._replace(seconds=min(stroke.seconds, free * 15 / song.quarter_bpm))

    return [choked(stroke) for stroke in strokes]
