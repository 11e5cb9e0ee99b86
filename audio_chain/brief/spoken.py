"""Facts that a person says in numbers and letters: tempo, key and length.

They are read by rule rather than by the language model, because "ninety-five beats a minute" has
one right answer. A rule must rather miss a fact than find one that nobody stated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from audio_chain.brief.fields import BPM_RANGE

_UNITS: Final = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS: Final = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_VALUES: Final = {word: value for value, word in enumerate(_UNITS)} | {
    word: 10 * value for value, word in enumerate(_TENS, 2)
}

_WORD: Final = "(?:" + "|".join([*_VALUES, "hundred"]) + r")\b"
# Whisper writes "a hundred and forty" as "100 and 40" now and then
_NUMBER: Final = (
    r"(?:[1-9]00\s+and\s+\d{1,2}\b|\d{1,4}(?:\.\d+)?"
    rf"|(?:an?\s+(?=hundred))?{_WORD}(?:(?:\s+|-|\s+and\s+){_WORD})*)"
)
_RANGE: Final = rf"(?P<first>{_NUMBER})(?:\s*(?:to|-|\u2013|or)\s*(?P<second>{_NUMBER}))?"
_NEGATION: Final = re.compile(r"\b(?:not|than|isn't|don't want)\s+(?:\w+\s+)?$", re.IGNORECASE)

_BPM: Final = re.compile(
    rf"\b{_RANGE}[\s-]*(?:b\.?\s?p\.?\s?m\b|beats?\s+(?:per|a|an|every)\s+minute)", re.IGNORECASE
)
_TEMPO_AT: Final = re.compile(
    rf"\b(?:tempo|metronome)(?:\s+(?:is|of|at|to|around|about|like|maybe|say|set|mark(?:ing)?)){{0,3}}"
    rf"\s+{_RANGE}\b(?!\s*(?:%|percent))",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Found:
    """A number, or the middle of a range, and where it was said."""

    value: float
    start: int
    end: int


def stated_bpm(text: str) -> int | None:
    """Read the tempo that a person states in beats per minute.

    Parameters
    ----------
    text : str
        A transcript: "about ninety BPM", "a hundred and twenty beats per minute", "tempo 96".

    Returns
    -------
    int or None
        Beats a minute, 30 to 300; of several the last, because people correct themselves; the
        middle of a range; None if none is stated.
    """
    low, high = BPM_RANGE
    hits = [*_numbers(_BPM, text), *_numbers(_TEMPO_AT, text)]
    fitting = [hit for hit in hits if low <= hit.value <= high]
    return round(max(fitting, key=lambda hit: hit.start).value) if fitting else None


def _numbers(pattern: re.Pattern[str], text: str) -> Iterator[_Found]:
    for match in pattern.finditer(text):
        value = _value(match["first"])
        other = _value(match["second"]) if match["second"] else value
        if value is None or other is None or _NEGATION.search(text[: match.start()]):
            continue
        yield _Found((value + other) / 2, match.start(), match.end())


def _value(number: str) -> float | None:
    """Value of a number in digits or words; "one twenty" is 120, as musicians say it."""
    if number[0].isdigit():
        return sum(float(part) for part in number.lower().split("and"))
    total = 0
    for word in re.findall(_WORD, number.lower()):
        if word == "hundred":
            total = max(total, 1) * 100
        elif total in range(1, 10) and _VALUES[word] >= 10:
            total = total * 100 + _VALUES[word]
        elif total % 10 or (total % 100 and _VALUES[word] >= 10):
            return None  # two numbers in a row
        else:
            total += _VALUES[word]
    return float(total)


_NOTES: Final = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SIGNS: Final = {"sharp": 1, "#": 1, "♯": 1, "flat": -1, "b": -1, "♭": -1}
_MAJOR_NAMES: Final = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_MINOR_NAMES: Final = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")
_MODES: Final = {"maj": "major", "min": "minor", "ionian": "major", "aeolian": "minor"}

_KEY: Final = re.compile(
    r"(?<![\w'])(?P<cue>(?:in\s+)?(?:the\s+)?key\s+(?:of|is)\s+|in\s+)?"
    r"(?P<note>[A-Ga-g])(?P<sign>(?:\s+|-)(?:sharp|flat)\b|[#♯♭]|b(?=\s))?"
    r"(?:[\s-]+(?P<mode>major|minor|maj|min|dorian|mixolydian|lydian|phrygian|aeolian|ionian)\b)?"
)
_AFTER_KEY: Final = re.compile(
    r"\s*(?:$|[.,;:!?)-]|(?:and|at|with|but|or|for|like|please|so|around|about|then|if|because|maybe"
    r"|no|not|the|something|i|it|on|to|um|uh|just|you|using)\b)",
    re.IGNORECASE,
)


def stated_key(text: str) -> str | None:
    """Read the key that a person states.

    Parameters
    ----------
    text : str
        A transcript: "in A minor", "in the key of E flat major", "C sharp minor", "key of G".

    Returns
    -------
    str or None
        Tonic and mode in the spelling of the data factory (``Eb major``, ``C# minor``); of several
        the last; None if none is stated ("in a minor car accident", "a minor key").
    """
    found = None
    for match in _KEY.finditer(text):
        if _is_key(match, text) and not _NEGATION.search(text[: match.start()]):
            found = _key_name(match["note"], match["sign"] or "", match["mode"] or "major")
    return found


def _is_key(match: re.Match[str], text: str) -> bool:
    cue = " ".join((match["cue"] or "").lower().split())
    if match["mode"] is None:
        # "in B flat" and "key of G" are keys; "in G" may be a tuning or a plan; "a flat" is a tyre
        named = "key" in cue or (cue == "in" and bool(match["sign"]))
        return named and match["note"].isupper() and bool(_AFTER_KEY.match(text, match.end()))
    if match["note"] == "a" and not match["sign"]:
        return "key" in cue or bool(_AFTER_KEY.match(text, match.end()) and cue)
    if match["note"] == "A" and not match["sign"] and _starts_sentence(text, match.start()):
        return bool(_AFTER_KEY.match(text, match.end()))
    return True


def _starts_sentence(text: str, position: int) -> bool:
    before = text[:position].rstrip()
    return not before or before[-1] in ".!?"


def _key_name(note: str, sign: str, mode: str) -> str:
    mode = _MODES.get(mode, mode)
    pitch = (_NOTES[note.upper()] + _SIGNS.get(sign.strip(" -"), 0)) % 12
    names = _MAJOR_NAMES if mode in ("major", "lydian", "mixolydian") else _MINOR_NAMES
    return f"{names[pitch]} {mode}"


_SPAN: Final = re.compile(
    rf"\b(?:(?P<whole>{_NUMBER}|an?)(?:[\s-]+and\s+a\s+(?P<half_before>half))?[\s-]+"
    rf"(?P<unit>seconds?|secs?|minutes?|mins?)\b"
    rf"(?:\s+and\s+a\s+(?P<half_after>half)\b)?"
    rf"(?:\s+(?:and\s+)?(?P<rest>{_NUMBER})(?=\s+sec|[\s.,;!?]*$)(?:\s+sec(?:ond)?s?\b)?)?"
    rf"|half\s+a\s+(?P<half_of>minute|second)\b)",
    re.IGNORECASE,
)
_LEAD_IN: Final = (
    r"(?:\s+(?:is|of|for|like|about|around|maybe|say|just|only|roughly|to|be|a|under|at))*"
)
_ASKED: Final = re.compile(
    r"\b(?:make (?:it|this|that)|lasting|lasts?|length|long|duration|it (?:to|should|can|could)"
    rf"|no longer than|at most|up to|keep it){_LEAD_IN}\s*$",
    re.IGNORECASE,
)
_WANTED: Final = re.compile(
    rf"\b(?:give me|i (?:want|need)|record|play|generate)(?: me)?{_LEAD_IN}\s*$", re.IGNORECASE
)
_ALONE: Final = re.compile(
    r"(?:^|[.,;:!?])\s*(?:(?:um|uh|so|and|just|only|maybe|about|around|say|like|for)[\s,]+)*$",
    re.IGNORECASE,
)
_NAMED_AFTER: Final = re.compile(
    r"[\s-]+(?:long|in length|(?:of|for) (?:music|it|this|that)|(?:of )?(?:\w+ ){0,4}"
    r"(?:clip|loop|track|piece|song|jingle|intro|outro|version|tune|cue|sting|theme|bed)\b)",
    re.IGNORECASE,
)
_CLAUSE_END: Final = re.compile(
    r"\s*(?:$|[.,;:!?]|(?:max|tops|long|please|or so)\b)", re.IGNORECASE
)
_PHRASE_END: Final = re.compile(_CLAUSE_END.pattern + r"|\s+(?:of|and|with)\b", re.IGNORECASE)

MAX_STATED_SECONDS: Final = 600.0
"""More than this is how long something took, not how long the music should be."""
_MAX_ALONE: Final = 180.0


def stated_seconds(text: str) -> float | None:
    """Read how long a person wants the track.

    Parameters
    ----------
    text : str
        A transcript: "ten seconds", "make it half a minute", "a thirty second clip of ...".

    Returns
    -------
    float or None
        Seconds, above 0 and at most `MAX_STATED_SECONDS`; of several the last; None if no length
        is stated ("I waited for ten minutes", "ten seconds ago", "give me a second").
    """
    found = None
    for match in _SPAN.finditer(text):
        seconds = _seconds(match)
        if seconds is None or not 0 < seconds <= MAX_STATED_SECONDS:
            continue
        if _is_length(match, seconds, text):
            found = seconds
    return found


def _is_length(match: re.Match[str], seconds: float, text: str) -> bool:
    """Whether the words around a span of time make it the length of the music."""
    before, after = text[: match.start()], text[match.end() :]
    if _NAMED_AFTER.match(after) or (_ASKED.search(before) and _PHRASE_END.match(after)):
        return True
    if (match["whole"] or "").lower() in ("a", "an", "one") and seconds in (1, 60):
        return False  # "give me a second", "just a minute"
    if _WANTED.search(before):
        return bool(_PHRASE_END.match(after))
    return bool(_ALONE.search(before) and _CLAUSE_END.match(after)) and seconds <= _MAX_ALONE


def _seconds(match: re.Match[str]) -> float | None:
    if match["half_of"]:
        return 30.0 if match["half_of"].lower() == "minute" else 0.5
    whole = match["whole"].lower()
    value = 1.0 if whole in ("a", "an") else _value(whole)
    if value is None:
        return None
    if match["half_before"] or match["half_after"]:
        value += 0.5
    if match["unit"].lower().startswith("s"):
        return value
    rest = _value(match["rest"]) if match["rest"] else 0.0
    return None if rest is None else 60 * value + rest
