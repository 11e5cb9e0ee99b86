"""What is usual: the tempo and energy of genres and moods, as the data factory composes them."""

from __future__ import annotations

from typing import Final

from audio_chain.vocabulary import TEMPO_RANGES, TEMPOS

GENRE_BPM: Final = {
    "classical piano": (54, 138),
    "ambient": (50, 78),
    "lo-fi hip hop": (68, 92),
    "house": (118, 128),
    "techno": (126, 142),
    "drum and bass": (164, 178),
    "rock": (98, 156),
    "metal": (104, 190),
    "jazz swing": (104, 216),
    "bossa nova": (108, 146),
    "funk": (92, 118),
    "blues shuffle": (72, 132),
    "orchestral cinematic": (68, 148),
    "string quartet": (58, 132),
    "folk": (84, 132),
    "waltz": (108, 186),
    "chiptune": (112, 172),
    "synthwave": (82, 118),
    "reggae": (66, 88),
    "country": (92, 150),
    "music box lullaby": (58, 96),
    "choir hymn": (60, 96),
    "trap": (128, 152),
    "disco": (108, 126),
}
"""Slowest and fastest usual tempo of each genre, quarter notes a minute."""

_GENRE_ENERGY: Final = {
    "classical piano": 0.35,
    "ambient": 0.12,
    "lo-fi hip hop": 0.32,
    "house": 0.7,
    "techno": 0.78,
    "drum and bass": 0.82,
    "rock": 0.68,
    "metal": 0.92,
    "jazz swing": 0.5,
    "bossa nova": 0.36,
    "funk": 0.68,
    "blues shuffle": 0.5,
    "orchestral cinematic": 0.62,
    "string quartet": 0.36,
    "folk": 0.34,
    "waltz": 0.42,
    "chiptune": 0.62,
    "synthwave": 0.58,
    "reggae": 0.42,
    "country": 0.48,
    "music box lullaby": 0.14,
    "choir hymn": 0.26,
    "trap": 0.62,
    "disco": 0.72,
}

_MOOD_ENERGY: Final = {
    "happy": 0.1,
    "melancholic": -0.2,
    "calm": -0.28,
    "energetic": 0.28,
    "dark": 0.02,
    "tense": 0.12,
    "dreamy": -0.18,
    "epic": 0.3,
    "playful": 0.05,
    "romantic": -0.12,
    "mysterious": -0.1,
    "hopeful": 0.05,
    "aggressive": 0.38,
}

_LOW, _HIGH = 0.28, 0.72  # below and above, the factory's captions call a piece quiet or intense


def typical_bpm(genre: str, tempo: str) -> int:
    """Choose a tempo for a class of tempo, in the genre's usual range where the two meet.

    Parameters
    ----------
    genre, tempo : str
        Of the vocabulary.

    Returns
    -------
    int
        Quarter notes a minute, always within the tempo class: the middle of what the class and
        the genre share, or the end of the class nearest to the genre.
    """
    slowest, fastest = GENRE_BPM[genre]
    low, high = TEMPO_RANGES[tempo]
    start, end = max(low, slowest), min(high, fastest)
    if start > end:
        return high if slowest > high else low
    return (start + end) // 2


def energy_of(genre: str, mood: str, tempo: str) -> str:
    """Name the energy that a genre has in a mood at a tempo.

    Parameters
    ----------
    genre, mood, tempo : str
        Of the vocabulary.

    Returns
    -------
    str
        ``low``, ``medium`` or ``high``: the factory's rule and its captions' limits.
    """
    pace = TEMPOS.index(tempo) / (len(TEMPOS) - 1)
    energy = 0.75 * _GENRE_ENERGY[genre] + 0.12 + 0.8 * _MOOD_ENERGY[mood] + 0.12 * (pace - 0.5)
    return "low" if energy < _LOW else "high" if energy > _HIGH else "medium"
