"""Extended chords over soft drums."""

from __future__ import annotations

from training.factory.genres.progressions import BOSSA, JAZZ
from training.factory.genres.schema import EIGHTHS, Beat, Genre, Layer, Reverb, Swing, grid
from training.factory.instruments import Kit

JAZZ_SWING = Genre(
    name="jazz swing",
    titles=("jazz", "swing jazz", "jazz swing", "jazz combo"),
    grooves=("a swinging ride cymbal", "brushed swing drums"),
    bpm=(104, 216),
    energy=0.5,
    moods=("happy", "playful", "energetic", "romantic", "calm", "melancholic", "mysterious"),
    modes={"major": 3, "minor": 2, "dorian": 1},
    meters={"4/4": 6, "3/4": 1},
    progressions=JAZZ,
    layers=(
        Layer(
            "melody",
            (
                "piano",
                "tenor sax",
                "alto sax",
                "trumpet",
                "muted trumpet",
                "vibraphone",
                "jazz guitar",
                "clarinet",
            ),
            center=70,
            density=1.15,
        ),
        Layer("walk", ("upright bass",), center=38, dry=True),
        Layer(
            "comp",
            ("piano", "jazz guitar", "vibraphone"),
            (
                "x..........x-...",
                "......x-........",
                "x-....x-..x-....",
                "...x-.....x-....",
                "..x.......x-....",
            ),
            gain=-6,
            length=0.8,
            voices=4,
        ),
    ),
    beats=(
        Beat(
            (Kit.JAZZ, Kit.BRUSHES),
            grid("""
                ride       x...x.x.x...x.x.
                pedal hat  ....x.......x...
                kick       o.......o.......
            """),
            gain=-2,
        ),
        Beat(
            (Kit.JAZZ,),
            grid("""
                ride       X...X.x.X...X.x.
                pedal hat  ....x.......x...
                kick       o...o...o...o...
                snare      ......o.......x.
            """),
            energy=(0.45, 1),
            gain=-1,
        ),
        Beat(
            (Kit.BRUSHES,),
            grid("""
                snare      x...x.x.x...x.x.
                pedal hat  ....x.......x...
                kick       o.......o.......
            """),
            energy=(0, 0.5),
            gain=-3,
        ),
    ),
    swing=Swing(EIGHTHS, 0.6, 0.67),
    melody_notes=9,
    ornaments=True,
    reverb=Reverb(0.2, 1),
)

BOSSA_NOVA = Genre(
    name="bossa nova",
    titles=("bossa nova", "bossa", "Brazilian bossa nova"),
    grooves=("a soft bossa rhythm", "a cross-stick clave"),
    bpm=(108, 146),
    energy=0.36,
    moods=("calm", "happy", "romantic", "melancholic", "dreamy", "hopeful"),
    modes={"major": 3, "minor": 2},
    progressions=BOSSA,
    layers=(
        Layer(
            "comp",
            ("nylon guitar", "jazz guitar", "piano", "electric piano"),
            ("x..x..x...x..x..", "x-..x..x..x-..x.", "x.x..x..x..x..x."),
            center=58,
            gain=-2,
            voices=4,
        ),
        Layer(
            "bass",
            ("upright bass", "nylon guitar", "bass guitar"),
            ("R-----5-5-----R-", "R--R5---5--5R---", "R-----5-R-----5-"),
            center=38,
            gain=-1,
            dry=True,
        ),
        Layer(
            "melody",
            (
                "flute",
                "nylon guitar",
                "alto sax",
                "tenor sax",
                "piano",
                "vibraphone",
                "voice oohs",
                "clarinet",
            ),
            center=72,
            chance=0.85,
            density=0.85,
        ),
        Layer("pad", ("slow strings", "strings", "voice oohs"), center=64, gain=-11, chance=0.25),
    ),
    beats=(
        Beat(
            (Kit.STANDARD, Kit.JAZZ, Kit.BRUSHES),
            grid("""
                side stick  x..x..x...x..x..
                hat         x.x.x.x.x.x.x.x.
                kick        x..xx..xx..xx..x
            """),
            gain=-4,
        ),
        Beat(
            (Kit.STANDARD, Kit.JAZZ),
            grid("""
                side stick  ..x.x..x..x..x..
                shaker      xoxoxoxoxoxoxoxo
                kick        x..xx..xx..xx..x
            """),
            gain=-4,
        ),
    ),
    reverb=Reverb(0.2, 1),
)
