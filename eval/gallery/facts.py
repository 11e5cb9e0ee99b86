"""What a track's page says in names and values: the fields to show, filter and sort by."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from eval.gallery.exhibits import Exhibit
from eval.gallery.hearing import key_nearness, tempo_nearness
from eval.gallery.rendering import Rendering

Group = Literal["parameters", "brief", "heard", "scores"]
Value = float | str
Filter = Literal["choices", "range", "words"]

_LABELS: Final = {
    "model": "Model",
    "guidance": "Guidance",
    "temperature": "Temperature",
    "steps": "Steps",
    "top_k": "Top-k",
    "top_p": "Top-p",
    "sampler": "Sampler",
    "variation_of": "Variation of",
    "inpaint": "Made anew (s)",
    "seed": "Seed",
    "seconds": "Length (s)",
    "whisper": "Recogniser",
    "llm": "Rewriter",
    "created": "Made",
    "format": "Format",
    "loudness": "Loudness set",
    "fades": "Faded",
    "negative": "Avoiding",
    "asked_bpm": "Tempo asked (bpm)",
    "found_bpm": "Tempo heard (bpm)",
    "tempo": "Tempo verdict",
    "asked_key": "Key asked",
    "found_key": "Key heard",
    "key": "Key verdict",
}
_FIRST: Final = (
    *("model", "guidance", "temperature", "steps", "sampler", "strength", "top_k", "top_p"),
    *("seed", "seconds"),
)
_LAST: Final = ("negative", "whisper", "llm", "created")
_HEARD: Final = ("asked_bpm", "found_bpm", "tempo", "asked_key", "found_key", "key")
_NOT_SHOWN: Final = ("title", "count", "seconds", "seed", "language")
_GROUPS: Final = ("parameters", "brief", "heard", "scores")
_FEW, _MANY, _LONG = 9, 24, 40  # numbers and texts that get a button each; letters of such a text
_IN_BRIEF: Final = ("description", "genre", "mood", "tempo", "energy", "instruments", "avoid")


@dataclass(frozen=True)
class Field:
    """Something that tracks can differ in.

    Parameters
    ----------
    key : str
        ``group.name``; where a track's values are.
    label : str
        For people. Names of scores and settings come from files: untrusted.
    group : Group
    filter : Filter
        How to choose by it: among its values, from one number to another, or by words in it.
    """

    key: str
    label: str
    group: Group
    filter: Filter


Facts = Mapping[str, Value]
"""A track's values by `Field.key`; those it doesn't have are missing."""


def facts_of(exhibit: Exhibit, rendering: Rendering) -> dict[str, Value]:
    """All that can be shown, filtered and sorted by, of one track."""
    settings = {name: one for name, one in exhibit.settings.items() if name not in _NOT_SHOWN}
    parameters: dict[str, Any] = {
        "model": exhibit.models.get("generate", ""),
        **settings,
        "seed": exhibit.seed,
        "seconds": round(rendering.seconds, 2),
        "negative": exhibit.negative,
        "whisper": exhibit.models.get("transcribe"),
        "llm": exhibit.models.get("rewrite"),
        "created": exhibit.created.replace("T", " ")[:16],
    }
    brief = exhibit.brief or {}
    heard = {
        "asked_bpm": exhibit.asked_bpm,
        "found_bpm": rendering.found_bpm and round(rendering.found_bpm, 1),
        "tempo": tempo_nearness(exhibit.asked_bpm, rendering.found_bpm),
        "asked_key": exhibit.asked_key,
        "found_key": rendering.found_key,
        "key": key_nearness(exhibit.asked_key, rendering.found_key),
    }
    groups: dict[str, Mapping[str, Any]] = {
        "parameters": parameters,
        "brief": {name: brief.get(name) for name in _IN_BRIEF},
        "heard": heard,
        "scores": exhibit.scores,
    }
    found = {
        f"{group}.{name}": plain(value)
        for group, values in groups.items()
        for name, value in values.items()
    }
    return {key: value for key, value in found.items() if value != ""}


def fields_of(tracks: Sequence[Facts]) -> tuple[Field, ...]:
    """The fields that any of the tracks has, group by group, in the order they come up."""
    keys = sorted(dict.fromkeys(key for facts in tracks for key in facts), key=_place)
    return tuple(
        Field(
            key,
            _label(key),
            cast(Group, key.partition(".")[0]),
            _filter(key, {facts[key] for facts in tracks if key in facts}),
        )
        for key in keys
    )


def differing(fields: Iterable[Field], tracks: Sequence[Facts]) -> tuple[Field, ...]:
    """The fields whose value is not the same for all tracks."""
    return tuple(field for field in fields if len({facts.get(field.key) for facts in tracks}) > 1)


def plain(value: Any) -> Value:
    """A JSON value as a number or a text; "" for nothing."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)  # a browser's numbers end there
    if isinstance(value, float):
        return value if math.isfinite(value) else ""
    if isinstance(value, list | tuple):
        return ", ".join(str(plain(item)) for item in value)
    return "" if value is None else str(value)


def written(value: Value) -> str:
    """A value for people: four digits of a number, all of a text."""
    if isinstance(value, str):
        return value
    return f"{value:.4g}" if abs(value) < 10_000 else f"{value:.0f}"


def _place(key: str) -> tuple[int, int, int]:
    """Where a field comes: by group, then by the lists above; others stay between them."""
    group, _, name = key.partition(".")
    order = {"parameters": _FIRST, "brief": _IN_BRIEF, "heard": _HEARD}.get(group, ())
    if name in order:
        return _GROUPS.index(group), 0, order.index(name)
    return _GROUPS.index(group), 1, _LAST.index(name) + 1 if name in _LAST else 0


def _label(key: str) -> str:
    group, _, name = key.partition(".")
    if group == "scores":  # as somebody named it
        return name
    known = "Tempo class" if key == "brief.tempo" else _LABELS.get(name)
    return known or (name[:1].upper() + name[1:].replace("_", " "))


def _filter(key: str, values: set[Value]) -> Filter:
    if any(isinstance(value, str) for value in values):
        texts = [value for value in values if isinstance(value, str)]
        few = len(values) <= _MANY and max(map(len, texts)) <= _LONG
        return "choices" if few and key != "parameters.created" else "words"
    measured = key.startswith("scores.") or key == "heard.found_bpm"
    return "range" if measured or len(values) > _FEW else "choices"
