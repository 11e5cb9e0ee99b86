"""Ordinary prompts: what a model is asked for when nobody thinks of the style it is taught."""

from __future__ import annotations

import random
from collections.abc import Sequence

from audio_chain.vocabulary import GENRES, INSTRUMENTS, MOODS, TEMPO_RANGES, tempo_class


def ordinary_prompts(count: int, seed: int) -> tuple[str, ...]:
    """Draw prompts in the words of the vocabulary: tags, phrases and sentences.

    Genres come in turn, so that a few prompts cover many; the rest is drawn. No suite that models
    are measured with is read here.

    Parameters
    ----------
    count : int
    seed : int
        Of the draw.
    """
    rng = random.Random(seed)
    genres: list[str] = []
    while len(genres) < count:
        genres += rng.sample(GENRES, len(GENRES))
    return tuple(_prompt(genre, rng) for genre in genres[:count])


def _prompt(genre: str, rng: random.Random) -> str:
    bpm = rng.randint(TEMPO_RANGES["slow"][0], TEMPO_RANGES["very fast"][0] + 20)
    mood, tempo = rng.choice(MOODS), tempo_class(bpm)
    players = rng.sample(INSTRUMENTS, rng.randint(1, 3))
    facts = [f"{bpm} bpm"] * (rng.random() < 0.4) + [_key(rng)] * (rng.random() < 0.3)
    form = rng.randrange(4)
    if form == 0:
        return ", ".join([genre, mood, tempo, *players, *facts])
    if form == 1:
        return ", ".join([f"{mood} {genre} with {_listed(players)}", *facts])
    if form == 2:
        return ", ".join([f"{tempo.capitalize()}, {mood} {genre} piece", *facts])
    extra = f" It is in {facts[-1]}." if facts and "bpm" not in facts[-1] else ""
    return f"This is a {tempo}, {mood} {genre} track. One hears {_listed(players)}.{extra}"


def _key(rng: random.Random) -> str:
    tonic = rng.choice(("C", "D", "Eb", "E", "F", "G", "A", "Bb", "B"))
    return f"{tonic} {rng.choice(('major', 'minor'))}"


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
