"""Instruments that a person asks for by name.

A language model forgets one in ten of them. They are read by rule as well, as stated tempos are,
but only names that mean nothing else: "horn" may be a car's, "bass" a fish.
"""

from __future__ import annotations

import re
from typing import Final

_NAMES: Final = """
    accordion, acoustic guitar, alto sax, autoharp, bagpipe, balalaika, banjo, baritone sax,
    bass clarinet, bass guitar, bassoon, bodhran, bongo, bouzouki, celesta, cello, church organ,
    clarinet, clavinet, concertina, conga, cornet, cowbell, didgeridoo, djembe, dobro, dulcimer,
    electric guitar, electric piano, erhu, fiddle, flugelhorn, flute, french horn, fretless bass,
    glockenspiel, guitar, harmonica, harpsichord, honky-tonk piano, hurdy-gurdy, kalimba, koto,
    lap steel guitar, lute, mandolin, marimba, melodica, music box, muted trumpet, nylon guitar,
    oboe, organ, oud, pan flute, pedal steel guitar, piano, piccolo, pipe organ, sitar, slap bass,
    slide guitar, sousaphone, steel drum, steel guitar, steel pan, synth bass, tabla, tambourine,
    tenor sax, theremin, timpani, tin whistle, toy piano, trombone, trumpet, tuba,
    twelve-string guitar, ukulele, upright bass, vibraphone, viola, violin, xylophone, zither
"""
_MEANT: Final = {
    **{name: name for name in (" ".join(part.split()) for part in _NAMES.split(","))},
    "celeste": "celesta",
    "double bass": "upright bass",
    "grand piano": "piano",
    "hammond": "organ",
    "mouth organ": "harmonica",
    "sax": "saxophone",
    "saxophone": "saxophone",
    "spanish guitar": "nylon guitar",
    "upright piano": "piano",
    "wurlitzer": "electric piano",
}
_NAME: Final = re.compile(
    r"\b(?:"
    + "|".join(re.escape(name) for name in sorted(_MEANT, key=len, reverse=True))
    + r")(?=(?:e?s)?\b)(?!\s+(?:player|teacher|tuner|lessons?|stool|donor|case|shop)\b)",
    re.IGNORECASE,
)
_DECLINED: Final = re.compile(
    r"\b(?:no|not|never|nor|than|without|minus|except|avoid|skip|forget|lose|less|instead of"
    r"|(?:don|won|can|doesn|isn|wasn)'?t|cannot|hates?|hated|sick of|tired of|none of|if i hear)"
    r"\s+(?:[\w']+\s+){0,3}$",
    re.IGNORECASE,
)
_ALONE_BEFORE: Final = re.compile(
    r"(?:(?<!\bor )\b(?:just|only|nothing (?:but|except|other than)|no more than)"
    r"|(?:^|[.,;:!?] )(?:um |uh |so )?solo)"
    r"(?:\s+(?:an?|the|my|his|her|that|one|single|on|old)){0,3}\s+$",
    re.IGNORECASE,
)
_ALONE_AFTER: Final = re.compile(
    r"(?:e?s)?[.,]?\s+(?:(?:all )?alone|unaccompanied|by (?:it|him|her)self|on (?:its|his|her) own"
    r"|(?:and |with )?(?:nothing|nobody|no ?one) else)\b",
    re.IGNORECASE,
)
_COMPANY: Final = re.compile(
    r"\b(?:band|bass|beat|bell|brass|choir|drum|horn|kick|orchestra|pad|percussion|quartet|snare"
    r"|string|synth|voice)s?\b(?! (?:a|per) minute)|\bthen\b",
    re.IGNORECASE,
)


def stated_instruments(text: str) -> tuple[str, ...]:
    """Read the instruments that a person asks for by name.

    Parameters
    ----------
    text : str
        A transcript: "two fiddles and an upright bass, no piano".

    Returns
    -------
    tuple of str
        Each once, in the singular, in the order they were said; those declined in the few words
        before the name are left out.
    """
    found: dict[str, None] = {}
    for match in _NAME.finditer(text):
        if not _declined(match, text):
            found[_MEANT[match[0].lower()]] = None
    return tuple(found)


def stated_alone(text: str) -> str | None:
    """Read which instrument a person wants to hear alone.

    Parameters
    ----------
    text : str
        A transcript: "just a piano", "only the cello please", "a harp, by itself", "solo violin".

    Returns
    -------
    str or None
        The only instrument that is asked for, if the words around it say that it is to be the only
        one and nothing else in the text speaks of company ("just a flute, then the strings").
    """
    if len(stated := stated_instruments(text)) != 1:
        return None
    others = [match for match in _COMPANY.finditer(text) if not _declined(match, text)]
    for match in _NAME.finditer(text):
        before, after = text[: match.start()], text[match.end() :]
        said = _ALONE_BEFORE.search(before) or _ALONE_AFTER.match(after)
        within = range(match.start(), match.end() + 1)
        if said and not _declined(match, text) and all(one.start() in within for one in others):
            return stated[0]
    return None


def _declined(match: re.Match[str], text: str) -> bool:
    return bool(_DECLINED.search(text[: match.start()]))
