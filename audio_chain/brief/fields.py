"""The brief as a value that can't be wrong."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from audio_chain.errors import UsageError
from audio_chain.vocabulary import GENRES, MOODS, TEMPOS

ENERGIES: Final = ("low", "medium", "high")
BPM_RANGE: Final = (30, 300)
MAX_SECONDS: Final = 3600.0
MAX_NAMES: Final = 12
_MAX_DESCRIPTION: Final = 500
_MAX_NAME: Final = 60
_KEY: Final = re.compile(r"[A-G](?:#|b)? (?:major|minor|dorian|mixolydian|lydian|phrygian)")


@dataclass(frozen=True)
class Brief:
    """What the music should be.

    Parameters
    ----------
    description : str
        The music in a sentence.
    genre, mood, tempo : str
        Of `GENRES`, `MOODS` and `TEMPOS` in `audio_chain.vocabulary`.
    tempo_bpm : int or None
        Quarter notes a minute, 30 to 300.
    key : str or None
        Tonic and mode, such as ``A minor``, ``Eb major``, ``D dorian``.
    instruments : tuple of str
        The most important first; at least one.
    avoid : tuple of str
        What should not be heard.
    energy : str
        ``low``, ``medium`` or ``high``.
    seconds : float
        Length of the track, above 0 and at most an hour.

    Raises
    ------
    UsageError
        If a field is out of its range; the message names it.
    """

    description: str
    genre: str
    mood: str
    tempo: str
    tempo_bpm: int | None
    key: str | None
    instruments: tuple[str, ...]
    avoid: tuple[str, ...]
    energy: str
    seconds: float

    def __post_init__(self) -> None:
        _check_text("description", self.description, _MAX_DESCRIPTION)
        _check_choice("genre", self.genre, GENRES)
        _check_choice("mood", self.mood, MOODS)
        _check_choice("tempo", self.tempo, TEMPOS)
        _check_choice("energy", self.energy, ENERGIES)
        _check_names("instruments", self.instruments, least=1)
        _check_names("avoid", self.avoid, least=0)
        low, high = BPM_RANGE
        if self.tempo_bpm is not None and not (
            _is_int(self.tempo_bpm) and low <= self.tempo_bpm <= high
        ):
            raise _wrong("tempo_bpm", self.tempo_bpm, f"a whole number from {low} to {high}")
        if self.key is not None and not (isinstance(self.key, str) and _KEY.fullmatch(self.key)):
            raise _wrong("key", self.key, "a key such as 'A minor' or 'Eb major'")
        if not (_is_number(self.seconds) and 0 < self.seconds <= MAX_SECONDS):
            raise _wrong("seconds", self.seconds, f"a number above 0, at most {MAX_SECONDS:g}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, in the order of the fields."""
        plain = asdict(self)
        plain["instruments"] = list(self.instruments)
        plain["avoid"] = list(self.avoid)
        return plain

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Brief:
        """Read a brief from plain values, as `to_dict` wrote them or a person edited them.

        Parameters
        ----------
        raw : mapping
            ``tempo_bpm``, ``key`` and ``avoid`` may be missing.

        Returns
        -------
        Brief

        Raises
        ------
        UsageError
            If a field is missing, unknown, or out of its range; the message names it.
        """
        if not isinstance(raw, Mapping):
            raise UsageError(f"a brief must be a JSON object, not {type(raw).__name__}")
        known = [field.name for field in fields(cls)]
        for name in raw:
            if name not in known:
                raise UsageError(f"brief: unknown field {name!r}; known are {', '.join(known)}")
        values = {"tempo_bpm": None, "key": None, "avoid": ()} | dict(raw)
        for name in known:
            if name not in values:
                raise UsageError(f"brief: the field {name!r} is missing")
        for name in ("instruments", "avoid"):
            if isinstance(values[name], list):
                values[name] = tuple(values[name])
        if _is_number(values["seconds"]):
            values["seconds"] = float(values["seconds"])
        return cls(**values)


def _wrong(field: str, value: object, wanted: str) -> UsageError:
    return UsageError(f"brief: {field} must be {wanted}, not {value!r:.60}")


def _check_choice(field: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise _wrong(field, value, "one of " + ", ".join(allowed))


def _check_text(field: str, value: object, longest: int) -> None:
    """One printable line that isn't blank."""
    fits = isinstance(value, str) and value.strip() and len(value) <= longest
    if not (fits and str(value).isprintable()):
        raise _wrong(field, value, f"a line of 1 to {longest} characters")


def _check_names(field: str, values: object, *, least: int) -> None:
    if not isinstance(values, tuple) or not least <= len(values) <= MAX_NAMES:
        raise _wrong(field, values, f"a list of {least} to {MAX_NAMES} names")
    for value in values:
        _check_text(field, value, _MAX_NAME)
    if len(set(values)) != len(values):
        raise _wrong(field, list(values), "a list without repeats")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
