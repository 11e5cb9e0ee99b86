"""Bass lines: patterned, walking, droning, and on the kettledrums."""

from __future__ import annotations

import random
from typing import Final

from training.factory.genres.schema import Layer
from training.factory.parts.rhythm import Hit, choose_patterns, hits
from training.factory.song import Note, Song, span_at
from training.factory.theory import Chord, above

_BELOW_CENTER: Final = 8  # semitones from a layer's center down to its lowest root
_QUARTER: Final = 4
_TIMPANI: Final = 38  # D2, the lowest of them


def bass(layer: Layer, instrument: str, song: Song, rng: random.Random) -> list[Note]:
    """Chord tones on a pattern; a fifth that ends a bar may lead into the next root instead."""
    steps = song.meter.steps
    default = "R-----------" if steps == 12 else "R-------R-------"
    patterns = choose_patterns(layer, song, rng, default)
    low = layer.center - _BELOW_CENTER
    notes = []
    for number in range(len(song.bars)):
        for hit in hits(patterns[number % 2]):
            chord = song.chord_at(number, hit.step)
            if _leads_on(hit, steps, rng):
                pitch = above(low, song.chord_at(number, steps).root) + rng.choice((-1, 1))
            else:
                pitch = above(low, chord.root) + _interval(chord, hit.letter)
            downbeat = 6 if hit.step == 0 else 0
            notes.append(
                Note(
                    number * steps + hit.step,
                    max(0.7, hit.length * layer.length * min(1.0, song.length)),
                    pitch,
                    song.touch + downbeat + rng.randint(-5, 5),
                )
            )
    return notes


def _leads_on(hit: Hit, steps: int, rng: random.Random) -> bool:
    """Whether a note steps towards the next bar's root rather than stay in its chord."""
    return hit.letter == "b" or (hit.letter == "5" and hit.step >= steps - 2 and rng.random() < 0.3)


def _interval(chord: Chord, letter: str) -> int:
    """Semitones above the root that a letter of a bass pattern asks for."""
    third, fifth = chord.intervals[1:3]
    sevenths = [interval for interval in chord.intervals[3:4] if interval in (9, 10, 11)]
    return {"R": 0, "3": third, "5": fifth, "7": [*sevenths, 10][0], "8": 12}[letter]


def walk(layer: Layer, instrument: str, song: Song, rng: random.Random) -> list[Note]:
    """A walking bass: a chord tone a quarter, and a step into every change of chord."""
    low = layer.center - _BELOW_CENTER
    notes = []
    pitch = low
    for number, bar in enumerate(song.bars):
        for step in range(0, song.meter.steps, _QUARTER):
            span = span_at(bar, step)
            root = above(low, span.chord.root)
            if step == span.start:
                pitch = root
            elif step + _QUARTER >= span.end:
                coming = song.chord_at(number, step + _QUARTER)
                pitch = above(low, coming.root) + rng.choice((-1, 1, -2, 2))
            else:
                tones = [root + interval for interval in (*span.chord.intervals[:4], 12)]
                pitch = rng.choice([tone for tone in tones if tone != pitch][:4])
            start = number * song.meter.steps + step
            notes.append(Note(start, 3.6, pitch, song.touch + rng.randint(-5, 5)))
            if rng.random() < 0.12:
                notes.append(Note(start + 2, 1.4, pitch, song.touch - 18))
    return notes


def drone(layer: Layer, instrument: str, song: Song, rng: random.Random) -> list[Note]:
    """The tonic, bar after bar."""
    pitch = above(layer.center - _BELOW_CENTER, song.tonic)
    steps = song.meter.steps
    return [Note(number * steps, steps, pitch, song.touch - 8) for number in range(len(song.bars))]


def timpani(layer: Layer, instrument: str, song: Song, rng: random.Random) -> list[Note]:
    """Roots, loudest on the downbeat."""
    steps = song.meter.steps
    patterns = choose_patterns(layer, song, rng, default="x" + "." * (steps - 1))
    notes = []
    for number in range(len(song.bars)):
        for hit in hits(patterns[number % 2]):
            pitch = above(_TIMPANI, song.chord_at(number, hit.step).root)
            accent = 8 if hit.step == 0 else rng.randint(-8, 2)
            notes.append(Note(number * steps + hit.step, 4, pitch, song.touch + accent))
    return notes
