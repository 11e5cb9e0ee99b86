"""What a caller may ask of a piece."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, TypedDict, get_args

from audio_chain.errors import UsageError
from training.factory.attributes import Texture
from training.factory.genres import GENRES
from training.factory.instruments import DRUMS_TRACK, INSTRUMENTS
from training.factory.moods import MOODS
from training.factory.theory import MAJOR_KEYS, METERS, MINOR_KEYS, SCALES, MeterName, Mode


class Wishes(TypedDict, total=False):
    """Facts to fix; whatever is left out is chosen by chance.

    Attributes
    ----------
    genre, mood, key, mode, meter, texture, bpm, energy
        As in `Attributes`.
    instruments : sequence of str
        Exactly these, "drums" among them if there shall be drums.
    drums : bool
        Whether there shall be drums; overrules `instruments`. A genre that has none stays without.
    """

    genre: str
    mood: str
    bpm: int
    key: str
    mode: Mode
    meter: MeterName
    energy: float
    texture: Texture
    instruments: Sequence[str]
    drums: bool


_KNOWN: Final[Mapping[str, Collection[str]]] = {
    "genre": GENRES,
    "mood": MOODS,
    "key": (*MAJOR_KEYS, *MINOR_KEYS),
    "mode": SCALES,
    "meter": METERS,
    "texture": get_args(Texture),
}

_BPM: Final = (20, 400)


def check(wishes: Wishes) -> None:
    """Refuse names that the factory doesn't know, and numbers out of range.

    Raises
    ------
    UsageError
        Naming the wish.
    """
    if not _BPM[0] <= wishes.get("bpm", _BPM[0]) <= _BPM[1]:
        raise UsageError(f"bpm {wishes['bpm']} is out of range: {_BPM[0]} to {_BPM[1]}")
    if not 0 <= wishes.get("energy", 0) <= 1:
        raise UsageError(f"energy {wishes['energy']} is out of range: 0 to 1")
    for name, known in _KNOWN.items():
        value = wishes.get(name)
        if value is not None and value not in known:
            choices = ", ".join(dict.fromkeys(known))
            raise UsageError(f"unknown {name} {value!r}: choose among {choices}")
    for instrument in wishes.get("instruments", ()):
        if instrument != DRUMS_TRACK and instrument not in INSTRUMENTS:
            raise UsageError(f"unknown instrument {instrument!r}: the vocabulary lists them")
