"""Chords on a rhythm: comping, strumming, chorales, and pads."""

from __future__ import annotations

import random
from typing import Final

from training.factory.genres.schema import Layer
from training.factory.parts.rhythm import Hit, choose_patterns, hits
from training.factory.song import Note, Song, span_at
from training.factory.theory import Chord, above, voicing

_DISTORTED: Final = ("overdriven guitar", "distorted guitar")
_CHORALE_BASS: Final = 40  # E2, as low as basses like to go
_STRUM_DELAY: Final = 0.09  # sixteenths from string to string
_ROLL_DELAY: Final = 0.06


def pad(layer: Layer, instrument: str, song: Song, rng: random.Random) -> list[Note]:
    """Every chord held for as long as it lasts."""
    velocity = song.touch - 6
    notes = []
    voiced = None
    for number, bar in enumerate(song.bars):
        for span in bar:
            voiced = voicing(span.chord, layer.voices, layer.center + song.register, voiced)
            start = number * song.meter.steps + span.start
            notes += [Note(start, span.length, pitch, velocity) for pitch in voiced]
    return notes


def comp(layer: Layer, instrument: str, song: Song, rng: random.Random) -> list[Note]:
    """Chords on a pattern, led from one to the next by small steps.

    Strums break a chord from the bass string up or from the top down, chorales add a bass voice,
    and held chords of a comp are rolled now and then. Distortion gets bare fifths: thirds growl.
    """
    steps = song.meter.steps
    patterns = choose_patterns(layer, song, rng, default="x---" * (steps // 4))
    center = layer.center + song.register
    notes: list[Note] = []
    voiced = None
    for number, bar in enumerate(song.bars):
        for hit in hits(patterns[number % 2]):
            span = span_at(bar, hit.step)
            chord = span.chord
            if instrument in _DISTORTED:
                chord = Chord(chord.root, (0, 7))
            voiced = voicing(chord, layer.voices, center, voiced)
            length = max(0.5, min(hit.length, span.end - hit.step) * layer.length * song.length)
            velocity = _velocity(hit, song, rng)
            start = number * steps + hit.step
            if layer.role == "strum":
                bass = above(center - 12, chord.root)
                notes += _strum(hit, start, length, (bass, *voiced), velocity)
            else:
                rolls = length > 3 and layer.role == "comp" and rng.random() < 0.3
                notes += _struck(start, length, voiced, velocity, _ROLL_DELAY if rolls else 0)
            if layer.role == "chorale":
                notes.append(Note(start, length, above(_CHORALE_BASS, chord.root), velocity))
    return notes


def _velocity(hit: Hit, song: Song, rng: random.Random) -> float:
    accent = 10 if hit.letter == "X" else 0
    beat = 4 if song.on_beat(hit.step) else 0
    return song.touch + accent + beat + rng.randint(-4, 4)


def _struck(
    start: int, length: float, pitches: tuple[int, ...], velocity: float, delay: float
) -> list[Note]:
    """All at once, or one after the other from the bottom up."""
    return [
        Note(start + order * delay, length, pitch, velocity) for order, pitch in enumerate(pitches)
    ]


def _strum(
    hit: Hit, start: int, length: float, strings: tuple[int, ...], velocity: float
) -> list[Note]:
    """Down over the bass string and all others, or lightly up over the three highest."""
    if hit.letter == "U":
        strings, velocity = strings[:-4:-1], velocity - 12
    return [
        Note(start + order * _STRUM_DELAY, length * 1.3, pitch, velocity - order)
        for order, pitch in enumerate(strings)
    ]
