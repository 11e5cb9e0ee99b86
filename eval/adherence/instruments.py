"""Instruments by the names that people use, and whether the listener hears them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from audio_chain.vocabulary import INSTRUMENTS

HEARD: Final = 0.5
"""Probability from which an instrument counts as heard."""

_GUITARS: Final = (
    "clean electric guitar",
    "muted guitar",
    "overdriven guitar",
    "distorted guitar",
    "jazz guitar",
)
_SYNTHS: Final = ("square lead", "saw lead", "synth pluck", "soft pluck", "polysynth")
_PADS: Final = ("new age pad", "warm pad", "choir pad", "bowed pad", "halo pad", "sweep pad")

_ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "electric guitar": _GUITARS,
    "guitar": ("nylon guitar", "acoustic guitar", *_GUITARS),
    "classical guitar": ("nylon guitar",),
    "spanish guitar": ("nylon guitar",),
    "steel guitar": ("acoustic guitar",),
    "distortion guitar": ("distorted guitar",),
    "grand piano": ("piano",),
    "upright piano": ("piano", "honky-tonk piano"),
    "rhodes": ("electric piano",),
    "organ": ("drawbar organ", "rock organ", "church organ"),
    "hammond organ": ("drawbar organ", "rock organ"),
    "pipe organ": ("church organ",),
    "bass": (
        "upright bass",
        "bass guitar",
        "picked bass",
        "fretless bass",
        "slap bass",
        "synth bass",
        "deep synth bass",
        "pulse bass",
    ),
    "double bass": ("upright bass",),
    "electric bass": ("bass guitar", "picked bass", "fretless bass", "slap bass"),
    "808 bass": ("deep synth bass", "synth bass"),
    "sub bass": ("deep synth bass", "synth bass"),
    "strings": ("strings", "slow strings", "tremolo strings", "synth strings"),
    "string section": ("strings", "slow strings", "tremolo strings"),
    "brass": ("brass section", "trumpet", "trombone", "french horn"),
    "horns": ("brass section", "trumpet", "trombone", "french horn"),
    "horn": ("french horn",),
    "sax": ("alto sax", "tenor sax"),
    "saxophone": ("alto sax", "tenor sax"),
    "whistling": ("whistle",),
    "synth": (*_SYNTHS, *_PADS, "synth strings"),
    "synthesizer": (*_SYNTHS, *_PADS, "synth strings"),
    "synth lead": ("square lead", "saw lead"),
    "lead synth": ("square lead", "saw lead"),
    "pad": (*_PADS, "atmosphere"),
    "synth pad": (*_PADS, "atmosphere"),
    "drum kit": ("drums",),
    "drum machine": ("drums",),
    "drum": ("drums",),
    "percussion": ("drums",),
    "beat": ("drums",),
    "vibes": ("vibraphone",),
    "mouth organ": ("harmonica",),
    "voice": ("choir", "voice oohs"),
    "vocal": ("choir", "voice oohs"),
    "singing": ("choir", "voice oohs"),
}

_OTHERS: Final = (
    "steel drum",
    "talking drum",
    "thumb piano",
    "toy piano",
    "jaw harp",
    "mouth harp",
    "glass harmonica",
    "english horn",
    "pedal steel guitar",
    "slide whistle",
)
"""Instruments of their own, not a kind of their last word."""


def labels_for(name: str) -> tuple[str, ...]:
    """Find what the listener would call an instrument.

    Parameters
    ----------
    name : str
        As people write it: any case, perhaps with adjectives before it or in the plural.

    Returns
    -------
    tuple of str
        Of `INSTRUMENTS`; hearing any of them is hearing the instrument. Empty if the listener
        doesn't know it.

    Examples
    --------
    >>> labels_for("soft brushed drums"), labels_for("saxophone"), labels_for("didgeridoo")
    (('drums',), ('alto sax', 'tenor sax'), ())
    """
    words = name.lower().split()
    if " ".join(words).removesuffix("s").endswith(_OTHERS):
        return ()
    for start in range(len(words)):  # the longest known ending
        ending = " ".join(words[start:])
        for said in (ending, ending.removesuffix("s")):
            if said in _ALIASES:
                return _ALIASES[said]
            if said in INSTRUMENTS:
                return (said,)
    return ()


def is_heard(name: str, chances: Mapping[str, float]) -> bool | None:
    """Whether any kind of an instrument is heard; None if the listener doesn't know it.

    Parameters
    ----------
    name : str
        As people write it.
    chances : mapping of str to float
        Probability by label, as the listener gives them.
    """
    labels = labels_for(name)
    return any(chances.get(label, 0.0) >= HEARD for label in labels) if labels else None
