"""The words the offline models agree on: genres, moods, tempo classes and instruments.

The data factory composes in these terms, the rewriter answers in them, and adherence is measured
in them. A brief may name other instruments; models then do with the word what they can.
"""

from __future__ import annotations

from typing import Final

GENRES: Final = (
    "classical piano",
    "ambient",
    "lo-fi hip hop",
    "house",
    "techno",
    "drum and bass",
    "rock",
    "metal",
    "jazz swing",
    "bossa nova",
    "funk",
    "blues shuffle",
    "orchestral cinematic",
    "string quartet",
    "folk",
    "waltz",
    "chiptune",
    "synthwave",
    "reggae",
    "country",
    "music box lullaby",
    "choir hymn",
    "trap",
    "disco",
)

MOODS: Final = (
    "happy",
    "melancholic",
    "calm",
    "energetic",
    "dark",
    "tense",
    "dreamy",
    "epic",
    "playful",
    "romantic",
    "mysterious",
    "hopeful",
    "aggressive",
)

TEMPOS: Final = ("very slow", "slow", "moderate", "fast", "very fast")

TEMPO_RANGES: Final = {
    "very slow": (40, 61),
    "slow": (62, 83),
    "moderate": (84, 111),
    "fast": (112, 149),
    "very fast": (150, 220),
}
"""Quarter notes a minute, both ends included."""

INSTRUMENTS: Final = (
    "piano",
    "honky-tonk piano",
    "electric piano",
    "harpsichord",
    "clavinet",
    "celesta",
    "glockenspiel",
    "music box",
    "vibraphone",
    "marimba",
    "drawbar organ",
    "rock organ",
    "church organ",
    "accordion",
    "harmonica",
    "nylon guitar",
    "acoustic guitar",
    "jazz guitar",
    "clean electric guitar",
    "muted guitar",
    "overdriven guitar",
    "distorted guitar",
    "upright bass",
    "bass guitar",
    "picked bass",
    "fretless bass",
    "slap bass",
    "synth bass",
    "deep synth bass",
    "violin",
    "viola",
    "cello",
    "tremolo strings",
    "pizzicato strings",
    "harp",
    "timpani",
    "strings",
    "slow strings",
    "synth strings",
    "choir",
    "voice oohs",
    "trumpet",
    "muted trumpet",
    "trombone",
    "french horn",
    "brass section",
    "alto sax",
    "tenor sax",
    "oboe",
    "clarinet",
    "flute",
    "pan flute",
    "whistle",
    "square lead",
    "saw lead",
    "pulse bass",
    "synth pluck",
    "soft pluck",
    "new age pad",
    "warm pad",
    "polysynth",
    "choir pad",
    "bowed pad",
    "halo pad",
    "sweep pad",
    "atmosphere",
    "banjo",
    "fiddle",
    "drums",
)


def tempo_class(bpm: float) -> str:
    """Name the class of a tempo.

    Parameters
    ----------
    bpm : float
        Quarter notes a minute.

    Returns
    -------
    str
        One of `TEMPOS`.
    """
    for name, (_, high) in TEMPO_RANGES.items():
        if bpm < high + 1:
            return name
    return TEMPOS[-1]
