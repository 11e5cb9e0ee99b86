"""Captions that are wrong in exactly one thing, beside the right ones that they are made from.

The right caption is written as always. The wrong one is written from the same words in the same
order, with the word of one attribute replaced by one that does not hold for the piece. Whatever
else would come out differently is refused, so that nothing but that attribute tells the two apart.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple, get_args

import numpy as np

from audio_chain.vocabulary import TEMPO_RANGES
from training.factory import phrases
from training.factory.attributes import Attributes
from training.factory.captions import write
from training.factory.dataset import SOLO_INSTRUMENTS
from training.factory.genres import GENRES
from training.factory.instruments import INSTRUMENTS
from training.factory.moods import MOODS
from training.factory.theory import is_minor, key_names, tonic
from training.factory.wording import Dice, Words, choose_words, fitting_moods

Attribute = Literal["genre", "mood", "tempo", "lead", "mode"]
"""What can be made wrong: ``lead`` is the instrument with the melody, ``mode`` the key's third."""

ATTRIBUTES: Final[tuple[Attribute, ...]] = get_args(Attribute)

_TRIES: Final = 200
_ENERGY: Final = (*phrases.HIGH_ENERGY, *phrases.LOW_ENERGY)
_ARTICLES: Final = re.compile(r"\ban? ", re.IGNORECASE)


@dataclass(frozen=True)
class Contrast:
    """Two captions of one piece that differ in one attribute only; `wrong` does not hold."""

    attribute: Attribute
    right: str
    wrong: str


class _Change(NamedTuple):
    """What the wrong caption is written from, and the phrases that may differ."""

    facts: Attributes
    words: Words
    before: Sequence[str]
    after: Sequence[str]


def contrast(
    facts: Attributes, attribute: Attribute, generator: np.random.Generator
) -> Contrast | None:
    """Write a right and a wrong caption of a piece.

    Parameters
    ----------
    facts : Attributes
        The facts.
    attribute : Attribute
        What shall be wrong.
    generator : numpy.random.Generator
        Source of chance.

    Returns
    -------
    Contrast or None
        None if the piece has no such attribute, such as a lead, or if no caption of many says
        it in a way that can be changed by itself.
    """
    for _ in range(_TRIES):
        rng = random.Random(int(generator.integers(1 << 62)))
        words = choose_words(facts, Dice(rng))
        state = rng.getstate()
        right = write(facts, words, Dice(rng))
        change = _CHANGES[attribute](facts, words, Dice(rng))
        if change is None:
            return None
        rng.setstate(state)
        wrong = write(change.facts, change.words, Dice(rng))
        if right != wrong and _masked(right, change.before) == _masked(wrong, change.after):
            return Contrast(attribute, right, wrong)
    return None


def _masked(text: str, spoken: Sequence[str]) -> str:
    """A caption with phrases hidden, and "a" not told from "an"."""
    longest_first = sorted(spoken, key=len, reverse=True)
    pattern = "|".join(re.escape(phrase) for phrase in longest_first)
    hidden = re.sub(rf"(?<![\w-])(?:{pattern})(?![\w-])", "|", text, flags=re.IGNORECASE)
    return _ARTICLES.sub("a ", hidden).lower()


def _other_genre(facts: Attributes, words: Words, dice: Dice) -> _Change:
    name = dice.pick([name for name in GENRES if name != facts.genre])
    title = dice.pick(GENRES[name].titles)
    return _Change(facts, replace(words, genre=title), [words.genre], [title])


def _other_mood(facts: Attributes, words: Words, dice: Dice) -> _Change:
    true_words = (*MOODS[facts.mood].words, *_ENERGY)
    name = dice.pick([name for name in MOODS if name != facts.mood])
    changed = replace(facts, mood=name)
    fitting = tuple(word for word in fitting_moods(changed) if word not in true_words)
    return _Change(
        changed,
        replace(words, mood=dice.pick(fitting), moods=fitting),
        [*MOODS[facts.mood].words, *MOODS[facts.mood].uses],
        [*fitting, *MOODS[name].uses],
    )


def _other_tempo(facts: Attributes, words: Words, dice: Dice) -> _Change:
    name = dice.pick([name for name in TEMPO_RANGES if name != facts.tempo])
    low, high = TEMPO_RANGES[name]
    quarters = 1.5 if facts.meter == "6/8" else 1.0  # in a beat as felt, which captions count
    bpm = dice.rng.choice([bpm for bpm in range(high + 1) if low <= bpm * quarters <= high])
    changed = replace(
        words,
        tempo=dice.pick(phrases.TEMPO_WORDS[name]),
        bpm=words.bpm.replace(str(facts.bpm), str(bpm)),
        at_bpm=words.at_bpm.replace(str(facts.bpm), str(bpm)),
    )
    return _Change(
        replace(facts, tempo=name, bpm=bpm),
        changed,
        [*phrases.TEMPO_WORDS[facts.tempo], facts.tempo, str(facts.bpm)],
        [*phrases.TEMPO_WORDS[name], name, str(bpm)],
    )


def _other_lead(facts: Attributes, words: Words, dice: Dice) -> _Change | None:
    """Let another instrument play the melody, if it can be one that suits the genre."""
    lead = facts.lead or (next(iter(words.called)) if words.solo else "")
    if lead not in words.called:
        return None
    present = {name for one in words.called for name in INSTRUMENTS[one].names}
    suited = [
        name
        for layer in GENRES[facts.genre].layers
        if layer.role == "melody"
        for name in layer.instruments
    ]
    others = [
        [name for name in pool if not present & set(INSTRUMENTS[name].names)]
        for pool in (suited, SOLO_INSTRUMENTS)
    ]
    before = words.called[lead]
    after = dice.pick(INSTRUMENTS[dice.pick(others[0] or others[1])].names)
    changed = replace(
        words,
        called={**words.called, lead: after},
        mentioned=tuple(after if name == before else name for name in words.mentioned),
        solo=after if words.solo == before else words.solo,
    )
    return _Change(facts, changed, [before], [after])


def _other_mode(facts: Attributes, words: Words, dice: Dice) -> _Change:
    mode: Literal["major", "minor"] = "major" if is_minor(facts.mode) else "minor"
    key = f"{key_names(mode)[tonic(facts.key)]} {mode}"
    return _Change(facts, replace(words, key=key), [words.key], [key])


_CHANGES: Final[Mapping[Attribute, Callable[[Attributes, Words, Dice], _Change | None]]] = {
    "genre": _other_genre,
    "mood": _other_mood,
    "tempo": _other_tempo,
    "lead": _other_lead,
    "mode": _other_mode,
}
