"""The first decisions about a piece: style, mood, key, meter, tempo and energy."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from training.factory.genres import GENRES, Genre
from training.factory.moods import MOODS, Mood
from training.factory.theory import METERS, Meter, Mode, key_names
from training.factory.wishes import Wishes

T = TypeVar("T")


@dataclass(frozen=True)
class Character:
    """What a piece is like, before a note of it is written.

    Attributes
    ----------
    genre, mood_name, mood, mode, meter, key
        The choices.
    bpm : int
        Beats a minute as felt: dotted quarters in 6/8.
    energy : float
        0 (hushed) to 1 (full on).
    """

    genre: Genre
    mood_name: str
    mood: Mood
    mode: Mode
    meter: Meter
    key: str
    bpm: int
    energy: float

    @property
    def quarter_bpm(self) -> float:
        """Quarter notes a minute."""
        return self.bpm * self.meter.quarters_per_beat

    @property
    def velocity(self) -> float:
        """Added to MIDI velocities."""
        return self.mood.velocity * 0.8 + (self.energy - 0.5) * 16


def weighted(weights: Mapping[T, float], rng: random.Random) -> T:
    """Choose a key with a chance in proportion to its value."""
    return rng.choices(list(weights), list(weights.values()))[0]


def draw_character(rng: random.Random, wishes: Wishes) -> Character:
    """Choose everything that isn't wished for."""
    genre = GENRES[wishes["genre"] if "genre" in wishes else rng.choice(list(GENRES))]
    mood_name = wishes["mood"] if "mood" in wishes else rng.choice(genre.moods)
    mood = MOODS[mood_name]
    mode = wishes["mode"] if "mode" in wishes else weighted(_mode_weights(genre, mood), rng)
    meter = METERS[wishes["meter"] if "meter" in wishes else weighted(genre.meters, rng)]
    pace = min(1, max(0, rng.gauss(mood.tempo, 0.2)))
    bpm = wishes["bpm"] if "bpm" in wishes else _bpm(genre, meter, pace)
    key = wishes["key"] if "key" in wishes else rng.choice(key_names(mode))
    usual = genre.energy * 0.75 + 0.12 + mood.energy * 0.8 + (pace - 0.5) * 0.12
    energy = min(1, max(0.02, usual + rng.gauss(0, 0.04)))
    return Character(
        genre, mood_name, mood, mode, meter, key, bpm, float(wishes.get("energy", energy))
    )


def _mode_weights(genre: Genre, mood: Mood) -> dict[Mode, float]:
    """The genre's weights, bent towards the modes of the mood."""
    return {
        mode: weight * (1.0 if mode in mood.modes else 0.06) * (1.6 if mode == mood.modes[0] else 1)
        for mode, weight in genre.modes.items()
    }


def _bpm(genre: Genre, meter: Meter, pace: float) -> int:
    """Tempo at a place, 0 to 1, in the genre's range; slower where beats are dotted quarters."""
    low, high = genre.bpm
    bpm = round(low + pace * (high - low))
    return max(40, round(bpm * 0.6)) if meter.name == "6/8" else bpm
