"""Synthesizers of the eighties, and of early consoles."""

from __future__ import annotations

from training.factory.genres.progressions import POP
from training.factory.genres.schema import Beat, Genre, Layer, Reverb, grid
from training.factory.instruments import Kit

SYNTHWAVE = Genre(
    name="synthwave",
    titles=("synthwave", "retro synthwave", "80s synthwave", "outrun"),
    grooves=("gated retro drums", "a steady 80s drum machine"),
    bpm=(82, 118),
    energy=0.58,
    moods=("energetic", "dreamy", "dark", "epic", "mysterious", "hopeful", "melancholic"),
    modes={"minor": 4, "major": 1, "dorian": 1},
    progressions=POP,
    layers=(
        Layer(
            "bass",
            ("synth bass", "deep synth bass"),
            ("RRRRRRRRRRRRRRRR", "R.R.R.R.R.R.R.R.", "R.RRR.RRR.RRR.RR", "R.8.R.8.R.8.R.8."),
            center=34,
            gain=-2,
            dry=True,
            length=0.75,
        ),
        Layer("pad", ("polysynth", "synth strings", "warm pad", "sweep pad"), gain=-6, voices=4),
        Layer(
            "melody",
            ("saw lead", "square lead", "polysynth", "tenor sax"),
            center=74,
            gain=-2,
            chance=0.75,
            density=0.8,
        ),
        Layer(
            "arpeggio",
            ("synth pluck", "soft pluck", "saw lead"),
            ("0123210101232101", "0.1.2.3.2.1.2.1.", "0120120120120123"),
            center=70,
            gain=-8,
            chance=0.6,
            length=0.7,
        ),
    ),
    beats=(
        Beat(
            (Kit.POWER, Kit.ELECTRONIC),
            grid("""
                kick   X.......X.......
                snare  ....X.......X...
                hat    x.x.x.x.x.x.x.x.
            """),
            gain=1,
        ),
        Beat(
            (Kit.POWER, Kit.ELECTRONIC),
            grid("""
                kick   X...X...X...X...
                snare  ....X.......X...
                hat    ..x...x...x...x.
            """),
            gain=1,
        ),
        Beat(
            (Kit.POWER,),
            grid("""
                kick       X..x..x.X.......
                snare      ....X.......X...
                hat        xxxxxxxxxxxxxxxx
                high tom   ..............x.
                floor tom  ...............x
            """),
            energy=(0.5, 1),
            gain=1,
        ),
    ),
    looseness=0.015,
    reverb=Reverb(0.35, 1.5),
    duck=0.3,
)

CHIPTUNE = Genre(
    name="chiptune",
    titles=("chiptune", "8-bit", "retro video game music", "8-bit chiptune"),
    grooves=("8-bit drums", "crunchy noise drums"),
    bpm=(112, 172),
    energy=0.62,
    moods=("happy", "playful", "energetic", "epic", "tense", "mysterious", "dark"),
    modes={"major": 3, "minor": 2, "mixolydian": 1},
    progressions=POP,
    layers=(
        Layer("melody", ("square lead",), center=76, dry=True, density=1.25),
        Layer(
            "arpeggio",
            ("square lead", "saw lead", "soft pluck"),
            ("0120120120120120", "0.1.2.3.0.1.2.3.", "0123210101232101", "012012012012"),
            center=68,
            gain=-7,
            dry=True,
            length=0.8,
        ),
        Layer(
            "bass",
            ("pulse bass", "synth bass"),
            ("R.R.8.R.R.R.8.5.", "R.8.R.8.R.8.R.8.", "RR8RRR8RRR8RRR8R", "R---R---5---8---"),
            center=36,
            gain=-2,
            dry=True,
            length=0.7,
        ),
    ),
    beats=(
        Beat(
            (Kit.ELECTRONIC,),
            grid("""
                kick   x...x...x...x...
                snare  ....x.......x...
                hat    x.x.x.x.x.x.x.x.
            """),
            gain=-2,
        ),
        Beat(
            (Kit.ELECTRONIC, Kit.TR_808),
            grid("""
                kick   x.....x.x.......
                snare  ....x.......x..x
                hat    xxxxxxxxxxxxxxxx
            """),
            gain=-2,
        ),
    ),
    melody_notes=9,
    looseness=0,
    reverb=Reverb(0, 0.6),
)
