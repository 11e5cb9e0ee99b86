"""Suites of prompts: what is shipped covers what it says, and what is wrong is said in a line."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_chain.brief import stated_bpm
from audio_chain.errors import UsageError
from audio_chain.vocabulary import GENRES, INSTRUMENTS, MOODS, TEMPOS, tempo_class
from eval.adherence.instruments import labels_for
from eval.bench.questions import load_questions
from prompts.suite import Suite, SuiteError, load_suite, parse_suite, suite_names

MINIMAL = "name: x\ndescription: y\nprompts: [{id: a, text: a waltz}]"


def test_the_shipped_suites_load_by_name() -> None:
    assert suite_names() == ["coverage", "hard", "smoke"]
    for name in suite_names():
        questions = load_questions(name)
        assert questions.suite.name == name
        assert len(questions.asked) == len(questions.suite.prompts)


@pytest.mark.parametrize("name", ["coverage", "hard", "smoke"])
def test_what_is_asked_is_in_the_text(name: str) -> None:
    """Tempi are stated as numbers, and no fact contradicts another."""
    questions = load_questions(name)
    for prompt, asked in zip(questions.suite.prompts, questions.asked, strict=True):
        if asked.bpm is not None:
            assert str(asked.bpm) in prompt.text, prompt.id
            assert asked.tempo == tempo_class(asked.bpm), prompt.id
        elif stated := stated_bpm(prompt.text):
            raise AssertionError(f"{prompt.id} states {stated} bpm")
        assert not set(asked.instruments) & set(asked.avoid), prompt.id


def test_coverage_covers_the_vocabulary() -> None:
    questions = load_questions("coverage")
    assert len(questions.suite.prompts) == 100
    genres = Counter(asked.genre for asked in questions.asked)
    assert all(genres[genre] >= 4 for genre in GENRES)
    moods = Counter(asked.mood for asked in questions.asked)
    assert all(moods[mood] >= 4 for mood in MOODS)
    tempos = Counter(asked.tempo for asked in questions.asked)
    assert all(tempos[tempo] >= 5 for tempo in TEMPOS)
    named = {label for asked in questions.asked for name in asked.instruments
             for label in labels_for(name)}  # fmt: skip
    assert named == set(INSTRUMENTS)
    assert all(labels_for(name) for asked in questions.asked for name in asked.instruments)
    assert sum(asked.bpm is not None and asked.has_drums for asked in questions.asked) >= 40
    assert sum(asked.key is not None for asked in questions.asked) >= 30
    assert len({prompt.text for prompt in questions.suite.prompts}) == 100


def test_hard_is_hard_in_five_ways() -> None:
    suite = load_suite("hard")
    assert Counter(prompt.kind for prompt in suite.prompts) == {
        "negation": 4,
        "metre": 4,
        "unknown instrument": 4,
        "other language": 4,
        "contradiction": 4,
    }


def test_a_suite_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(MINIMAL)
    suite = load_suite(str(path))
    assert (suite.name, suite.seconds, suite.prompts[0].text) == ("x", 10.0, "a waltz")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[", "not YAML"),
        ("- 1", "not list"),
        ("name: x", "description"),
        ("name: x\ndescription: y\nprompts: []", "at least one"),
        (MINIMAL + "\nsecond: 3", "unknown field 'second'"),
        (MINIMAL + "\nseconds: soon", "seconds"),
        (MINIMAL + "\nseconds: .nan", "seconds"),
        ("name: x\ndescription: y\nprompts: [{id: A B, text: z}]", "prompt 1: id"),
        ("name: x\ndescription: y\nprompts: [{id: ../../a, text: z}]", "prompt 1: id"),
        ("name: x\ndescription: y\nprompts: [{id: a}]", "prompt 1 (a): text"),
        ("name: x\ndescription: y\nprompts: [{id: a, text: z, asks: 3}]", "asks"),
        ("name: x\ndescription: y\nprompts: [{id: a, text: z}, {id: a, text: w}]", "two prompts"),
    ],
)
def test_a_wrong_suite_is_one_line(text: str, said: str) -> None:
    with pytest.raises(SuiteError) as caught:
        parse_suite(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("asks", "said"),
    [
        ("{gnre: rock}", "unknown field 'gnre'"),
        ("{genre: polka}", "genre must be one of"),
        ("{bpm: 1000}", "bpm must be a whole number"),
        ("{bpm: true}", "bpm"),
        ("{key: H minor}", "key must be a key"),
        ("{key: A locrian}", "key must be a key"),
        ("{instruments: piano}", "instruments must be a list"),
        ("{avoid: [drums, drums]}", "avoid must be a list"),
        ("{loudness: loud}", "loudness"),
    ],
)
def test_wrong_facts_are_one_line(tmp_path: Path, asks: str, said: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(MINIMAL.replace("a waltz", f"a waltz, asks: {asks}"))
    with pytest.raises(UsageError) as caught:
        load_questions(str(path))
    assert said in str(caught.value)
    assert "prompt 1 (a)" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_suite_says_which_there_are() -> None:
    with pytest.raises(UsageError, match="known are coverage, hard, smoke"):
        load_questions("nothing-like-it")


@given(st.text(max_size=200))
def test_any_text_is_a_suite_or_a_line(text: str) -> None:
    """A suite, or an error of one line."""
    try:
        result: Suite | SuiteError = parse_suite(text)
    except SuiteError as error:
        result = error
    assert isinstance(result, Suite) or "\n" not in str(result)
