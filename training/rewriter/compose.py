"""Memos composed from cues, to go with the hand-written ones in training.

The cues (``cues/*.yaml``) are short things people say that point to one genre, mood or tempo. A
small model doesn't know that Kingston means reggae; hundreds of such phrases in ever new company
teach it that. Nothing in them is taken from the held-out memos, and only the fields that a cue
stands for carry a loss.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from audio_chain.rewrite.schema import MAX_INSTRUMENTS, Answer
from audio_chain.vocabulary import INSTRUMENTS, MOODS, TEMPOS
from training.rewriter.augment import mumble
from training.rewriter.data import Memo
from training.rewriter.targets import WEIGHTS, Example

CUES: Final = Path(__file__).parent / "cues"

_OPENINGS: Final = (
    "",
    "",
    "",
    "Hi, so",
    "Okay",
    "I was thinking",
    "Can you make me",
    "It's for a video.",
    "I need some music.",
    "You know what I want?",
    "Right,",
    "Hello, it's me again.",
    "Could we have",
    "Something like",
    "Picture this:",
    "Give me",
    "I don't know how to say it,",
)
_WITH: Final = (
    "with {}",
    "and I want {} in it",
    "some {}",
    "{} please",
    "I hear {}",
    "there has to be {}",
    "maybe {}",
    "{} up front",
)
_WITHOUT: Final = ("no {}", "please no {}", "without {}", "I can't stand {}", "but no {} please")
_UNWANTED: Final = ("vocals", "drums", "piano", "strings", "synth", "guitar", "singing", "melody")
_JOINS: Final = (". ", ", ", ", ", " and ", "... ", ", you know, ", ", like, ")

_MOOD_CHANCE: Final = 0.7
_TEMPO_CHANCE: Final = 0.6
_NAMED_CHANCE: Final = 0.45
_AVOID_CHANCE: Final = 0.12


@cache
def load_cues(field: str) -> Mapping[str, Sequence[str]]:
    """Cues of ``genre``, ``mood`` or ``tempo``: option to phrases."""
    import yaml

    cues: Mapping[str, Sequence[str]] = yaml.safe_load(
        (CUES / f"{field}.yaml").read_text(encoding="utf-8")
    )
    return cues


class Composer:
    """Makes memos from cues.

    Parameters
    ----------
    memos : sequence of Memo
        Training memos: the instruments that suit a genre are taken from their answers.
    """

    def __init__(self, memos: Sequence[Memo]) -> None:
        self._memos: dict[str, list[Memo]] = {}
        for memo in memos:
            self._memos.setdefault(memo.genre[0], []).append(memo)

    def compose(self, rng: random.Random) -> Example:
        """Make one memo with the answers its cues stand for."""
        genre = rng.choice(sorted(self._memos))
        model = rng.choice(self._memos[genre])
        weights = dict(WEIGHTS) | {"description": 0.0}
        parts = [rng.choice(load_cues("genre")[genre])]
        mood, tempo = rng.choice(MOODS), rng.choice(TEMPOS)
        if rng.random() < _MOOD_CHANCE:
            parts.append(rng.choice(load_cues("mood")[mood]))
        else:
            weights["mood"] = 0.0
        if rng.random() < _TEMPO_CHANCE:
            parts.append(rng.choice(load_cues("tempo")[tempo]))
        else:
            weights["tempo"] = 0.0
        named = self._named(model, rng)
        if named:
            parts.append(rng.choice(_WITH).format(" and ".join(named)))
        usual = [name for name in model.instruments if name not in (*model.named, *named)]
        avoid: tuple[str, ...] = ()
        if rng.random() < _AVOID_CHANCE:
            unwanted = rng.choice(_UNWANTED)
            if not any(unwanted in name for name in (*named, *usual)):
                avoid = (unwanted,)
                parts.append(rng.choice(_WITHOUT).format(unwanted))
        instruments = (*named, *usual)[:MAX_INSTRUMENTS] or model.instruments
        answer = Answer(genre, mood, tempo, instruments, avoid, model.description)
        return Example(_say(parts, rng), answer, weights)

    def _named(self, model: Memo, rng: random.Random) -> tuple[str, ...]:
        if rng.random() > _NAMED_CHANCE:
            return ()
        pool = list(model.instruments) if rng.random() < 0.5 else list(INSTRUMENTS)
        return tuple(rng.sample(pool, min(len(pool), rng.choice((1, 1, 2)))))


def _say(parts: list[str], rng: random.Random) -> str:
    """Put phrases in some order and run them together as speech does."""
    rng.shuffle(parts)
    text = f"{rng.choice(_OPENINGS)} {parts[0]}".strip()
    for part in parts[1:]:
        join = rng.choice(_JOINS)
        text += join + (part[0].upper() + part[1:] if join == ". " else part)
    return mumble(text, rng)
