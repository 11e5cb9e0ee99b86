"""Electronic dance music."""

from __future__ import annotations

from training.factory.genres.progressions import NINTH, POP, VAMP
from training.factory.genres.schema import Beat, Genre, Layer, Reverb, grid
from training.factory.instruments import Kit

HOUSE = Genre(
    name="house",
    titles=("house", "house track", "deep house", "dance track"),
    grooves=("a four-on-the-floor kick", "a steady four-on-the-floor beat", "offbeat hi-hats"),
    bpm=(118, 128),
    energy=0.7,
    moods=("happy", "energetic", "dreamy", "hopeful", "dark", "playful"),
    modes={"major": 2, "minor": 3, "dorian": 2},
    progressions=NINTH,
    layers=(
        Layer(
            "bass",
            ("synth bass", "deep synth bass", "bass guitar"),
            ("..R-..R-..R-..R-", "R..R..R...R..R..", "..R-..8-..R-5-8-", "R.R.8.R.R.8.R.5."),
            center=36,
            gain=-1,
            dry=True,
        ),
        Layer(
            "comp",
            ("piano", "rock organ", "polysynth", "electric piano", "drawbar organ"),
            ("x..x..x...x..x..", "..x...x...x...x.", "x--...x--.x-....", "..x-..x-..xx..x-"),
            center=62,
            gain=-3,
            voices=4,
        ),
        Layer(
            "arpeggio",
            ("synth pluck", "soft pluck", "marimba"),
            ("0.2.1.3.0.2.1.3.", "0..1..2..3..2.1.", "0123012301230123"),
            center=72,
            gain=-6,
            chance=0.6,
        ),
        Layer(
            "pad",
            ("warm pad", "synth strings", "strings", "sweep pad"),
            center=64,
            gain=-9,
            chance=0.5,
        ),
        Layer(
            "melody",
            ("saw lead", "synth pluck", "alto sax", "flute", "square lead"),
            center=74,
            gain=-4,
            chance=0.35,
        ),
    ),
    beats=(
        Beat(
            (Kit.ELECTRONIC, Kit.TR_808),
            grid("""
                kick      X...X...X...X...
                clap      ....X.......X...
                open hat  ..x...x...x...x.
                hat       x.x.x.x.x.x.x.x.
            """),
            gain=1,
        ),
        Beat(
            (Kit.ELECTRONIC, Kit.TR_808, Kit.POWER),
            grid("""
                kick    X...X...X...X...
                snare   ....x.......x...
                hat     ..x...x...x...x.
                shaker  xoxoxoxoxoxoxoxo
            """),
            gain=1,
        ),
        Beat(
            (Kit.TR_808,),
            grid("""
                kick        X...X...X...X..x
                clap        ....X.......X..x
                open hat    ..x...x...x...x.
                tambourine  x.xxx.xxx.xxx.xx
                conga       ...x..x....x..x.
            """),
            energy=(0.4, 1),
            gain=1,
        ),
    ),
    looseness=0,
    solo=False,
    reverb=Reverb(0.2, 1),
    duck=0.55,
)

TECHNO = Genre(
    name="techno",
    titles=("techno", "techno track", "warehouse techno"),
    grooves=("a pounding four-on-the-floor kick", "a relentless kick drum"),
    bpm=(126, 142),
    energy=0.78,
    moods=("dark", "energetic", "aggressive", "tense", "mysterious"),
    modes={"minor": 4, "phrygian": 2, "dorian": 1},
    progressions=VAMP,
    layers=(
        Layer(
            "bass",
            ("synth bass", "deep synth bass"),
            ("..RR..RR..RR..RR", ".RRR.RRR.RRR.RRR", "R.RR.R.RR.RR.R8R", "..R...R...R..R.."),
            center=34,
            gain=-2,
            dry=True,
            length=0.7,
        ),
        Layer(
            "arpeggio",
            ("saw lead", "square lead", "synth pluck", "soft pluck", "polysynth"),
            ("0.0.1.0.0.2.0.1.", "0..1..0..2..0.1.", "0010020100100201", "0.1.2.0.1.2.0.1."),
            gain=-5,
            length=0.6,
        ),
        Layer(
            "comp",
            ("polysynth", "synth strings", "saw lead"),
            ("...x..x.........", "x..x..x..x..x...", "......x.......x."),
            center=58,
            gain=-6,
            chance=0.55,
            length=0.6,
        ),
        Layer(
            "pad",
            ("sweep pad", "warm pad", "synth strings", "choir pad"),
            center=62,
            gain=-10,
            chance=0.5,
        ),
    ),
    beats=(
        Beat(
            (Kit.ELECTRONIC, Kit.TR_808),
            grid("""
                kick      X...X...X...X...
                open hat  ..x...x...x...x.
                clap      ....x.......x...
            """),
            gain=2,
        ),
        Beat(
            (Kit.ELECTRONIC, Kit.TR_808, Kit.POWER),
            grid("""
                kick      X...X...X...X...
                hat       xxxxxxxxxxxxxxxx
                open hat  ..x...x...x...x.
            """),
            gain=2,
        ),
        Beat(
            (Kit.TR_808, Kit.ELECTRONIC),
            grid("""
                kick     X...X...X...X..x
                ride     ..x...x...x...x.
                snare    .......o....x..o
                cowbell  ..x..x....x..x..
            """),
            gain=2,
        ),
    ),
    looseness=0,
    solo=False,
    reverb=Reverb(0.3, 1),
    duck=0.5,
)

DRUM_AND_BASS = Genre(
    name="drum and bass",
    titles=("drum and bass", "drum & bass", "dnb", "liquid drum and bass"),
    grooves=("fast breakbeats", "a rolling breakbeat"),
    bpm=(164, 178),
    energy=0.82,
    moods=("energetic", "dark", "dreamy", "tense", "aggressive", "hopeful", "mysterious"),
    modes={"minor": 4, "dorian": 1, "major": 1},
    progressions=POP,
    bars_per_chord=2,
    layers=(
        Layer(
            "bass",
            ("deep synth bass", "synth bass"),
            ("R-------..R-----", "R---R-....8-R---", "R-----R-----5---", "R.R...R-R..8..R."),
            center=34,
            dry=True,
        ),
        Layer(
            "pad",
            ("warm pad", "synth strings", "choir pad", "sweep pad", "halo pad"),
            center=62,
            gain=-7,
            chance=0.8,
            voices=4,
        ),
        Layer(
            "arpeggio",
            ("soft pluck", "synth pluck", "electric piano", "piano", "vibraphone"),
            ("0...2...1...3...", "0.1.2...3.2.1...", "0.12.1.20.12.3.2"),
            center=72,
            gain=-6,
            chance=0.6,
        ),
        Layer(
            "melody",
            ("saw lead", "flute", "electric piano", "voice oohs", "square lead"),
            center=74,
            gain=-4,
            chance=0.5,
            density=0.6,
        ),
    ),
    beats=(
        Beat(
            (Kit.STANDARD, Kit.ELECTRONIC, Kit.POWER),
            grid("""
                kick   X.........x.....
                snare  ....X.......X...
                hat    x.x.x.x.x.x.x.x.
            """),
            gain=2,
        ),
        Beat(
            (Kit.STANDARD, Kit.POWER),
            grid("""
                kick   X.x.......x.....
                snare  ....X..o.o..X..o
                ride   x.x.x.x.x.x.x.x.
            """),
            gain=2,
        ),
        Beat(
            (Kit.ELECTRONIC, Kit.POWER),
            grid("""
                kick   X..x......x...x.
                snare  ....X..o....X.o.
                hat    xxx.xxx.xxx.xxx.
            """),
            gain=2,
        ),
    ),
    looseness=0.015,
    reverb=Reverb(0.3, 1.5),
)
