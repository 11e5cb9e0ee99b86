"""What is true of a piece: the facts that captions draw on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from training.factory.theory import MeterName, Mode

Texture = Literal["solo", "sparse", "full"]
NO_KIT = -1


@dataclass(frozen=True)
class Attributes:
    """Facts about a piece.

    Attributes
    ----------
    genre, mood : str
        As in `audio_chain.vocabulary`.
    bpm : int
        Beats a minute as felt: dotted quarters in 6/8, else quarters.
    tempo : str
        Class of the tempo in quarter notes, as in the vocabulary.
    key : str
        Tonic, such as "F#".
    mode : str
        Scale.
    meter : str
        Time signature.
    instruments : tuple of str
        Those that can be heard in the clip, "drums" among them.
    has_drums : bool
        Whether there are drums.
    drum_kit : int
        Program of the kit, or -1.
    texture : {"solo", "sparse", "full"}
        One, two, or more instruments.
    energy : float
        0 (hushed) to 1 (full on), two decimals.
    lead : str
        The instrument that has the melody, "" if none has.
    seconds : float
        Length of the clip.
    beat : float
        Share of a beat that is over when the clip begins, 0 to 1, four decimals.
    """

    genre: str
    mood: str
    bpm: int
    tempo: str
    key: str
    mode: Mode
    meter: MeterName
    instruments: tuple[str, ...]
    has_drums: bool
    drum_kit: int
    texture: Texture
    energy: float
    lead: str
    seconds: float
    beat: float
