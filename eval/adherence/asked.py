"""What was asked of a clip, as far as it can be measured."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from audio_chain.brief import Brief
from audio_chain.brief.fields import BPM_RANGE
from audio_chain.errors import UsageError
from audio_chain.vocabulary import GENRES, MOODS, TEMPOS
from eval.adherence.key import parse_key

_DRUMS: Final = re.compile(
    r"\b(drums?|drum \w+|percussion|beats?|kick|snare|hi-?hats?|bongos?|congas?|djembe|cymbals?|"
    r"tablas?|caj[oó]n|tambourines?|shakers?|handclaps?|claps?|breakbeats?)\b"
)


@dataclass(frozen=True)
class Asked:
    """Facts that a clip should show; what was not asked is ``None`` or empty.

    Attributes
    ----------
    genre, mood, tempo : str or None
        Of `audio_chain.vocabulary`. Mood and class of tempo are not measured, only grouped by.
    bpm : int or None
        Beats a minute.
    key : str or None
        As in `Brief`.
    instruments, avoid : tuple of str
        What should and should not be heard.
    loudness : float or None
        Integrated, LUFS.
    """

    genre: str | None = None
    mood: str | None = None
    tempo: str | None = None
    bpm: int | None = None
    key: str | None = None
    instruments: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()
    loudness: float | None = None

    @classmethod
    def of(cls, brief: Brief, *, loudness: float | None = None) -> Self:
        """Take what a brief asks."""
        return cls(
            genre=brief.genre,
            mood=brief.mood,
            tempo=brief.tempo,
            bpm=brief.tempo_bpm,
            key=brief.key,
            instruments=brief.instruments,
            avoid=brief.avoid,
            loudness=loudness,
        )

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        """Read plain values, as in a suite of prompts; every one may be missing.

        Raises
        ------
        UsageError
            A field is unknown or out of its range; the message names it.
        """
        for name in raw:
            if name not in _CHECKS:
                raise UsageError(f"unknown field {name!r}; known are {', '.join(_CHECKS)}")
        for name, value in raw.items():
            wanted, test = _CHECKS[name]
            if not test(value):
                raise UsageError(f"{name} must be {wanted}, not {value!r:.60}")
        lists = {name: tuple(raw.get(name, ())) for name in ("instruments", "avoid")}
        return cls(**{**raw, **lists})

    def to_dict(self) -> dict[str, Any]:
        """Plain values of what was asked, as `from_dict` reads them."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name in _CHECKS
            if (value := getattr(self, name)) not in (None, ())
        }

    @property
    def has_drums(self) -> bool:
        """Whether drums or other percussion are asked for."""
        return any(_DRUMS.search(name.lower()) for name in self.instruments)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_key(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(parse_key(value))
    except ValueError:
        return False


def _are_names(value: object) -> bool:
    if not isinstance(value, list) or len(set(map(str, value))) != len(value):
        return False
    return all(isinstance(name, str) and name.strip() and name.isprintable() for name in value)


_CHECKS: Final[Mapping[str, tuple[str, Any]]] = {
    "genre": ("one of " + ", ".join(GENRES), lambda value: value in GENRES),
    "mood": ("one of " + ", ".join(MOODS), lambda value: value in MOODS),
    "tempo": ("one of " + ", ".join(TEMPOS), lambda value: value in TEMPOS),
    "bpm": (
        f"a whole number from {BPM_RANGE[0]} to {BPM_RANGE[1]}",
        lambda value: (
            isinstance(value, int)
            and not isinstance(value, bool)
            and BPM_RANGE[0] <= value <= BPM_RANGE[1]
        ),
    ),
    "key": ("a key such as 'A minor'", _is_key),
    "instruments": ("a list of different names", _are_names),
    "avoid": ("a list of different names", _are_names),
    "loudness": ("a level in LUFS, -70 to 0", lambda v: _is_number(v) and -70 <= v <= 0),
}
