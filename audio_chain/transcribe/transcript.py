"""Transcript: what was said, when, and how sure the model was."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from audio_chain.errors import UsageError


@dataclass(frozen=True)
class Segment:
    """A phrase: where it begins and ends in the recording (s), its words, and how sure (0 to 1).

    ``confidence`` is the geometric mean of the probabilities of the tokens of the window it was
    decoded in.
    """

    start: float
    end: float
    text: str
    confidence: float


@dataclass(frozen=True)
class Transcript:
    """What was said in a recording.

    Parameters
    ----------
    text : str
        All of it on one line; "" where no speech was understood.
    language : str
        ISO 639-1 code, "en"; "" where no speech was understood and none was given.
    segments : tuple of Segment
        In order of time, inside ``[0, seconds]``, not overlapping.
    confidence : float
        Mean over the segments, weighted by their length in characters; 0 where there are none.
    seconds : float
        How much of the recording was listened to.
    model : str
        What transcribed it.
    note : str
        For people: why the text is empty, or what was left out; "" where nothing was.
    """

    text: str
    language: str
    segments: tuple[Segment, ...]
    confidence: float
    seconds: float
    model: str
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return {**asdict(self), "segments": [asdict(segment) for segment in self.segments]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Transcript:
        """Rebuild a transcript from `to_dict`'s values.

        Raises
        ------
        UsageError
            A field is missing, of the wrong kind or out of range; the message names it.
        """
        if not isinstance(data, Mapping):
            raise UsageError(f"transcript must be an object, not {type(data).__name__}")
        segments = data.get("segments")
        if not isinstance(segments, list | tuple):
            raise UsageError('transcript: "segments" must be a list')
        return cls(
            text=_text(data, "text"),
            language=_text(data, "language"),
            segments=tuple(_segment(item, index) for index, item in enumerate(segments)),
            confidence=_number(data, "confidence", upper=1.0),
            seconds=_number(data, "seconds"),
            model=_text(data, "model"),
            note=_text({"note": "", **data}, "note"),
        )


def _segment(data: object, index: int) -> Segment:
    where = f"segments[{index}]."
    if not isinstance(data, Mapping):
        raise UsageError(f'transcript: "segments[{index}]" must be an object')
    start = _number(data, "start", where)
    end = _number(data, "end", where)
    if end < start:
        raise UsageError(f'transcript: "{where}end" lies before its "start"')
    return Segment(start, end, _text(data, "text", where), _number(data, "confidence", where, 1.0))


def _text(data: Mapping[str, Any], name: str, where: str = "") -> str:
    value = data.get(name)
    if not isinstance(value, str):
        raise UsageError(f'transcript: "{where}{name}" must be a string')
    return value


def _number(data: Mapping[str, Any], name: str, where: str = "", upper: float = math.inf) -> float:
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= upper:
        span = "0 or more" if upper == math.inf else f"from 0 to {upper:g}"
        raise UsageError(f'transcript: "{where}{name}" must be a number, {span}')
    return float(value)
