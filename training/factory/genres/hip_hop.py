"""Beats under a loop."""

from __future__ import annotations

from training.factory.genres.progressions import MODAL, NINTH, POP
from training.factory.genres.schema import SIXTEENTHS, Beat, Genre, Layer, Reverb, Swing, grid
from training.factory.instruments import Kit

LO_FI_HIP_HOP = Genre(
    name="lo-fi hip hop",
    titles=("lo-fi hip hop", "lofi hip hop", "chillhop", "lo-fi beats"),
    grooves=("dusty drums", "a lazy boom-bap beat", "a laid-back swung beat"),
    bpm=(68, 92),
    energy=0.32,
    moods=("calm", "melancholic", "dreamy", "romantic", "hopeful"),
    modes={"major": 2, "minor": 2, "dorian": 1},
    progressions=NINTH,
    layers=(
        Layer(
            "comp",
            ("electric piano", "piano", "jazz guitar", "nylon guitar", "vibraphone"),
            ("x-------..x-----", "x-----x---------", "..x---..x-------", "x--x------x-----"),
            gain=-2,
            voices=4,
        ),
        Layer(
            "bass",
            ("bass guitar", "upright bass", "deep synth bass", "fretless bass"),
            ("R-----R-..5-----", "R-------..R-5---", "R--R----..8-7-5-"),
            center=36,
            gain=-1,
            dry=True,
        ),
        Layer(
            "melody",
            (
                "vibraphone",
                "electric piano",
                "jazz guitar",
                "flute",
                "piano",
                "muted trumpet",
                "celesta",
            ),
            center=72,
            gain=-3,
            chance=0.6,
            density=0.7,
            scale="pentatonic",
        ),
        Layer("pad", ("warm pad", "slow strings", "voice oohs"), center=62, gain=-11, chance=0.35),
    ),
    beats=(
        Beat(
            (Kit.STANDARD, Kit.ROOM),
            grid("""
                kick   x......x..x.....
                snare  ....x.......x...
                hat    x.x.x.x.x.x.x.x.
            """),
            gain=-1,
        ),
        Beat(
            (Kit.STANDARD, Kit.JAZZ),
            grid("""
                kick   x.....x...x....x
                snare  ....x.......x..o
                hat    x.xxx.x.x.x.x.xx
            """),
            gain=-1,
        ),
        Beat(
            (Kit.STANDARD,),
            grid("""
                kick        x.......x.......
                side stick  ....x.......x...
                shaker      x.x.x.x.x.x.x.x.
            """),
            energy=(0, 0.4),
            gain=-1,
        ),
    ),
    swing=Swing(SIXTEENTHS, 0.55, 0.62),
    reverb=Reverb(0.18, 1),
    lowpass=(3000, 5500),
    dust=0.8,
)

TRAP = Genre(
    name="trap",
    titles=("trap", "trap beat", "trap instrumental", "808 trap"),
    grooves=("808 drums and rolling hi-hats", "a half-time trap beat"),
    bpm=(128, 152),
    energy=0.62,
    moods=("dark", "aggressive", "tense", "mysterious", "melancholic", "epic", "energetic"),
    modes={"minor": 4, "phrygian": 1},
    progressions={"minor": POP["minor"], "phrygian": MODAL["phrygian"]},
    layers=(
        Layer(
            "bass",
            ("deep synth bass", "synth bass"),
            ("R-----........R-", "R-------..R-....", "R---..R-....R---"),
            center=32,
            gain=2,
            dry=True,
        ),
        Layer(
            "arpeggio",
            ("music box", "piano", "soft pluck", "celesta", "electric piano", "harp", "flute"),
            ("0...2...1...3...", "0..1..2...1...3.", "0.1.2...1.2.3..."),
            center=72,
            gain=-3,
        ),
        Layer("pad", ("choir", "warm pad", "strings", "choir pad"), gain=-9, chance=0.6),
        Layer(
            "melody",
            ("flute", "square lead", "brass section", "voice oohs", "electric piano"),
            center=74,
            gain=-4,
            chance=0.4,
            density=0.5,
        ),
    ),
    beats=(
        Beat(
            (Kit.TR_808,),
            grid("""
                kick  X.....x...x.....
                clap  ........X.......
                hat   x.x.x.x.x.x.xxxx
            """),
            gain=2,
        ),
        Beat(
            (Kit.TR_808,),
            grid("""
                kick      X..x......x...x.
                snare     ........X.......
                hat       x.xxx.x.x.x.xxx.
                open hat  ..............x.
            """),
            gain=2,
        ),
        Beat(
            (Kit.TR_808, Kit.ELECTRONIC),
            grid("""
                kick  X.........x.x...
                clap  ........X......x
                hat   xxxxxxxxxxxxxxxx
            """),
            energy=(0.4, 1),
            gain=2,
        ),
    ),
    looseness=0,
    reverb=Reverb(0.25, 1),
)
