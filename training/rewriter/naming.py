"""When two names mean the same instrument."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

# said -> meant; both as single words joined by spaces, after singulars are made
_SYNONYMS: Final = {
    "sax": "saxophone",
    "rhodes": "electric piano",
    "e-piano": "electric piano",
    "wurlitzer": "electric piano",
    "grand piano": "piano",
    "acoustic piano": "piano",
    "upright piano": "piano",
    "double bass": "upright bass",
    "acoustic bass": "upright bass",
    "horn": "french horn",
    "brass": "brass section",
    "drum kit": "drum",
    "kick": "drum",
    "beat": "drum",
    "electronic drum": "drum",
    "vibe": "vibraphone",
    "blues harp": "harmonica",
    "mouth organ": "harmonica",
    "classical guitar": "nylon guitar",
    "spanish guitar": "nylon guitar",
    "pipe organ": "church organ",
    "hammond": "organ",
    "whistling": "whistle",
    "string section": "string",
    "synthesizer": "synth",
    "clap": "handclap",
    "voice": "choir",
}
# these are instruments of their own, not a kind of the last word
_COMPOUNDS: Final = ("electric piano", "music box", "french horn", "pan flute", "steel drum")


def same_instrument(named: str, answered: str) -> bool:
    """Whether an answer keeps an instrument that the speaker named.

    Case and plural don't matter, a few synonyms count as equal, and so does a more precise answer
    (``guitar`` is kept by ``acoustic guitar``, ``saxophone`` by ``tenor sax``); a less precise one
    doesn't (``acoustic guitar`` isn't kept by ``guitar``), nor does another instrument with the
    same last word (``piano`` isn't kept by ``electric piano``).
    """
    wanted, given = _words(named), _words(answered)
    return bool(wanted) and wanted <= given


def kept(named: Iterable[str], answered: Iterable[str]) -> list[bool]:
    """For each named instrument, whether any answered one is the same."""
    answers = list(answered)
    return [any(same_instrument(name, answer) for answer in answers) for name in named]


def _words(name: str) -> frozenset[str]:
    words = [_singular(word) for word in re.findall(r"[a-z0-9'-]+", name.lower())]
    text = " ".join(words)
    text = _SYNONYMS.get(text, text)
    for said, meant in _SYNONYMS.items():
        if " " not in said and meant.split()[-1] not in words:
            text = re.sub(rf"\b{said}\b", meant, text)
    for compound in _COMPOUNDS:
        text = text.replace(compound, compound.replace(" ", "-"))
    return frozenset(text.split())


def _singular(word: str) -> str:
    if word in ("brass", "bass", "vibes"):
        return word.rstrip("s") if word == "vibes" else word
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word
