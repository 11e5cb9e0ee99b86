"""The data factory's tables agree with the vocabulary and with each other."""

from __future__ import annotations

import pytest

from audio_chain import vocabulary
from training.factory.genres import GENRES, Genre
from training.factory.genres.schema import grid
from training.factory.instruments import DRUMS, INSTRUMENTS, KIT_NAMES, Kit
from training.factory.moods import MOODS
from training.factory.parts import WRITERS
from training.factory.theory import METERS, chord

LETTERS = {
    "comp": "xX.-",
    "chorale": "xX.-",
    "strum": "DU.-",
    "arpeggio": "0123456789.-",
    "bass": "R3578b.-",
    "timpani": "x.-",
    "chug": "xP.-",
}
every_genre = pytest.mark.parametrize("genre", GENRES.values(), ids=lambda genre: genre.name)


def test_names_are_those_of_the_vocabulary() -> None:
    assert tuple(GENRES) == vocabulary.GENRES
    assert tuple(MOODS) == vocabulary.MOODS
    assert (*INSTRUMENTS, "drums") == vocabulary.INSTRUMENTS
    assert all(name == genre.name for name, genre in GENRES.items())


def test_every_instrument_and_mood_is_used_by_a_genre() -> None:
    layers = [layer for genre in GENRES.values() for layer in genre.layers]
    assert {name for layer in layers for name in layer.instruments} == set(INSTRUMENTS)
    assert {mood for genre in GENRES.values() for mood in genre.moods} == set(MOODS)
    assert {layer.role for layer in layers} == set(WRITERS)


def test_instruments_have_a_range_and_a_name() -> None:
    for name, instrument in INSTRUMENTS.items():
        assert 0 <= instrument.program < 128, name
        assert instrument.high - instrument.low >= 12, name
        assert instrument.release > 0, name
        assert instrument.names, name
    assert set(KIT_NAMES) == set(Kit)


@every_genre
def test_patterns_are_made_of_the_letters_of_their_role(genre: Genre) -> None:
    steps = {meter.steps for meter in METERS.values()}
    for layer in genre.layers:
        for pattern in layer.patterns:
            assert set(pattern) <= set(LETTERS[layer.role]), pattern
            assert pattern.strip(".-"), pattern
            assert len(pattern) in steps, pattern
        assert layer.patterns or layer.role not in LETTERS


@every_genre
def test_beats_are_made_of_known_drums_and_whole_bars(genre: Genre) -> None:
    steps = {METERS[name].steps for name in genre.meters}
    for beat in genre.beats:
        low, high = beat.energy
        assert 0 <= low < high <= 1
        for drum, row in beat.rows.items():
            assert drum in DRUMS
            assert set(row) <= set("Xxo.")
            assert any(len(row) % bar == 0 for bar in steps)


@every_genre
def test_progressions_are_chords_that_fill_their_bars(genre: Genre) -> None:
    for progressions in genre.progressions.values():
        for progression in progressions:
            for bar in progression.split():
                numerals = bar.split(",")
                assert all(chord(numeral).intervals for numeral in numerals)
                assert all(METERS[name].steps % len(numerals) == 0 for name in genre.meters)


@every_genre
def test_genres_can_be_played(genre: Genre) -> None:
    low, high = genre.bpm
    assert 20 < low < high < 250
    assert genre.titles
    assert genre.layers[0].chance == 1
    assert genre.swing.low <= genre.swing.high
    assert set(genre.moods) <= set(MOODS)
    for name in genre.meters:
        steps = METERS[name].steps
        assert any(
            not layer.patterns or any(len(pattern) == steps for pattern in layer.patterns)
            for layer in genre.layers
        )


def test_grids_read_like_a_drum_machine() -> None:
    rows = grid("""
        kick      X...x...
        open hat  ..x...x.
    """)
    assert rows == {"kick": "X...x...", "open hat": "..x...x."}
