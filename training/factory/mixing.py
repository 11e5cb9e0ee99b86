"""Choose how a piece is mixed."""

from __future__ import annotations

import random
from typing import Final

from training.factory.character import Character
from training.factory.score import Mix

_MUFFLED_HZ: Final = (4500, 8000)


def draw_mix(character: Character, rng: random.Random, *, drums: bool, throughout: bool) -> Mix:
    """Choose levels and effects.

    Parameters
    ----------
    character : Character
        Of the piece.
    rng : random.Random
        Source of chance.
    drums, throughout : bool
        Whether there are drums, and whether they play all through: only then do they duck others.
    """
    lowpass = _draw_lowpass(character, rng)
    return Mix(
        pulse_bpm=character.bpm,
        level=round(min(-1.5, max(-6, rng.gauss(-3, 0.8))), 2),
        drive=round(rng.uniform(0.6, 1.1) + 0.5 * character.energy, 2),
        room=_draw_room(character, rng),
        reverb_seconds=character.genre.reverb.seconds,
        duck=character.genre.duck if drums and rng.random() < 0.8 and throughout else 0,
        lowpass=round(lowpass),
        dust=_draw_dust(character, rng),
        seed=rng.randrange(1 << 30),
    )


def _draw_lowpass(character: Character, rng: random.Random) -> float:
    if character.genre.lowpass:
        return rng.uniform(*character.genre.lowpass)
    if character.mood.muffled and rng.random() < 0.5:
        return rng.uniform(*_MUFFLED_HZ)
    return 0


def _draw_room(character: Character, rng: random.Random) -> float:
    if rng.random() >= 0.92:
        return 0
    return round((character.genre.reverb.wet + character.mood.reverb) * rng.uniform(0.6, 1.2), 3)


def _draw_dust(character: Character, rng: random.Random) -> float:
    if not character.genre.dust or rng.random() >= 0.6:
        return 0
    return round(rng.uniform(0.1, character.genre.dust), 2)
