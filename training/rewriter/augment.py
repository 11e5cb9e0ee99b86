"""Other ways the same person could have said the same memo.

Everything here leaves the right answer as it is, or changes memo and answer alike.
"""

from __future__ import annotations

import random
import re
from dataclasses import replace
from typing import Final

from training.rewriter.data import Memo
from training.rewriter.targets import Example

FILLERS: Final = ("um", "uh", "like", "you know", "I mean", "well", "so", "okay", "I guess", "er")

SWAPS: Final = (
    ("violin", "viola", "cello"),
    ("trumpet", "trombone"),
    ("flute", "clarinet", "oboe"),
    ("harmonica", "accordion", "banjo", "fiddle"),
    ("vibraphone", "marimba"),
    ("celesta", "glockenspiel"),
    ("harp", "celesta"),
)
"""Instruments that can stand in for each other without the genre sounding wrong."""

_FILLER_CHANCE: Final = 0.5
_SWAP_CHANCE: Final = 0.4
_PLAIN_CHANCE: Final = 0.25
_DROP_CHANCE: Final = 0.3
_DROPPED_SHARE: Final = 0.1


def vary(memo: Memo, rng: random.Random, preferred: float) -> Example:
    """Say a memo differently, and draw one of the acceptable answers.

    Parameters
    ----------
    memo : Memo
    rng : random.Random
    preferred : float
        How often the preferred genre, mood or tempo is drawn rather than another acceptable one.

    Returns
    -------
    Example
        Sometimes a named instrument is swapped for a related one, in the answer too.
    """
    if rng.random() < _SWAP_CHANCE:
        memo = _swap_instrument(memo, rng)
    answer = replace(
        memo.answer(),
        genre=_draw(memo.genre, rng, preferred),
        mood=_draw(memo.mood, rng, preferred),
        tempo=_draw(memo.tempo, rng, preferred),
    )
    return Example(mumble(memo.memo, rng), answer)


def mumble(text: str, rng: random.Random) -> str:
    """Add hesitations, lose a few short words, and sometimes case and punctuation."""
    words = text.split()
    if rng.random() < _DROP_CHANCE:
        words = [w for w in words if len(w) > 3 or rng.random() > _DROPPED_SHARE]
    if rng.random() < _FILLER_CHANCE:
        for _ in range(rng.randint(1, 3)):
            words.insert(rng.randint(0, len(words)), rng.choice(FILLERS))
    text = " ".join(words)
    if rng.random() < _PLAIN_CHANCE:
        text = re.sub(r"[^\w\s'-]", "", text).lower()
    return text


def _swap_instrument(memo: Memo, rng: random.Random) -> Memo:
    """Rename one named instrument wherever it stands, if memo and answer allow it."""
    chances = [
        (old, new)
        for group in SWAPS
        for old in group
        for new in group
        if old in memo.named and new not in memo.instruments and old != new
    ]
    rng.shuffle(chances)
    for old, new in chances:
        pattern = re.compile(rf"\b{old}(?=s?\b)", re.IGNORECASE)
        if not pattern.search(memo.memo) or pattern.search(" ".join(memo.avoid)):
            continue
        return replace(
            memo,
            memo=pattern.sub(new, memo.memo),
            instruments=tuple(new if name == old else name for name in memo.instruments),
            named=tuple(new if name == old else name for name in memo.named),
            description=pattern.sub(new, memo.description),
        )
    return memo


def _draw(accepted: tuple[str, ...], rng: random.Random, preferred: float) -> str:
    if len(accepted) == 1 or rng.random() < preferred:
        return accepted[0]
    return rng.choice(accepted[1:])
