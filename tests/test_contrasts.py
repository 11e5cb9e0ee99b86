"""Captions that are wrong in exactly one thing."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_chain.vocabulary import tempo_class
from training.factory import phrases
from training.factory.attributes import Attributes
from training.factory.compose import compose
from training.factory.contrasts import ATTRIBUTES, Attribute, contrast
from training.factory.genres import GENRES
from training.factory.instruments import INSTRUMENTS
from training.factory.moods import MOODS
from training.factory.theory import MAJOR_KEYS, MINOR_KEYS

SEEDS = st.integers(0, 2**32 - 1)


def piece(seed: int) -> tuple[Attributes, np.random.Generator]:
    generator = np.random.default_rng(seed)
    _, facts = compose(generator)
    return facts, generator


def differing(right: str, wrong: str) -> tuple[str, str]:
    """What is left of two captions without the words that they share at both ends."""
    a, b = (re.findall(r"[\w#&.'-]+", text.lower()) for text in (right, wrong))
    while a and b and a[0] == b[0]:
        a, b = a[1:], b[1:]
    while a and b and a[-1] == b[-1]:
        a, b = a[:-1], b[:-1]
    return " ".join(a), " ".join(b)


@given(seed=SEEDS, attribute=st.sampled_from(ATTRIBUTES))
def test_the_wrong_caption_is_wrong(seed: int, attribute: Attribute) -> None:
    facts, generator = piece(seed)
    found = contrast(facts, attribute, generator)
    if found is None:
        assert attribute == "lead"  # everything else can be said of every piece
        return
    assert found.attribute == attribute
    before, after = differing(found.right, found.wrong)
    assert after != before
    if attribute == "mode":
        minor = facts.mode in ("minor", "dorian", "phrygian")
        assert ("major" if minor else "minor") in after
    elif attribute == "tempo":
        numbers = [int(number) for number in re.findall(r"(\d+) ?bpm", found.wrong.lower())]
        for bpm in numbers:
            assert tempo_class(bpm * 1.5 if facts.meter == "6/8" else bpm) != facts.tempo
    elif attribute == "genre":
        assert not any(title.lower() == after for title in GENRES[facts.genre].titles)
    elif attribute == "mood":
        assert not set(after.split()) & {
            word for word in MOODS[facts.mood].words if word not in before.split()
        }
    else:
        present = {name for one in facts.instruments if one != "drums"
                   for name in INSTRUMENTS[one].names}  # fmt: skip
        assert not {name for name in present if name.lower() == after}


def without(text: str, spoken: Iterable[str]) -> str:
    """A caption in lower case with phrases hidden, and "an" as "a"."""
    pattern = "|".join(re.escape(phrase) for phrase in sorted(spoken, key=len, reverse=True))
    hidden = re.sub(rf"(?<![\w-])({pattern})(?![\w-])", "|", text, flags=re.IGNORECASE)
    return re.sub(r"\ban\b", "a", hidden.lower())


@given(seed=SEEDS, attribute=st.sampled_from(["genre", "lead"]))
def test_one_name_is_the_only_difference(seed: int, attribute: Attribute) -> None:
    """One of the piece's names in the right caption stands for another's in the wrong one."""
    facts, generator = piece(seed)
    found = contrast(facts, attribute, generator)
    if found is None:
        return
    if attribute == "genre":
        names = {name: genre.titles for name, genre in GENRES.items()}
        present = {facts.genre}
    else:
        names = {name: instrument.names for name, instrument in INSTRUMENTS.items()}
        present = {*facts.instruments} - {"drums"}
    true = {title for name in present for title in names[name]}
    others = {title for titles in names.values() for title in titles} - true
    rights = {without(found.right, [title]) for title in true}
    wrongs = {without(found.wrong, [title]) for title in others}
    assert {text for text in rights & wrongs if "|" in text}


@given(seed=SEEDS, attribute=st.sampled_from(["mood", "tempo", "mode"]))
def test_what_else_they_say_is_the_same(seed: int, attribute: Attribute) -> None:
    """Without all words of that kind, right or wrong, nothing tells the two apart."""
    facts, generator = piece(seed)
    found = contrast(facts, attribute, generator)
    if found is None:
        return
    spoken: dict[str, list[str]] = {
        "mood": [word for mood in MOODS.values() for word in (*mood.words, *mood.uses)],
        "tempo": [word for words in phrases.TEMPO_WORDS.values() for word in words]
        + [str(number) for number in range(20, 401)],
        "mode": [
            f"{key} {mode}"
            for key in (*MAJOR_KEYS, *MINOR_KEYS)
            for mode in ("major", "minor", facts.mode)
        ],
    }
    assert without(found.right, spoken[attribute]) == without(found.wrong, spoken[attribute])


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_contrasts_are_determined_by_the_seed(attribute: Attribute) -> None:
    facts, _ = piece(7)
    first, again = (contrast(facts, attribute, np.random.default_rng(3)) for _ in range(2))
    assert first == again
