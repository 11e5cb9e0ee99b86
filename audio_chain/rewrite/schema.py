"""What the language model must answer: the JSON schema, and the answer as a value.

The order of the fields is part of the contract: the choices come first, so that the free text
at the end is written with them in view.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from audio_chain.errors import ChainError
from audio_chain.vocabulary import GENRES, MOODS, TEMPOS

MAX_INSTRUMENTS: Final = 5
MAX_AVOID: Final = 3
MAX_WORDS: Final = 16

NAME_PATTERN: Final = r"[a-z0-9][a-z0-9'&/-]{0,14}( [a-z0-9'&/-]{1,15}){0,3}"
"""A short lower-case name of one to four words: an instrument, or a thing to avoid."""

DESCRIPTION_PATTERN: Final = (
    r"[A-Za-z0-9][A-Za-z0-9,.'&/+#-]{0,19}( [A-Za-z0-9,.'&/+#-]{1,20}){0,15}"
)
"""One to `MAX_WORDS` words without quotes, brackets or line ends."""


class AnswerError(ChainError):
    """The model's answer doesn't fit the schema."""


@dataclass(frozen=True)
class Answer:
    """The fields a language model fills in, in the order it writes them."""

    genre: str
    mood: str
    tempo: str
    instruments: tuple[str, ...]
    avoid: tuple[str, ...]
    description: str

    def to_json(self) -> str:
        """Write the answer the way the model is asked to: compact, fields in order."""
        return json.dumps(
            {
                "genre": self.genre,
                "mood": self.mood,
                "tempo": self.tempo,
                "instruments": self.instruments,
                "avoid": self.avoid,
                "description": self.description,
            },
            separators=(",", ":"),
        )


def answer_schema() -> dict[str, Any]:
    """JSON schema of an `Answer`, from the vocabulary.

    Returns
    -------
    dict
        An object schema with fixed key order, no further keys, and closed enumerations.
    """

    def names(least: int, most: int) -> dict[str, Any]:
        item = {"type": "string", "pattern": f"^{NAME_PATTERN}$"}
        return {"type": "array", "items": item, "minItems": least, "maxItems": most}

    properties: dict[str, Any] = {
        "genre": {"enum": list(GENRES)},
        "mood": {"enum": list(MOODS)},
        "tempo": {"enum": list(TEMPOS)},
        "instruments": names(1, MAX_INSTRUMENTS),
        "avoid": names(0, MAX_AVOID),
        "description": {"type": "string", "pattern": f"^{DESCRIPTION_PATTERN}$"},
    }
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def parse_answer(text: str) -> Answer:
    """Read and check an answer.

    Parameters
    ----------
    text : str
        JSON from a language model.

    Returns
    -------
    Answer
        Names are unique and keep their order.

    Raises
    ------
    AnswerError
        If the text isn't JSON or breaks `answer_schema`; the message names the field.
    """
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise AnswerError(f"the model's answer is not JSON ({error}): {text[:80]!r}") from None
    if not isinstance(raw, dict):
        raise AnswerError(f"the model's answer is not a JSON object: {text[:80]!r}")
    return Answer(
        _choice(raw, "genre", GENRES),
        _choice(raw, "mood", MOODS),
        _choice(raw, "tempo", TEMPOS),
        _names(raw, "instruments", 1, MAX_INSTRUMENTS),
        _names(raw, "avoid", 0, MAX_AVOID),
        _description(raw),
    )


def _choice(raw: dict[str, Any], field: str, allowed: tuple[str, ...]) -> str:
    value = raw.get(field)
    if value not in allowed:
        raise AnswerError(f"the model's answer has {field}={value!r}, not one of the known ones")
    return str(value)


def _names(raw: dict[str, Any], field: str, least: int, most: int) -> tuple[str, ...]:
    value = raw.get(field)
    if not isinstance(value, list) or not least <= len(value) <= most:
        raise AnswerError(f"the model's answer has no list of {least} to {most} in {field!r}")
    for name in value:
        if not isinstance(name, str) or not re.fullmatch(NAME_PATTERN, name):
            raise AnswerError(f"the model's answer has {name!r} in {field!r}, not a short name")
    return tuple(dict.fromkeys(value))


def _description(raw: dict[str, Any]) -> str:
    value = raw.get("description")
    if not isinstance(value, str) or not re.fullmatch(DESCRIPTION_PATTERN, value):
        raise AnswerError(
            f"the model's answer has no description of at most {MAX_WORDS} plain words: {value!r}"
        )
    return value
