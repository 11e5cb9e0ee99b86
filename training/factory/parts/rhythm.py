"""Reading and choosing patterns."""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Final, NamedTuple

from training.factory.genres.schema import Layer, Pattern
from training.factory.song import Song

_BUSY: Final = 0.6  # energy
_HUSHED: Final = 0.3


class Hit(NamedTuple):
    """A letter of a pattern: where it is, how many sixteenths it lasts, and which it is."""

    step: int
    length: int
    letter: str


@lru_cache(4096)
def hits(pattern: Pattern) -> tuple[Hit, ...]:
    """Everything in a pattern that sounds, in order.

    Examples
    --------
    >>> hits("R--.5")
    (Hit(step=0, length=3, letter='R'), Hit(step=4, length=1, letter='5'))
    """
    found = []
    for step, letter in enumerate(pattern):
        if letter not in ".-":
            rest = pattern[step + 1 :]
            found.append(Hit(step, 1 + len(rest) - len(rest.lstrip("-")), letter))
    return tuple(found)


def choose_patterns(
    layer: Layer, song: Song, rng: random.Random, default: Pattern
) -> tuple[Pattern, Pattern]:
    """Patterns for the even and the odd bars, mostly the same.

    Pieces of high energy leave out the sparsest third of the layer's patterns, hushed ones the
    busiest. `default` stands in where the layer has none of the meter's length.
    """
    fitting = [pattern for pattern in layer.patterns if len(pattern) == song.meter.steps]
    if not fitting:
        return default, default
    enough = max(2, len(fitting) * 2 // 3)
    if song.energy > _BUSY:
        fitting = sorted(fitting, key=lambda pattern: -len(hits(pattern)))[:enough]
    elif song.energy < _HUSHED:
        fitting = sorted(fitting, key=lambda pattern: len(hits(pattern)))[:enough]
    even = rng.choice(fitting)
    return even, rng.choice(fitting) if rng.random() < 0.3 else even
