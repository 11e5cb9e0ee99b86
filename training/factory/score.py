"""A piece ready to be rendered: tracks of notes in MIDI's terms, and how to mix them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.factory.instruments import Kit

TICKS_PER_QUARTER: Final = 480
TICKS_PER_STEP: Final = TICKS_PER_QUARTER // 4
"""Ticks in a sixteenth note."""

VELOCITY_EXPONENT: Final = 1.8
"""Amplitude grows with this power of the velocity."""


def velocity_factor(gain: float) -> float:
    """Factor on velocities that makes notes louder by `gain` dB."""
    return float(10 ** (gain / (20 * VELOCITY_EXPONENT)))


@dataclass(frozen=True, eq=False)
class Track:
    """One instrument's notes, as arrays of equal length.

    Attributes
    ----------
    name : str
        An instrument, or "drums".
    program : int
        General MIDI program, on the percussion bank if `is_drums`.
    is_drums : bool
        Whether pitches are drums.
    wet : bool
        Whether the track goes to the room and through the side chain.
    starts, durations : int32 arrays
        In ticks.
    pitches, velocities : int32 arrays
        0 to 127.
    """

    name: str
    program: int
    is_drums: bool
    wet: bool
    starts: NDArray[np.int32]
    durations: NDArray[np.int32]
    pitches: NDArray[np.int32]
    velocities: NDArray[np.int32]

    @property
    def voice(self) -> str:
        """What the note bank calls the sound: the instrument, or the kit."""
        return Kit(self.program).voice if self.is_drums else self.name


@dataclass(frozen=True)
class Mix:
    """How a piece is mixed.

    Attributes
    ----------
    pulse_bpm : float
        Beats a minute, as felt: dotted quarters in 6/8.
    level : float
        Peak, in dBFS.
    drive : float
        Gain into the soft clipper.
    room : float
        Level of the reverberation, 0 for none.
    reverb_seconds : float
        Its decay by 60 dB.
    duck : float
        Depth of the side chain, 0 for none.
    lowpass : int
        Cut-off in Hz, 0 for none.
    dust : float
        Amount of vinyl noise, 0 for none.
    seed : int
        Of the noise.
    """

    pulse_bpm: float
    level: float
    drive: float
    room: float
    reverb_seconds: float
    duck: float
    lowpass: int
    dust: float
    seed: int


@dataclass(frozen=True, eq=False)
class Score:
    """A clip of a piece.

    Attributes
    ----------
    quarter_microseconds : int
        Length of a quarter note, MIDI's measure of tempo.
    start : int
        Tick at which the clip begins.
    seconds : float
        Its length.
    tracks : tuple of Track
        The notes.
    mix : Mix
        How they are put together.
    """

    quarter_microseconds: int
    start: int
    seconds: float
    tracks: tuple[Track, ...]
    mix: Mix

    def samples_per_tick(self, rate: int) -> float:
        """Length of a tick at a sample rate in Hz."""
        quarters_per_minute = 60e6 / self.quarter_microseconds
        return 60 / quarters_per_minute / TICKS_PER_QUARTER * rate
