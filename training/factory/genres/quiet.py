"""Hardly any beat."""

from __future__ import annotations

from training.factory.genres.progressions import CLASSIC, HYMN, MODAL, NINTH
from training.factory.genres.schema import Genre, Layer, Reverb

AMBIENT = Genre(
    name="ambient",
    titles=("ambient", "ambient soundscape", "atmospheric ambient"),
    bpm=(50, 78),
    energy=0.12,
    moods=("calm", "dreamy", "mysterious", "dark", "melancholic", "hopeful"),
    modes={"major": 3, "minor": 3, "dorian": 1, "mixolydian": 0.6, "lydian": 0.7, "phrygian": 0.6},
    progressions={**NINTH, "lydian": MODAL["lydian"], "dorian": MODAL["dorian"]},
    layers=(
        Layer(
            "pad",
            (
                "warm pad",
                "sweep pad",
                "halo pad",
                "bowed pad",
                "choir pad",
                "new age pad",
                "slow strings",
            ),
            gain=-4,
            voices=4,
        ),
        Layer(
            "melody",
            (
                "vibraphone",
                "celesta",
                "electric piano",
                "piano",
                "music box",
                "bowed pad",
                "atmosphere",
                "harp",
            ),
            center=74,
            gain=-4,
            chance=0.7,
            density=0.45,
        ),
        Layer(
            "drone",
            ("warm pad", "deep synth bass", "church organ", "slow strings", "cello"),
            center=40,
            gain=-6,
            chance=0.6,
        ),
        Layer(
            "arpeggio",
            ("harp", "soft pluck", "atmosphere", "vibraphone", "electric piano"),
            ("0...1...2...3...", "0..1..2..3..2...", "0.1.2.3.4.3.2.1."),
            center=67,
            gain=-10,
            chance=0.45,
        ),
        Layer(
            "pad", ("choir", "halo pad", "choir pad", "sweep pad"), center=67, gain=-9, chance=0.4
        ),
    ),
    reverb=Reverb(0.6, 2.4),
)

MUSIC_BOX_LULLABY = Genre(
    name="music box lullaby",
    titles=("music box lullaby", "lullaby", "music box", "bedtime lullaby"),
    bpm=(58, 96),
    energy=0.14,
    moods=("calm", "dreamy", "melancholic", "romantic", "mysterious", "playful"),
    modes={"major": 4, "minor": 2, "lydian": 0.5},
    meters={"3/4": 3, "4/4": 2, "6/8": 2},
    progressions=CLASSIC,
    layers=(
        Layer("melody", ("music box", "celesta"), center=82, density=0.9),
        Layer(
            "arpeggio",
            ("music box", "celesta", "harp", "glockenspiel"),
            (
                "0---1---2---1---",
                "0-1-2-1-0-1-2-1-",
                "0---1---2---",
                "0-1-2-3-2-1-",
                "0---2-1-----",
            ),
            center=68,
            gain=-4,
        ),
        Layer("pad", ("slow strings", "warm pad", "voice oohs", "choir"), gain=-12, chance=0.4),
    ),
    reverb=Reverb(0.35, 1.5),
)

CHOIR_HYMN = Genre(
    name="choir hymn",
    titles=("choir hymn", "hymn", "choral music", "sacred choir"),
    bpm=(60, 96),
    energy=0.26,
    moods=("calm", "epic", "hopeful", "melancholic", "romantic", "mysterious", "dark"),
    modes={"major": 3, "minor": 2, "dorian": 1},
    meters={"4/4": 3, "3/4": 1},
    progressions=HYMN,
    layers=(
        Layer(
            "chorale",
            ("choir", "voice oohs", "church organ"),
            ("x---x---x---x---", "x-------x---x---", "x---x---x---", "x-------x---"),
            center=64,
            voices=4,
        ),
        Layer(
            "pad",
            ("church organ", "slow strings", "strings"),
            center=58,
            gain=-9,
            chance=0.6,
            voices=4,
        ),
        Layer(
            "bass",
            ("church organ", "cello"),
            ("R-------R-------", "R-----------"),
            center=42,
            gain=-6,
            chance=0.5,
        ),
    ),
    reverb=Reverb(0.7, 2.4),
)
