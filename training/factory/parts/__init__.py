"""Who writes what a layer plays, by role."""

from __future__ import annotations

import random
from typing import Final, Protocol

from training.factory.genres.schema import Layer, Role
from training.factory.parts.arpeggio import arpeggio
from training.factory.parts.bass import bass, drone, timpani, walk
from training.factory.parts.chords import comp, pad
from training.factory.parts.chugs import chugs
from training.factory.parts.melody import melody
from training.factory.song import Note, Song


class Writer(Protocol):
    """Writes the notes of a layer for the instrument that was chosen to play it."""

    def __call__(
        self, layer: Layer, instrument: str, song: Song, rng: random.Random
    ) -> list[Note]: ...


WRITERS: Final[dict[Role, Writer]] = {
    "melody": melody,
    "comp": comp,
    "strum": comp,
    "chorale": comp,
    "pad": pad,
    "arpeggio": arpeggio,
    "bass": bass,
    "walk": walk,
    "drone": drone,
    "timpani": timpani,
    "chug": chugs,
}
