"""The data factory's music theory, against spellings written by hand."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.factory.performance import Feel, folded
from training.factory.theory import (
    SCALES,
    Chord,
    chord,
    chord_scale,
    key_names,
    tonic,
    voicing,
)

unhurried = settings(deadline=None)
LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
NUMERALS = st.sampled_from(["I", "ii7", "iiø", "iv6", "V7", "V13", "bVImaj9", "bII", "i9", "VI7"])
TONICS = st.integers(0, 11)


def pitch_class(name: str) -> int:
    return (LETTERS[name[0]] + name.count("#") - name.count("b")) % 12


def pitch_classes(names: str) -> tuple[int, ...]:
    return tuple(sorted(pitch_class(name) for name in names.split()))


@pytest.mark.parametrize(
    ("numeral", "key", "spelling"),
    [
        ("I", "C", "C E G"),
        ("ii7", "C", "D F A C"),
        ("V7", "C", "G B D F"),
        ("V7", "F#", "C# E# G# B"),
        ("Imaj9", "C", "C E G B D"),
        ("V13", "C", "G B D F E"),
        ("IV9", "G", "C E G Bb D"),
        ("VI7", "C", "A C# E G"),
        ("i6", "C", "C Eb G A"),
        ("iiø", "A", "B D F A"),
        ("bVII", "A", "G B D"),
        ("bVImaj7", "A", "F A C E"),
        ("bII", "E", "F A C"),
        ("bvii7", "C", "Bb Db F Ab"),
    ],
)
def test_roman_numerals_are_spelled_as_in_a_textbook(numeral: str, key: str, spelling: str) -> None:
    found = chord(numeral, tonic(key))
    assert found.pitch_classes == pitch_classes(spelling)
    assert found.root == pitch_class(spelling.split()[0])


@pytest.mark.parametrize("text", ["", "H", "viii", "iisus9", "7"])
def test_what_is_no_chord_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"numeral|unknown chord"):
        chord(text)


@pytest.mark.parametrize(
    ("mode", "key", "spelling"),
    [
        ("major", "D", "D E F# G A B C#"),
        ("minor", "A", "A B C D E F G"),
        ("dorian", "D", "D E F G A B C"),
        ("mixolydian", "G", "G A B C D E F"),
        ("lydian", "F", "F G A B C D E"),
        ("phrygian", "E", "E F G A B C D"),
    ],
)
def test_scales_are_those_of_the_white_keys(mode: str, key: str, spelling: str) -> None:
    scale = next(degrees for name, degrees in SCALES.items() if name == mode)
    found = sorted((tonic(key) + degree) % 12 for degree in scale)
    assert tuple(found) == pitch_classes(spelling)


@pytest.mark.parametrize("mode", SCALES)
def test_keys_are_named_by_their_pitch_class(mode: str) -> None:
    names = next(key_names(name) for name in SCALES if name == mode)
    assert [pitch_class(name) for name in names] == list(range(12))
    assert [tonic(name) for name in names] == list(range(12))


@unhurried
@given(NUMERALS, TONICS, st.integers(3, 5), st.integers(50, 75), NUMERALS)
def test_voicings_are_close_and_made_of_chord_tones(
    numeral: str, key: int, voices: int, center: int, before: str
) -> None:
    previous = voicing(chord(before, key), voices, center, None)
    wanted = chord(numeral, key)
    pitches = voicing(wanted, voices, center, previous)
    assert len(pitches) == voices
    assert list(pitches) == sorted(set(pitches))
    assert {pitch % 12 for pitch in pitches} <= set(wanted.pitch_classes)
    assert all(upper - lower <= 12 for lower, upper in pairwise(pitches))
    assert abs(sum(pitches) / len(pitches) - center) <= 14


@unhurried
@given(NUMERALS, TONICS)
def test_voicings_keep_the_third_and_the_seventh(numeral: str, key: int) -> None:
    wanted = chord(numeral, key)
    telling = {(wanted.root + interval) % 12 for interval in wanted.intervals[1:4:2]}
    assert telling <= {pitch % 12 for pitch in voicing(wanted, 4, 60, None)}


def test_voices_move_as_little_as_they_can() -> None:
    c_major = voicing(Chord(0, (0, 4, 7)), 3, 62, None)
    f_major = voicing(Chord(5, (0, 4, 7)), 3, 62, c_major)
    g_major = voicing(Chord(7, (0, 4, 7)), 3, 62, c_major)
    for pitches in (f_major, g_major):
        assert all(min(abs(pitch - old) for old in c_major) <= 3 for pitch in pitches)
        assert any(pitch in c_major for pitch in pitches)  # the common tone stays


@unhurried
@given(NUMERALS, TONICS, st.sampled_from(list(SCALES.values())))
def test_scales_bend_to_hold_the_chord(numeral: str, key: int, degrees: tuple[int, ...]) -> None:
    tones = chord(numeral, key).pitch_classes
    scale = tuple(sorted((key + degree) % 12 for degree in degrees))
    bent = chord_scale(tones, scale)
    assert set(tones) <= set(bent) <= set(tones) | set(scale)
    if set(tones) <= set(scale):
        assert bent == scale


@unhurried
@given(st.integers(0, 127), st.integers(24, 60), st.integers(12, 60))
def test_folding_into_a_range_keeps_the_pitch_class(pitch: int, low: int, width: int) -> None:
    moved = folded(pitch, low, low + width)
    assert moved % 12 == pitch % 12
    assert low <= moved <= low + width
    if low <= pitch <= low + width:
        assert moved == pitch


def test_swung_eighths_are_long_and_short() -> None:
    feel = Feel(pair=4, ratio=2 / 3, looseness=0)
    assert [feel.swung(step) for step in (0, 2, 4, 6)] == pytest.approx([0, 8 / 3, 4, 20 / 3])


@unhurried
@given(st.floats(0, 64), st.floats(0, 64), st.sampled_from([0, 2, 4]), st.floats(0.5, 0.67))
def test_swing_keeps_the_order_of_notes(
    first: float, second: float, pair: int, ratio: float
) -> None:
    feel = Feel(pair, ratio, 0)
    earlier, later = sorted((first, second))
    assert feel.swung(earlier) <= feel.swung(later) + 1e-9
