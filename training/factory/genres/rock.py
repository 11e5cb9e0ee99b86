"""Loud guitars."""

from __future__ import annotations

from training.factory.genres.progressions import POP
from training.factory.genres.schema import Beat, Genre, Layer, Reverb, grid
from training.factory.instruments import Kit

ROCK = Genre(
    name="rock",
    titles=("rock", "rock song", "guitar-driven rock", "classic rock"),
    grooves=("a solid rock beat", "punchy drums", "a steady backbeat"),
    bpm=(98, 156),
    energy=0.68,
    moods=(
        "happy",
        "energetic",
        "dark",
        "tense",
        "epic",
        "playful",
        "aggressive",
        "hopeful",
        "melancholic",
    ),
    modes={"major": 3, "minor": 3, "mixolydian": 2, "dorian": 1},
    progressions=POP,
    layers=(
        Layer(
            "strum",
            ("overdriven guitar", "distorted guitar", "clean electric guitar"),
            ("D.D.D.D.D.D.D.D.", "D--D--D-D-D-D-D-", "D---..D-D---D-D-", "D-DUD-DUD-DUD-DU"),
            center=52,
            gain=-4,
        ),
        Layer(
            "bass",
            ("bass guitar", "picked bass"),
            ("R.R.R.R.R.R.R.R.", "R-R-R-R-R-R-5-8-", "R--R--R-R-R-5-7-", "R---R-R-R---R-5-"),
            center=36,
            gain=-1,
            dry=True,
        ),
        Layer(
            "melody",
            (
                "overdriven guitar",
                "distorted guitar",
                "clean electric guitar",
                "rock organ",
                "piano",
            ),
            center=70,
            gain=-2,
            chance=0.6,
            scale="pentatonic",
        ),
        Layer(
            "pad",
            ("rock organ", "drawbar organ", "strings", "warm pad"),
            center=62,
            gain=-10,
            chance=0.35,
        ),
    ),
    beats=(
        Beat(
            (Kit.STANDARD, Kit.ROOM),
            grid("""
                kick   x.......x.x.....
                snare  ....X.......X...
                hat    x.x.x.x.x.x.x.x.
            """),
            energy=(0, 0.55),
        ),
        Beat(
            (Kit.STANDARD, Kit.ROOM, Kit.POWER),
            grid("""
                kick   x.....x.x.x.....
                snare  ....X.......X..o
                hat    X.x.X.x.X.x.X.x.
            """),
            energy=(0.3, 1),
        ),
        Beat(
            (Kit.STANDARD, Kit.ROOM, Kit.POWER),
            grid("""
                kick   x.x....xx.x.....
                snare  ....X.......X...
                ride   x.x.x.x.x.x.x.x.
                crash  X...............................
            """),
            energy=(0.5, 1),
        ),
        Beat(
            (Kit.STANDARD, Kit.ROOM),
            grid("""
                kick      x..x..x...x.....
                snare     ....X..o.o..X...
                open hat  x...x...x...x...
            """),
            energy=(0.4, 1),
        ),
    ),
    reverb=Reverb(0.15, 1),
)

METAL = Genre(
    name="metal",
    titles=("metal", "heavy metal", "thrash metal", "metal track"),
    grooves=("double-kick drums", "pummeling drums", "heavy drums"),
    bpm=(104, 190),
    energy=0.92,
    moods=("aggressive", "dark", "energetic", "epic", "tense"),
    modes={"minor": 3, "phrygian": 2},
    progressions={
        "minor": ("i bVI bVII i", "i i bVI bVII", "i bII i bIII", "i bIII bII i"),
        "phrygian": ("i bII i bII", "i i bII bIII", "i bII bIII bII"),
    },
    layers=(
        Layer(
            "chug",
            ("distorted guitar",),
            (
                "xxx.xxx.xxx.P---",
                "x.xxx.xxx.xxP-P-",
                "P-----xxx.xxP---",
                "xxxxxxxxxxxxxxxx",
                "P-xxP-xxP-xxP-P-",
                "x..x..x..x..P-P-",
            ),
            center=42,
            gain=-1,
        ),
        Layer(
            "bass",
            ("picked bass", "bass guitar"),
            ("RRR.RRR.RRR.R---", "R.R.R.R.R.R.R.R.", "RRRRRRRRRRRRRRRR"),
            center=32,
            gain=-1,
            dry=True,
        ),
        Layer(
            "chug",
            ("overdriven guitar", "distorted guitar"),
            ("P---------------", "P-------P-------"),
            center=48,
            gain=-6,
            chance=0.5,
        ),
        Layer(
            "melody",
            ("distorted guitar", "overdriven guitar", "tremolo strings", "choir"),
            center=70,
            gain=-2,
            chance=0.5,
            density=1.3,
        ),
    ),
    beats=(
        Beat(
            (Kit.POWER, Kit.STANDARD),
            grid("""
                kick   x.x.x.x.x.x.x.x.
                snare  ....X.......X...
                crash  X...x...X...x...
            """),
            gain=2,
        ),
        Beat(
            (Kit.POWER, Kit.STANDARD),
            grid("""
                kick   xxxxxxxxxxxxxxxx
                snare  ....X.......X...
                ride   x...x...x...x...
            """),
            energy=(0.5, 1),
            gain=2,
        ),
        Beat(
            (Kit.POWER, Kit.ROOM),
            grid("""
                kick   xxx.xxx.xxx.x...
                snare  ........X.......
                crash  x...x...x...x...
            """),
            gain=2,
        ),
        Beat(
            (Kit.POWER, Kit.STANDARD),
            grid("""
                kick   x.x.x.x.x.x.x.x.
                snare  .x.x.x.x.x.x.x.x
                ride   x.x.x.x.x.x.x.x.
            """),
            energy=(0.6, 1),
            gain=1,
        ),
    ),
    melody_notes=9,
    melody_grid=1,
    solo=False,
    reverb=Reverb(0.12, 1),
)
