"""Riffs of damped fifths and open power chords."""

from __future__ import annotations

import random

from training.factory.genres.schema import Layer
from training.factory.parts.rhythm import choose_patterns, hits
from training.factory.song import Note, Song
from training.factory.theory import above


def chugs(layer: Layer, instrument: str, song: Song, rng: random.Random) -> list[Note]:
    """Palm-muted fifths on the root, and power chords that ring."""
    steps = song.meter.steps
    patterns = choose_patterns(layer, song, rng, default="x." * (steps // 2))
    notes = []
    for number in range(len(song.bars)):
        for hit in hits(patterns[number % 2]):
            root = above(layer.center - 6, song.chord_at(number, hit.step).root)
            start = number * steps + hit.step
            if hit.letter == "x":
                notes.append(Note(start, 0.55, root, song.touch + rng.randint(-4, 4)))
                notes.append(Note(start, 0.55, root + 7, song.touch - 8))
            else:
                notes += [
                    Note(start, hit.length * 0.95, root + interval, song.touch + 6)
                    for interval in (0, 7, 12)
                ]
    return notes
