"""Bands led by bass and drums."""

from __future__ import annotations

from training.factory.genres.progressions import MODAL, NINTH
from training.factory.genres.schema import SIXTEENTHS, Beat, Genre, Layer, Reverb, Swing, grid
from training.factory.instruments import Kit

FUNK = Genre(
    name="funk",
    titles=("funk", "funk groove", "funky jam", "70s funk"),
    grooves=("a tight syncopated groove", "a funky backbeat"),
    bpm=(92, 118),
    energy=0.68,
    moods=("happy", "energetic", "playful", "aggressive"),
    modes={"dorian": 3, "mixolydian": 2, "minor": 1},
    progressions={
        "dorian": ("i9 IV9 i9 IV9", "i7 i7 IV9 IV9", "i9 i9 i9 bVII9"),
        "mixolydian": ("I9 I9 IV9 I9", "I9 bVII9 IV9 I9"),
        "minor": ("i7 iv7 i7 v7", "i7 i7 bVImaj7 v7"),
    },
    layers=(
        Layer(
            "bass",
            ("slap bass", "bass guitar", "picked bass"),
            ("R..R..8..R.7..5.", "R.R...R8..R.7.8.", "RR..8.R...R7.R..", "R...R.8.R..R5.7."),
            center=36,
            dry=True,
            length=0.7,
        ),
        Layer(
            "comp",
            ("muted guitar", "clavinet", "clean electric guitar"),
            ("..x.x..x..x.x..x", "x.xx.x.xx.xx.x.x", "...x..x....x..xx", "xx.xx.xxxx.xx.x."),
            center=62,
            gain=-5,
            length=0.5,
        ),
        Layer(
            "comp",
            ("brass section", "rock organ", "electric piano", "clavinet", "drawbar organ"),
            ("..........x.X...", "x.......X..x....", "....x-......X-..", "X-............x."),
            center=66,
            gain=-4,
            chance=0.7,
            length=0.8,
        ),
        Layer(
            "melody",
            ("alto sax", "tenor sax", "trumpet", "clean electric guitar", "flute"),
            center=70,
            gain=-1,
            chance=0.45,
            scale="pentatonic",
        ),
    ),
    beats=(
        Beat(
            (Kit.STANDARD, Kit.ROOM),
            grid("""
                kick   X..x..x...x..x..
                snare  ....X..o.o..X..o
                hat    x.xxx.xxx.xxx.xx
            """),
            gain=1,
        ),
        Beat(
            (Kit.STANDARD, Kit.ROOM),
            grid("""
                kick      X.x....x..x.....
                snare     ....X.oo.o..X.o.
                hat       xxxxxxxxxxxxxxx.
                open hat  ..............x.
            """),
            gain=1,
        ),
        Beat(
            (Kit.STANDARD,),
            grid("""
                kick     X.....x.x.x....x
                snare    ....X..o....X...
                hat      x.x.x.x.x.x.x.x.
                cowbell  x...x...x...x...
            """),
            gain=1,
        ),
    ),
    swing=Swing(SIXTEENTHS, 0.5, 0.56),
    reverb=Reverb(0.1, 1),
)

REGGAE = Genre(
    name="reggae",
    titles=("reggae", "roots reggae", "laid-back reggae"),
    grooves=("a one-drop beat", "a laid-back one-drop groove"),
    bpm=(66, 88),
    energy=0.42,
    moods=("happy", "calm", "playful", "melancholic", "hopeful"),
    modes={"major": 2, "minor": 2},
    progressions={
        "major": ("I IV I V", "I V vi IV", "I ii I ii", "I IV I IV"),
        "minor": ("i iv i v", "i bVII i bVII", "i bVII bVI bVII", "i iv i iv"),
        "dorian": MODAL["dorian"],
    },
    layers=(
        Layer(
            "comp",
            ("muted guitar", "clean electric guitar", "piano"),
            ("....x.......x...", "....x.x.....x.x.", "....x.......x..."),
            center=62,
            gain=-2,
            length=0.6,
        ),
        Layer(
            "bass",
            ("bass guitar", "fretless bass", "deep synth bass"),
            ("R--R..5.R--3.5..", "R---..R.3-5-....", "..R-R-5-..R-5-3-", "R-R---..5-5-8-.."),
            center=34,
            gain=1,
            dry=True,
        ),
        Layer(
            "comp",
            ("drawbar organ", "rock organ"),
            ("..x.x...x.x..x..", "..xx..xx..xx..xx", "..x...x...x...x."),
            center=64,
            gain=-8,
            chance=0.7,
            length=0.6,
        ),
        Layer(
            "melody",
            (
                "trumpet",
                "trombone",
                "alto sax",
                "harmonica",
                "voice oohs",
                "clean electric guitar",
                "rock organ",
            ),
            center=68,
            gain=-1,
            chance=0.6,
            density=0.7,
        ),
    ),
    beats=(
        Beat(
            (Kit.STANDARD, Kit.ROOM),
            grid("""
                kick        ........X.......
                side stick  ........X.......
                hat         x.x.x.x.x.x.x.x.
            """),
            gain=1,
        ),
        Beat(
            (Kit.STANDARD, Kit.ROOM),
            grid("""
                kick   X.......X.......
                snare  ........x.......
                hat    x.xxx.x.x.xxx.x.
            """),
            gain=1,
        ),
        Beat(
            (Kit.STANDARD,),
            grid("""
                kick        X...X...X...X...
                side stick  ........X..o..o.
                hat         ..x...x...x...x.
            """),
            energy=(0.4, 1),
            gain=1,
        ),
    ),
    swing=Swing(SIXTEENTHS, 0.52, 0.6),
    reverb=Reverb(0.2, 1),
)

DISCO = Genre(
    name="disco",
    titles=("disco", "70s disco", "disco groove", "dance-floor disco"),
    grooves=("a four-on-the-floor disco beat", "open hi-hats and claps"),
    bpm=(108, 126),
    energy=0.72,
    moods=("happy", "energetic", "romantic", "playful", "hopeful"),
    modes={"major": 2, "minor": 3, "dorian": 1},
    progressions=NINTH,
    layers=(
        Layer(
            "bass",
            ("bass guitar", "picked bass", "synth bass"),
            ("R.8.R.8.R.8.R.8.", "R..8R..8R..8R.8.", "R.R.8.8.5.5.8.8."),
            center=36,
            dry=True,
            length=0.8,
        ),
        Layer(
            "comp",
            ("muted guitar", "clean electric guitar", "clavinet"),
            ("..xx..xx..xx..xx", "x.xxx.xxx.xxx.xx", ".x.x.x.xx.x.x.xx"),
            center=64,
            gain=-6,
            length=0.5,
        ),
        Layer("pad", ("strings", "synth strings"), center=70, gain=-6, chance=0.8),
        Layer(
            "comp",
            ("brass section", "piano", "electric piano"),
            ("x.......x..x....", "..x...x...x...x.", "X-......X-..x-.."),
            center=64,
            gain=-5,
            chance=0.6,
        ),
        Layer(
            "melody",
            ("strings", "trumpet", "flute", "alto sax", "brass section"),
            center=76,
            gain=-2,
            chance=0.55,
        ),
    ),
    beats=(
        Beat(
            (Kit.STANDARD, Kit.ROOM),
            grid("""
                kick      X...X...X...X...
                snare     ....x.......x...
                open hat  ..x...x...x...x.
                hat       x.x.x.x.x.x.x.x.
            """),
            gain=1,
        ),
        Beat(
            (Kit.STANDARD, Kit.ROOM),
            grid("""
                kick        X...X...X...X...
                snare       ....X.......X..o
                hat         xx.xxx.xxx.xxx.x
                open hat    ..x...x...x...x.
                tambourine  ....x.......x...
            """),
            gain=1,
        ),
    ),
    reverb=Reverb(0.2, 1),
)
