"""The instruments and drums of the soundfont that the factory plays, by plain name.

Programs are General MIDI's, counted from 0. Some instruments are another one's program played
lower or with an envelope of our own (the plucked synths).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal


@dataclass(frozen=True)
class Instrument:
    """How to play an instrument, and what to call it.

    Attributes
    ----------
    program : int
        General MIDI program, 0 to 127.
    low, high : int
        Lowest and highest MIDI pitch that sounds well.
    kind : {"decaying", "sustained", "plucked"}
        Whether a held note dies away, stays, or gets the short envelope of a synthesizer's pluck.
    release : float
        Seconds from the end of a note to silence.
    names : tuple of str
        What captions call it, the plainest first.
    """

    program: int
    low: int
    high: int
    kind: Literal["decaying", "sustained", "plucked"]
    release: float
    names: tuple[str, ...]


@dataclass(frozen=True)
class Drum:
    """One drum of a kit: General MIDI `pitch`, `gain` in dB, `seconds` it rings."""

    pitch: int
    gain: float
    seconds: float


class Kit(IntEnum):
    """Drum kits, by their program on the percussion bank."""

    STANDARD = 0
    ROOM = 8
    POWER = 16
    ELECTRONIC = 24
    TR_808 = 25
    JAZZ = 32
    BRUSHES = 40

    @property
    def voice(self) -> str:
        """What the note bank calls it."""
        return f"kit{self.value}"


DRUMS_TRACK: Final = "drums"
"""The name that stands for all drums, in attributes and wishes."""

INSTRUMENTS: Final = {
    "piano": Instrument(0, 28, 98, "decaying", 0.22, ("piano", "acoustic piano", "grand piano")),
    "honky-tonk piano": Instrument(
        3, 36, 90, "decaying", 0.2, ("honky-tonk piano", "saloon piano")
    ),
    "electric piano": Instrument(
        4, 33, 88, "decaying", 0.2, ("electric piano", "Rhodes", "Rhodes piano", "e-piano")
    ),
    "harpsichord": Instrument(6, 36, 88, "decaying", 0.15, ("harpsichord",)),
    "clavinet": Instrument(7, 40, 84, "decaying", 0.05, ("clavinet", "funky clavinet")),
    "celesta": Instrument(8, 60, 98, "decaying", 0.5, ("celesta",)),
    "glockenspiel": Instrument(9, 60, 90, "decaying", 0.6, ("glockenspiel", "bells")),
    "music box": Instrument(10, 55, 96, "decaying", 0.8, ("music box", "tinkling music box")),
    "vibraphone": Instrument(11, 48, 90, "decaying", 0.5, ("vibraphone", "vibes")),
    "marimba": Instrument(12, 45, 88, "decaying", 0.3, ("marimba",)),
    "drawbar organ": Instrument(
        16, 36, 90, "sustained", 0.05, ("organ", "Hammond organ", "drawbar organ")
    ),
    "rock organ": Instrument(
        18, 36, 88, "sustained", 0.06, ("rock organ", "organ", "overdriven organ")
    ),
    "church organ": Instrument(19, 31, 90, "sustained", 0.45, ("church organ", "pipe organ")),
    "accordion": Instrument(21, 43, 90, "sustained", 0.1, ("accordion",)),
    "harmonica": Instrument(22, 55, 90, "sustained", 0.08, ("harmonica", "blues harp")),
    "nylon guitar": Instrument(
        24, 38, 84, "decaying", 0.18, ("nylon guitar", "classical guitar", "nylon-string guitar")
    ),
    "acoustic guitar": Instrument(
        25, 38, 84, "decaying", 0.2, ("acoustic guitar", "steel-string guitar")
    ),
    "jazz guitar": Instrument(
        26, 40, 84, "decaying", 0.1, ("jazz guitar", "warm hollow-body guitar")
    ),
    "clean electric guitar": Instrument(
        27, 38, 86, "decaying", 0.12, ("clean electric guitar", "clean guitar")
    ),
    "muted guitar": Instrument(
        28,
        40,
        80,
        "decaying",
        0.05,
        ("muted electric guitar", "palm-muted guitar", "scratchy guitar"),
    ),
    "overdriven guitar": Instrument(
        29,
        38,
        88,
        "sustained",
        0.08,
        ("overdriven guitar", "crunchy electric guitar", "electric guitar"),
    ),
    "distorted guitar": Instrument(
        30,
        34,
        88,
        "sustained",
        0.06,
        ("distorted guitar", "heavy distorted guitars", "high-gain guitar"),
    ),
    "upright bass": Instrument(
        32, 26, 60, "decaying", 0.12, ("upright bass", "double bass", "acoustic bass")
    ),
    "bass guitar": Instrument(
        33, 26, 60, "decaying", 0.08, ("bass guitar", "electric bass", "bass")
    ),
    "picked bass": Instrument(
        34, 24, 60, "decaying", 0.06, ("picked bass", "bass guitar", "driving bass")
    ),
    "fretless bass": Instrument(35, 26, 60, "decaying", 0.1, ("fretless bass", "smooth bass")),
    "slap bass": Instrument(36, 26, 60, "decaying", 0.05, ("slap bass", "funky slap bass")),
    "synth bass": Instrument(
        38, 24, 60, "sustained", 0.04, ("synth bass", "synthesizer bass", "analog bass")
    ),
    "deep synth bass": Instrument(
        39, 24, 60, "sustained", 0.05, ("deep synth bass", "sub bass", "synth bass")
    ),
    "violin": Instrument(40, 55, 98, "sustained", 0.2, ("violin", "solo violin")),
    "viola": Instrument(41, 48, 84, "sustained", 0.2, ("viola",)),
    "cello": Instrument(42, 36, 74, "sustained", 0.25, ("cello", "solo cello")),
    "tremolo strings": Instrument(
        44, 36, 90, "sustained", 0.3, ("tremolo strings", "shimmering strings")
    ),
    "pizzicato strings": Instrument(
        45, 36, 90, "decaying", 0.2, ("pizzicato strings", "plucked strings")
    ),
    "harp": Instrument(46, 36, 96, "decaying", 0.6, ("harp",)),
    "timpani": Instrument(47, 36, 55, "decaying", 0.6, ("timpani", "orchestral drums")),
    "strings": Instrument(
        48, 31, 96, "sustained", 0.35, ("strings", "string section", "orchestral strings")
    ),
    "slow strings": Instrument(
        49, 31, 90, "sustained", 0.6, ("soft strings", "lush strings", "slow strings")
    ),
    "synth strings": Instrument(50, 36, 90, "sustained", 0.5, ("synth strings", "string machine")),
    "choir": Instrument(52, 40, 86, "sustained", 0.45, ("choir", "choir voices", "wordless choir")),
    "voice oohs": Instrument(
        53, 45, 86, "sustained", 0.4, ("voice oohs", "soft vocals", "humming voices")
    ),
    "trumpet": Instrument(56, 53, 88, "sustained", 0.12, ("trumpet",)),
    "muted trumpet": Instrument(59, 53, 86, "sustained", 0.12, ("muted trumpet",)),
    "trombone": Instrument(57, 36, 72, "sustained", 0.15, ("trombone",)),
    "french horn": Instrument(60, 38, 78, "sustained", 0.25, ("french horn", "horns")),
    "brass section": Instrument(
        61, 40, 86, "sustained", 0.12, ("brass section", "brass", "horn section")
    ),
    "alto sax": Instrument(65, 49, 84, "sustained", 0.12, ("alto sax", "saxophone")),
    "tenor sax": Instrument(66, 44, 80, "sustained", 0.12, ("tenor sax", "saxophone", "sax")),
    "oboe": Instrument(68, 58, 90, "sustained", 0.15, ("oboe",)),
    "clarinet": Instrument(71, 50, 90, "sustained", 0.15, ("clarinet",)),
    "flute": Instrument(73, 59, 96, "sustained", 0.18, ("flute",)),
    "pan flute": Instrument(75, 55, 92, "sustained", 0.2, ("pan flute",)),
    "whistle": Instrument(78, 62, 92, "sustained", 0.15, ("whistle", "whistling")),
    "square lead": Instrument(
        80, 40, 96, "sustained", 0.02, ("square lead", "square wave lead", "8-bit lead")
    ),
    "saw lead": Instrument(
        81, 40, 96, "sustained", 0.04, ("saw lead", "sawtooth lead", "synth lead")
    ),
    "pulse bass": Instrument(
        80, 26, 60, "sustained", 0.02, ("chip bass", "pulse bass", "8-bit bass")
    ),
    "synth pluck": Instrument(
        81, 45, 96, "plucked", 0.06, ("synth pluck", "plucky synth", "bright plucks")
    ),
    "soft pluck": Instrument(
        80, 45, 96, "plucked", 0.08, ("soft synth pluck", "synth plucks", "blips")
    ),
    "new age pad": Instrument(
        88, 36, 90, "sustained", 0.8, ("airy pad", "new age pad", "shimmering pad")
    ),
    "warm pad": Instrument(
        89, 33, 88, "sustained", 0.7, ("warm pad", "warm synth pad", "synth pad")
    ),
    "polysynth": Instrument(
        90, 36, 88, "sustained", 0.15, ("polysynth", "synth chords", "analog synth")
    ),
    "choir pad": Instrument(91, 36, 88, "sustained", 0.7, ("choir pad", "ethereal vocal pad")),
    "bowed pad": Instrument(92, 36, 88, "sustained", 0.7, ("glassy pad", "bowed glass pad")),
    "halo pad": Instrument(94, 36, 88, "sustained", 0.8, ("halo pad", "glowing pad")),
    "sweep pad": Instrument(
        95, 36, 88, "sustained", 0.8, ("sweeping pad", "sweep pad", "evolving pad")
    ),
    "atmosphere": Instrument(
        99, 40, 88, "decaying", 0.6, ("atmospheric synth", "atmosphere synth")
    ),
    "banjo": Instrument(105, 45, 84, "decaying", 0.12, ("banjo",)),
    "fiddle": Instrument(110, 55, 94, "sustained", 0.12, ("fiddle",)),
}

DRUMS: Final = {
    "kick": Drum(36, 1, 0.7),
    "snare": Drum(38, 0, 0.7),
    "hat": Drum(42, -10, 0.12),
    "open hat": Drum(46, -10, 0.5),
    "pedal hat": Drum(44, -13, 0.15),
    "ride": Drum(51, -9, 1.2),
    "crash": Drum(49, -6, 1.6),
    "high tom": Drum(50, -3, 0.7),
    "mid tom": Drum(47, -3, 0.7),
    "floor tom": Drum(43, -2, 0.7),
    "side stick": Drum(37, -6, 0.2),
    "clap": Drum(39, -3, 0.7),
    "tambourine": Drum(54, -11, 0.2),
    "shaker": Drum(70, -12, 0.12),
    "cowbell": Drum(56, -12, 0.7),
    "conga": Drum(63, -7, 0.7),
}

KIT_NAMES: Final = {
    Kit.STANDARD: ("drums", "drum kit", "acoustic drums"),
    Kit.ROOM: ("drums", "roomy drums"),
    Kit.POWER: ("powerful drums", "big drums"),
    Kit.ELECTRONIC: ("electronic drums", "drum machine"),
    Kit.TR_808: ("808 drums", "808 drum machine", "drum machine"),
    Kit.JAZZ: ("jazz drums", "swinging drums"),
    Kit.BRUSHES: ("brushed drums", "brushes", "soft brushed drums"),
}
"""What captions call the kits, the plainest first."""
