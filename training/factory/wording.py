"""The words of one caption: chosen once, then used by whichever style is written."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from training.factory import phrases
from training.factory.attributes import Attributes
from training.factory.genres import GENRES
from training.factory.instruments import DRUMS_TRACK, INSTRUMENTS, KIT_NAMES, Kit
from training.factory.moods import MOODS

_LIVELY = 0.72  # energy
_HUSHED = 0.28


class Dice:
    """Chance, in the terms of someone choosing words."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def pick(self, options: Sequence[str]) -> str:
        """One of several."""
        return self.rng.choice(options)

    def may(self, chance: float) -> bool:
        """Yes, as often as `chance` says."""
        return self.rng.random() < chance


@dataclass(frozen=True)
class Words:
    """What to call each fact of a piece.

    Attributes
    ----------
    genre, mood, tempo, key, bpm : str
        As they'd stand in a list: "deep house", "sunny", "uptempo", "A minor", "125 bpm".
    at_bpm : str
        "at 125 BPM", or so.
    energy, meter : str
        "" where not worth mentioning.
    moods : tuple of str
        All words that fit the mood and the tempo.
    called : dict of str to str
        Name of every instrument but the drums.
    mentioned : tuple of str
        Names of some instruments, perhaps with the drums, in the order of mention.
    solo : str
        Name of the instrument if it's the only one, or "".
    """

    genre: str
    mood: str
    tempo: str
    key: str
    bpm: str
    at_bpm: str
    energy: str
    meter: str
    moods: tuple[str, ...]
    called: dict[str, str]
    mentioned: tuple[str, ...]
    solo: str


def choose_words(facts: Attributes, dice: Dice) -> Words:
    """Choose what to call everything, and which instruments to mention."""
    moods = fitting_moods(facts)
    called = {
        name: _called(INSTRUMENTS[name].names, dice)
        for name in facts.instruments
        if name != DRUMS_TRACK
    }
    drums = _call_drums(facts, dice)
    genre = dice.pick(GENRES[facts.genre].titles)
    mood = dice.pick(moods)
    tempo = dice.pick(phrases.TEMPO_WORDS[facts.tempo])
    unit = dice.pick(("bpm", "bpm", "BPM", "bpm"))
    energy = _energy(facts.energy, dice)
    mentioned = _mention(called, drums, dice)
    meters = {name: dice.pick(words) for name, words in phrases.METER_WORDS.items()}
    return Words(
        genre=genre,
        mood=mood,
        tempo=tempo,
        key=f"{facts.key} {facts.mode}",
        bpm=f"{facts.bpm} bpm",
        at_bpm=f"at {facts.bpm} {unit}",
        energy=energy,
        meter=meters.get(facts.meter, ""),
        moods=moods,
        called=called,
        mentioned=mentioned,
        solo=next(iter(called.values())) if facts.texture == "solo" and called else "",
    )


def fitting_moods(facts: Attributes) -> tuple[str, ...]:
    """Words for the mood, without those that the tempo belies."""
    belied: Sequence[str] = ()
    if facts.tempo in ("slow", "very slow"):
        belied = phrases.TOO_LIVELY
    elif facts.tempo != "moderate":
        belied = phrases.TOO_STILL
    return tuple(word for word in MOODS[facts.mood].words if word not in belied)


def _called(names: Sequence[str], dice: Dice) -> str:
    return dice.pick(names) if dice.may(0.5) else names[0]


def _call_drums(facts: Attributes, dice: Dice) -> str:
    if not facts.has_drums:
        return ""
    grooves = GENRES[facts.genre].grooves
    if grooves and dice.may(0.45):
        return dice.pick(grooves)
    return dice.pick(KIT_NAMES[Kit(facts.drum_kit)])


def _energy(energy: float, dice: Dice) -> str:
    if energy > _LIVELY:
        return dice.pick(phrases.HIGH_ENERGY)
    if energy < _HUSHED:
        return dice.pick(phrases.LOW_ENERGY)
    return ""


def _mention(called: dict[str, str], drums: str, dice: Dice) -> tuple[str, ...]:
    """Some of the instruments, in the piece's order or shuffled, and mostly the drums."""
    names: list[str] = []
    if called:
        count = min(len(called), dice.rng.choice((1, 2, 2, 3, 4)))
        chosen = dice.rng.sample(list(called), count)
        names = [name for instrument, name in called.items() if instrument in chosen]
    if drums and dice.may(0.75):
        names.append(drums)
    if len(names) > 1 and dice.may(0.3):
        dice.rng.shuffle(names)
    return tuple(dict.fromkeys(names))
