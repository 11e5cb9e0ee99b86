"""The words that captions are made of, apart from those of moods, genres and instruments."""

from __future__ import annotations

from typing import Final

TEMPO_WORDS: Final = {
    "very slow": ("very slow", "extremely slow"),
    "slow": ("slow", "slow-paced", "laid-back", "unhurried"),
    "moderate": ("mid-tempo", "moderate", "medium-tempo", "moderately paced"),
    "fast": ("fast", "fast-paced", "uptempo", "quick"),
    "very fast": ("very fast", "breakneck", "rapid", "very quick"),
}

TOO_LIVELY: Final = ("upbeat", "lively", "driving", "high-energy", "bouncy", "exciting")
"""Words for a mood that slow music belies."""

TOO_STILL: Final = ("serene", "relaxing", "floating")
"""Words for a mood that fast music belies."""

HIGH_ENERGY: Final = ("high energy", "energetic", "intense", "powerful")
LOW_ENERGY: Final = ("low energy", "quiet", "soft", "gentle")
ENERGY_NOUNS: Final = ("high energy", "low energy")
"""Those of the two above that can't stand before a noun."""

METER_WORDS: Final = {
    "3/4": ("3/4 time", "waltz time", "three-four time"),
    "6/8": ("6/8 time", "a lilting 6/8"),
}

PIECE_NOUNS: Final = ("track", "piece", "tune", "instrumental")
GROOVE_NOUNS: Final = ("loop", "groove")
"""What else to call a piece that has drums."""

COMPLETE_NOUNS: Final = (
    "track",
    "song",
    "piece",
    "lullaby",
    "hymn",
    "waltz",
    "score",
    "music",
    "instrumental",
    "beat",
    "beats",
    "shuffle",
    "groove",
    "jam",
    "soundscape",
    "quartet",
    "combo",
    "choir",
)
"""Last words of a genre's title after which "piece" would be one noun too many."""

UNCOUNTABLE: Final = ("beats", "music")

ALONE: Final = ("solo", "unaccompanied")
SOLO_NOUNS: Final = ("piece", "performance", "melody", "improvisation")
DRUMLESS: Final = ("no drums", "drumless", "without drums")

FIT_FOR: Final = ("perfect for", "suited to", "made for", "ideal for")
WOULD_FIT: Final = ("it would suit", "it could be used in", "this could accompany")
LEADS: Final = (
    "plays the melody",
    "carries the melody",
    "takes the lead",
    "plays a simple tune",
    "sings the main theme",
)
BACKS: Final = ("in the background", "behind it", "supporting", "underneath")
SPARSE: Final = ("the arrangement is sparse", "the texture is minimal")
RICH: Final = ("the arrangement is rich and layered", "the sound is full")

OPENINGS: Final = (
    "This is {}",
    "{}",
    "The recording features {}",
    "Here we have {}",
    "An instrumental clip of {}",
    "{}",
    "We hear {}",
)
