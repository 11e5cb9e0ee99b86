"""The genres, in the order of the vocabulary."""

from __future__ import annotations

from typing import Final

from audio_chain import vocabulary
from training.factory.genres.classical import (
    CLASSICAL_PIANO,
    ORCHESTRAL_CINEMATIC,
    STRING_QUARTET,
    WALTZ,
)
from training.factory.genres.electronic import DRUM_AND_BASS, HOUSE, TECHNO
from training.factory.genres.groove import DISCO, FUNK, REGGAE
from training.factory.genres.hip_hop import LO_FI_HIP_HOP, TRAP
from training.factory.genres.jazz import BOSSA_NOVA, JAZZ_SWING
from training.factory.genres.quiet import AMBIENT, CHOIR_HYMN, MUSIC_BOX_LULLABY
from training.factory.genres.retro import CHIPTUNE, SYNTHWAVE
from training.factory.genres.rock import METAL, ROCK
from training.factory.genres.roots import BLUES_SHUFFLE, COUNTRY, FOLK
from training.factory.genres.schema import Beat, Genre, Layer

__all__ = ["GENRES", "Beat", "Genre", "Layer"]

_TABLE: Final = {
    genre.name: genre
    for genre in (
        AMBIENT,
        BLUES_SHUFFLE,
        BOSSA_NOVA,
        CHIPTUNE,
        CHOIR_HYMN,
        CLASSICAL_PIANO,
        COUNTRY,
        DISCO,
        DRUM_AND_BASS,
        FOLK,
        FUNK,
        HOUSE,
        JAZZ_SWING,
        LO_FI_HIP_HOP,
        METAL,
        MUSIC_BOX_LULLABY,
        ORCHESTRAL_CINEMATIC,
        REGGAE,
        ROCK,
        STRING_QUARTET,
        SYNTHWAVE,
        TECHNO,
        TRAP,
        WALTZ,
    )
}

GENRES: Final[dict[str, Genre]] = {name: _TABLE[name] for name in vocabulary.GENRES}
"""By name. The order decides what a seed composes."""
