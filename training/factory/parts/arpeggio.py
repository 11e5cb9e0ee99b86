"""Broken chords."""

from __future__ import annotations

import random

from training.factory.genres.schema import Layer
from training.factory.parts.rhythm import choose_patterns, hits
from training.factory.song import Note, Song, span_at
from training.factory.theory import voicing


def arpeggio(layer: Layer, instrument: str, song: Song, rng: random.Random) -> list[Note]:
    """Chords one note at a time: digits of the pattern count up their voices and beyond."""
    steps = song.meter.steps
    patterns = choose_patterns(layer, song, rng, default=("0-1-2-1-" * 2)[:steps])
    notes = []
    voiced: tuple[int, ...] | None = None
    for number, bar in enumerate(song.bars):
        for hit in hits(patterns[number % 2]):
            span = span_at(bar, hit.step)
            if voiced is None or hit.step == span.start:
                center = layer.center + song.register
                voiced = voicing(span.chord, layer.voices, center, voiced)
            octave, voice = divmod(int(hit.letter), len(voiced))
            beat = 8 if song.on_beat(hit.step) else 0
            notes.append(
                Note(
                    number * steps + hit.step,
                    max(0.6, hit.length * layer.length * song.length),
                    voiced[voice] + 12 * octave,
                    song.touch - 6 + beat + rng.randint(-5, 5),
                )
            )
    return notes
