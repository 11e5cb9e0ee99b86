"""Guitars, fiddles and harmonicas."""

from __future__ import annotations

from training.factory.genres.progressions import BLUES, POP, THREE_CHORDS
from training.factory.genres.schema import EIGHTHS, Beat, Genre, Layer, Reverb, Swing, grid
from training.factory.instruments import Kit

BLUES_SHUFFLE = Genre(
    name="blues shuffle",
    titles=("blues", "blues shuffle", "electric blues", "blues jam"),
    grooves=("a shuffle groove", "a swinging shuffle beat"),
    bpm=(72, 132),
    energy=0.5,
    moods=("melancholic", "happy", "playful", "energetic", "dark", "romantic"),
    modes={"major": 3, "minor": 1},
    progressions=BLUES,
    layers=(
        Layer(
            "comp",
            ("piano", "rock organ", "drawbar organ", "honky-tonk piano", "clean electric guitar"),
            ("x...x...x...x...", "x-.x....x-.x....", "..x...x...x...x."),
            gain=-5,
            length=0.8,
        ),
        Layer(
            "bass",
            ("bass guitar", "upright bass"),
            ("R-R-3-3-5-5-7-5-", "R---3---5---7---", "R-R-5-5-7-7-5-5-"),
            center=36,
            dry=True,
        ),
        Layer(
            "melody",
            (
                "overdriven guitar",
                "harmonica",
                "clean electric guitar",
                "tenor sax",
                "rock organ",
                "piano",
            ),
            center=69,
            chance=0.9,
            density=0.95,
            scale="blues",
        ),
    ),
    beats=(
        Beat(
            (Kit.STANDARD, Kit.ROOM),
            grid("""
                kick   x.......x.......
                snare  ....X.......X...
                hat    x.x.x.x.x.x.x.x.
            """),
        ),
        Beat(
            (Kit.STANDARD, Kit.ROOM),
            grid("""
                kick   x.....x.x.....x.
                snare  ....X.......X...
                ride   X...X.x.X...X.x.
            """),
        ),
        Beat(
            (Kit.BRUSHES, Kit.JAZZ),
            grid("""
                kick   x.......x.......
                snare  ....x.......x...
                ride   x...x.x.x...x.x.
            """),
            energy=(0, 0.5),
            gain=-1,
        ),
    ),
    swing=Swing(EIGHTHS, 0.63, 0.67),
    ornaments=True,
    reverb=Reverb(0.15, 1),
)

FOLK = Genre(
    name="folk",
    titles=("folk", "acoustic folk", "indie folk", "fingerpicked folk"),
    bpm=(84, 132),
    energy=0.34,
    moods=("happy", "calm", "melancholic", "hopeful", "romantic", "playful", "dreamy"),
    modes={"major": 4, "minor": 2, "dorian": 2, "mixolydian": 2},
    meters={"4/4": 4, "6/8": 2, "3/4": 1},
    progressions={**POP, "major": THREE_CHORDS["major"]},
    layers=(
        Layer(
            "arpeggio",
            ("acoustic guitar", "nylon guitar"),
            ("0-2-1-3-0-2-1-3-", "0.213.210.213.21", "0.2.3.4.2.3.", "0.3.2.3.1.3.2.3."),
            center=55,
            length=1.6,
            voices=4,
        ),
        Layer(
            "strum",
            ("acoustic guitar",),
            ("D---D-U--U-U-U--", "D---D-DU-UD-D-DU", "D---D-D-D-D-", "D-DUD-DUD-DUD-DU"),
            center=55,
            gain=-3,
            chance=0.5,
            voices=5,
        ),
        Layer(
            "melody",
            (
                "flute",
                "fiddle",
                "harmonica",
                "acoustic guitar",
                "whistle",
                "pan flute",
                "violin",
                "accordion",
            ),
            center=74,
            gain=-1,
            chance=0.75,
        ),
        Layer(
            "bass",
            ("upright bass", "bass guitar", "cello"),
            ("R-------5-------", "R-----R-5-------", "R-------5---", "R-----5-----"),
            center=38,
            gain=-3,
            chance=0.5,
            dry=True,
        ),
    ),
    beats=(
        Beat(
            (Kit.BRUSHES,),
            grid("""
                tambourine  ....x.......x...
                kick        x.......x.......
            """),
            energy=(0.35, 1),
            gain=-4,
        ),
        Beat(
            (Kit.STANDARD,),
            grid("""
                shaker  x.x.x.x.x.x.x.x.
                kick    x...x...x...x...
            """),
            energy=(0.4, 1),
            gain=-4,
        ),
    ),
    ornaments=True,
    reverb=Reverb(0.18, 1),
)

COUNTRY = Genre(
    name="country",
    titles=("country", "country song", "bluegrass-flavored country", "Nashville country"),
    grooves=("a train beat", "a shuffling country beat"),
    bpm=(92, 150),
    energy=0.48,
    moods=("happy", "playful", "energetic", "melancholic", "hopeful", "romantic"),
    modes={"major": 5, "mixolydian": 1, "minor": 1},
    progressions=THREE_CHORDS,
    layers=(
        Layer(
            "strum",
            ("acoustic guitar", "clean electric guitar"),
            ("....D-U-....D-U-", "..D-..DU..D-..DU", "D---D-DUD---D-DU"),
            center=57,
            gain=-3,
            voices=4,
        ),
        Layer(
            "bass",
            ("upright bass", "bass guitar"),
            ("R---....5---....", "R-------5-------", "R---5---R---5-b-"),
            center=38,
            dry=True,
        ),
        Layer(
            "melody",
            (
                "fiddle",
                "banjo",
                "harmonica",
                "clean electric guitar",
                "acoustic guitar",
                "honky-tonk piano",
            ),
            center=72,
            chance=0.9,
            density=1.1,
            scale="pentatonic",
        ),
        Layer(
            "arpeggio",
            ("banjo",),
            ("0.2.3.1.2.3.1.2.", "0123012301230123", "2031203120312031"),
            center=64,
            gain=-7,
            chance=0.45,
        ),
    ),
    beats=(
        Beat(
            (Kit.BRUSHES, Kit.STANDARD),
            grid("""
                kick   x.......x.......
                snare  ooxoooxoooxoooxo
            """),
            gain=-2,
        ),
        Beat(
            (Kit.STANDARD,),
            grid("""
                kick   x.......x.......
                snare  ....x.......x...
                hat    x.x.x.x.x.x.x.x.
            """),
            gain=-1,
        ),
    ),
    ornaments=True,
    reverb=Reverb(0.12, 1),
)
