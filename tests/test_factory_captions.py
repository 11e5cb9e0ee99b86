"""Captions of the data factory say nothing that isn't so."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.factory import phrases
from training.factory.attributes import Attributes
from training.factory.captions import caption
from training.factory.compose import compose
from training.factory.genres import GENRES
from training.factory.instruments import INSTRUMENTS, KIT_NAMES, Kit
from training.factory.moods import MOODS
from training.factory.theory import SCALES

unhurried = settings(deadline=None)
SEEDS = st.integers(0, 2**32 - 1)
KEY = re.compile(rf"\b([a-g][#b]?) ({'|'.join(SCALES)})\b")
BPM = re.compile(r"(\d+) bpm")
CLASS = re.compile(r"the (?:tempo|pace) is ((?:very )?\w+)")
LEADER = re.compile(rf"the ([\w -]+) (?:{'|'.join(phrases.LEADS)})")


def described(seed: int) -> tuple[Attributes, str]:
    generator = np.random.default_rng(seed)
    _, attributes = compose(generator)
    return attributes, caption(attributes, generator)


def drum_phrases(attributes: Attributes) -> tuple[str, ...]:
    if not attributes.has_drums:
        return ()
    return GENRES[attributes.genre].grooves + KIT_NAMES[Kit(attributes.drum_kit)]


def unexplained(attributes: Attributes, text: str) -> str:
    """A caption without the phrases that its genre, mood and instruments account for."""
    accounted = [
        *GENRES[attributes.genre].titles,
        *MOODS[attributes.mood].uses,
        *drum_phrases(attributes),
        *(name for i in attributes.instruments if i != "drums" for name in INSTRUMENTS[i].names),
    ]
    for phrase in sorted(accounted, key=len, reverse=True):
        text = re.sub(rf"\b{re.escape(phrase.lower())}\b", "|", text)
    return text


def mentions(text: str, phrase: str) -> bool:
    return re.search(rf"\b{re.escape(phrase.lower())}\b", text) is not None


@unhurried
@given(SEEDS)
def test_numbers_and_keys_are_those_of_the_piece(seed: int) -> None:
    attributes, text = described(seed)
    text = text.lower()
    assert {int(bpm) for bpm in BPM.findall(text)} <= {attributes.bpm}
    assert set(KEY.findall(text)) <= {(attributes.key.lower(), attributes.mode)}
    assert set(CLASS.findall(text)) <= {attributes.tempo}
    for meter, names in phrases.METER_WORDS.items():
        if meter != attributes.meter:
            assert not any(name in text for name in names)


@unhurried
@given(SEEDS)
def test_instruments_are_those_that_can_be_heard(seed: int) -> None:
    attributes, text = described(seed)
    rest = unexplained(attributes, text.lower())
    for instrument in INSTRUMENTS.values():
        assert not any(mentions(rest, name) for name in instrument.names), rest
    if attributes.texture != "solo":
        assert not any(mentions(rest, word) for word in phrases.ALONE), rest


@unhurried
@given(SEEDS)
def test_drums_are_there_or_not_as_stated(seed: int) -> None:
    attributes, text = described(seed)
    rest = unexplained(attributes, text.lower())
    if attributes.has_drums:
        assert not any(mentions(rest, phrase) for phrase in phrases.DRUMLESS)
    for phrase in (*phrases.DRUMLESS, "there are no drums"):
        rest = rest.replace(phrase, "|")
    for names in (*KIT_NAMES.values(), *(genre.grooves for genre in GENRES.values())):
        assert not any(mentions(rest, name) for name in names), rest


@unhurried
@given(SEEDS)
def test_the_melody_is_given_to_the_instrument_that_has_it(seed: int) -> None:
    attributes, text = described(seed)
    leaders = LEADER.findall(text.lower())
    if leaders:
        names = [name.lower() for name in INSTRUMENTS[attributes.lead].names]
        assert all(leader in names for leader in leaders)


@unhurried
@given(SEEDS)
def test_captions_are_clean_lines(seed: int) -> None:
    _, text = described(seed)
    assert text == text.strip()
    assert text
    for flaw in ("  ", "\n", "{", "}", ",,", "..", " ,", "None"):
        assert flaw not in text


@pytest.mark.parametrize("genre", GENRES)
def test_captions_of_a_piece_vary(genre: str) -> None:
    generator = np.random.default_rng(1)
    _, attributes = compose(generator, genre=genre)
    assert len({caption(attributes, generator) for _ in range(50)}) > 40
