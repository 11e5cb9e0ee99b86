"""The note bank: every note that the factory may need, recorded once and memory-mapped.

The whole bank takes half a minute to build and 850 MB in the cache; all processes share it. A
bank of a few instruments is smaller by as much.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audio_chain.weights import derived
from training import soundfont
from training.factory.instruments import DRUMS, DRUMS_TRACK, INSTRUMENTS, Kit
from training.factory.sampling import RATE, record, synthesizer_version

ALL: Final = (*INSTRUMENTS, DRUMS_TRACK)
"""Everything that can be recorded: the instruments, and the drums of all kits."""

_FORMAT: Final = 1
_SAMPLES: Final = "samples.i16"
_INDEX: Final = "index.json"


class Sound(NamedTuple):
    """Where a note lies in the bank, in samples, and the factor to its true amplitude."""

    offset: int
    length: int
    scale: float


@dataclass(frozen=True, eq=False)
class NoteBank:
    """Recorded notes.

    Attributes
    ----------
    samples : int16 array
        All notes on end, mono at `RATE`; memory-mapped, read-only.
    sounds : mapping of (str, int) to Sound
        Notes by voice (an instrument, or a kit's voice) and MIDI pitch.
    """

    samples: NDArray[np.int16]
    sounds: Mapping[tuple[str, int], Sound]

    @classmethod
    def load(cls, folder: Path) -> NoteBank:
        """Map a bank that `open_bank` has built."""
        rows = json.loads((folder / _INDEX).read_text())
        sounds = {(voice, pitch): Sound(*place) for voice, pitch, *place in rows}
        return cls(np.memmap(folder / _SAMPLES, np.int16, "r"), sounds)

    @property
    def longest(self) -> int:
        """Samples in the longest note."""
        return max(sound.length for sound in self.sounds.values())


def open_bank(instruments: Collection[str] = ALL) -> NoteBank:
    """Open the bank of some instruments, or of all, and build it first if it isn't in the cache.

    Parameters
    ----------
    instruments : collection of str
        Names in `INSTRUMENTS`, and "drums".

    Raises
    ------
    ChainError
        The soundfont, tinysoundfont or room in the cache is missing; says what to do.
    """
    names = [name for name in INSTRUMENTS if name in instruments]
    kits = list(Kit) if DRUMS_TRACK in instruments else []

    def build(folder: Path) -> None:
        _build(folder, names, kits)

    return NoteBank.load(derived("note-bank", _key(names, kits), build))


def _key(names: list[str], kits: list[Kit]) -> str:
    """Hash of all that the bank's content depends on."""
    specification = {
        "format": _FORMAT,
        "soundfont": soundfont.SHA256,
        "tinysoundfont": synthesizer_version(),
        "rate": RATE,
        "instruments": [_recorded(name) for name in names],
        "drums": [(drum.pitch, drum.seconds) for drum in DRUMS.values()] if kits else [],
        "kits": kits,
    }
    return hashlib.sha256(json.dumps(specification).encode()).hexdigest()


def _recorded(name: str) -> tuple[str, int, int, int, str]:
    instrument = INSTRUMENTS[name]
    return name, instrument.program, instrument.low, instrument.high, instrument.kind


def _build(folder: Path, names: list[str], kits: list[Kit]) -> None:
    index = []
    offset = 0
    with (folder / _SAMPLES).open("wb") as file:
        for voice, note in record(soundfont.fetch_soundfont(), names, kits):
            note.samples.tofile(file)
            index.append((voice, note.pitch, offset, len(note.samples), note.scale))
            offset += len(note.samples)
    (folder / _INDEX).write_text(json.dumps(index))
