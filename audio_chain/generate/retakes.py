"""Takes that went wrong are played again, with another chance.

Of a hundred of MusicGen-nano's pieces one falls silent, clips or holds a chord to its end, mostly a
slow solo. That can be heard without knowing what was asked, so it is, before anybody else does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from audio_chain.clip import Clip
from audio_chain.generate.seeds import mixed
from audio_chain.sound_check import SoundCheck, check_sound

TAKES: Final = 3
"""As many, the first one included; if none is right, the one that changes most is taken."""

LEAST_S: Final = 4.0
"""Shorter pieces may well be one chord."""

ASKED_FOR: Final = ("drone", "silence", "noise")
"""Words of a prompt whose music is as steady as what went wrong."""


def may_fail(prompt: str, seconds: float) -> bool:
    """Whether a piece can be told to have gone wrong."""
    return seconds >= LEAST_S and not any(word in prompt.lower() for word in ASKED_FOR)


def best_take(first: Clip, again: Callable[[int], Clip], seed: int) -> tuple[Clip, int]:
    """Judge a piece, and play it again until it is right.

    Parameters
    ----------
    first : Clip
        The first take.
    again : callable
        Plays the piece with another seed.
    seed : int
        Of the first take; those of the others follow from it.

    Returns
    -------
    clip : Clip
        One of the takes.
    takes : int
        How many there were, 1 to `TAKES`.
    """
    takes: list[tuple[Clip, SoundCheck]] = []
    for number in range(TAKES):
        # an unsigned seed of 64 bits is one too many for a tensor
        clip = again(mixed(seed, number) >> 1) if number else first
        check = check_sound(clip.mono().samples[0], clip.rate)
        takes.append((clip, check))
        if check.passed:
            return clip, len(takes)
    return max(takes, key=lambda take: take[1].change)[0], len(takes)
