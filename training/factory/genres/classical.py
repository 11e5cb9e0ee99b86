"""Written for the concert hall, the ballroom and the screen."""

from __future__ import annotations

from training.factory.genres.progressions import CLASSIC, EPIC
from training.factory.genres.schema import Beat, Genre, Layer, Reverb, grid
from training.factory.instruments import Kit

CLASSICAL_PIANO = Genre(
    name="classical piano",
    titles=("solo piano", "classical piano", "piano"),
    bpm=(54, 138),
    energy=0.35,
    moods=(
        "happy",
        "melancholic",
        "calm",
        "dreamy",
        "romantic",
        "mysterious",
        "hopeful",
        "playful",
        "tense",
        "epic",
    ),
    meters={"4/4": 3, "3/4": 2, "6/8": 1},
    progressions=CLASSIC,
    layers=(
        Layer("melody", ("piano",), center=76, density=1.1),
        Layer(
            "arpeggio",
            ("piano",),
            (
                "0-2-1-2-0-2-1-2-",
                "0.1.2.3.2.1.",
                "0-1-2-1-0-1-2-1-",
                "0.1.2.3.4.3.2.1.",
                "0.2.3.4.3.2.",
                "0---2-2-1-2-",
                "0121012101210121",
            ),
            center=54,
            gain=-5,
        ),
        Layer(
            "bass",
            ("piano",),
            ("R---------------", "R-----------", "R-------5-------", "R-------8---"),
            center=40,
            gain=-4,
            chance=0.6,
            length=1.1,
        ),
    ),
    melody_notes=7,
    ornaments=True,
    reverb=Reverb(0.3, 1),
)

STRING_QUARTET = Genre(
    name="string quartet",
    titles=("string quartet", "chamber music", "classical string quartet"),
    bpm=(58, 132),
    energy=0.36,
    moods=(
        "happy",
        "melancholic",
        "calm",
        "dreamy",
        "romantic",
        "mysterious",
        "hopeful",
        "playful",
        "tense",
        "dark",
    ),
    meters={"4/4": 3, "3/4": 2, "6/8": 1},
    progressions=CLASSIC,
    layers=(
        Layer("melody", ("violin",), center=76),
        Layer(
            "arpeggio",
            ("violin",),
            (
                "0-1-2-1-0-1-2-1-",
                "0---1---2---1---",
                "0---1---2---",
                "0-1-2-0-1-2-",
                ".0.1.0.1.0.1.0.1",
            ),
            center=66,
            gain=-5,
        ),
        Layer(
            "arpeggio",
            ("viola",),
            (
                "0-------1-------",
                "1-0-1-0-1-0-1-0-",
                "..0-..1-..0-..1-",
                "0-----1-----",
                "..0-0-..1-1-",
            ),
            center=58,
            gain=-5,
            voices=2,
        ),
        Layer(
            "bass",
            ("cello",),
            (
                "R---------------",
                "R---5---R---5---",
                "R-------5---3---",
                "R-----------",
                "R---5---3---",
            ),
            center=44,
            gain=-2,
        ),
    ),
    ornaments=True,
    reverb=Reverb(0.35, 1.5),
)

WALTZ = Genre(
    name="waltz",
    titles=("waltz", "ballroom waltz", "waltz in three-four time"),
    bpm=(108, 186),
    energy=0.42,
    moods=("happy", "romantic", "melancholic", "playful", "dreamy", "hopeful", "mysterious"),
    modes={"major": 3, "minor": 2},
    meters={"3/4": 1},
    progressions=CLASSIC,
    layers=(
        Layer(
            "bass",
            ("upright bass", "cello", "accordion", "pizzicato strings"),
            ("R-----------", "R---........"),
            center=40,
            gain=-1,
        ),
        Layer(
            "comp",
            ("accordion", "strings", "piano", "pizzicato strings", "harp", "harpsichord"),
            ("....x-..x-..", "....x...x..."),
            gain=-4,
            length=0.7,
        ),
        Layer(
            "melody",
            ("violin", "accordion", "clarinet", "flute", "strings", "piano", "oboe"),
            center=74,
            density=1.1,
        ),
        Layer("pad", ("strings", "french horn", "slow strings"), gain=-10, chance=0.35),
    ),
    beats=(
        Beat(
            (Kit.JAZZ, Kit.BRUSHES),
            grid("""
                kick       x...........
                pedal hat  ....x...x...
            """),
            energy=(0.35, 1),
            gain=-5,
        ),
    ),
    reverb=Reverb(0.35, 1.5),
)

ORCHESTRAL_CINEMATIC = Genre(
    name="orchestral cinematic",
    titles=("orchestral", "cinematic orchestral", "orchestral soundtrack", "film score"),
    bpm=(68, 148),
    energy=0.62,
    moods=(
        "epic",
        "dark",
        "tense",
        "hopeful",
        "mysterious",
        "romantic",
        "aggressive",
        "melancholic",
    ),
    modes={"minor": 3, "major": 2, "phrygian": 0.5, "lydian": 0.5, "dorian": 0.5},
    meters={"4/4": 4, "3/4": 1, "6/8": 1},
    progressions=EPIC,
    layers=(
        Layer(
            "arpeggio",
            ("strings", "tremolo strings", "pizzicato strings", "cello"),
            ("0-0-1-0-2-0-1-0-", "0.0.0.1.0.0.2.1.", "0.1.2.0.1.2.", "0010201000102010"),
            center=56,
            gain=-3,
            length=0.7,
        ),
        Layer(
            "pad",
            ("brass section", "french horn", "strings", "trombone", "slow strings"),
            center=57,
            gain=-3,
            voices=4,
        ),
        Layer(
            "melody",
            ("strings", "french horn", "trumpet", "violin", "choir", "oboe", "flute", "cello"),
            center=72,
            chance=0.8,
            density=0.6,
        ),
        Layer(
            "bass",
            ("cello", "strings", "trombone", "timpani"),
            (
                "R---------------",
                "R-------R-------",
                "R-----------",
                "R-----R-----",
                "R...R.R.R...R.R.",
            ),
            center=40,
            gain=-1,
            chance=0.8,
        ),
        Layer("pad", ("choir", "tremolo strings"), center=66, gain=-7, chance=0.45),
        Layer(
            "timpani",
            ("timpani",),
            ("x.......x.......", "x...........x.xx", "x.....x.....", "x..x..x.x.x.x.x."),
            center=43,
            gain=-2,
            chance=0.6,
        ),
    ),
    beats=(
        Beat(
            (Kit.POWER,),
            grid("""
                floor tom  X.....x.X...x...
                kick       X.......X.......
            """),
            energy=(0.55, 1),
        ),
        Beat(
            (Kit.POWER,),
            grid("""
                floor tom  X..x..x.X..x..x.
                kick       X.......X.......
                crash      X...............................................................
            """),
            energy=(0.6, 1),
        ),
    ),
    reverb=Reverb(0.5, 2.4),
)
