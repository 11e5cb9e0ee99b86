"""The brief: validation, stated facts, and prompts for each family."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_chain.brief import (
    ENERGIES,
    FAMILIES,
    Brief,
    energy_of,
    negative,
    render,
    stated_alone,
    stated_bpm,
    stated_instruments,
    stated_key,
    stated_seconds,
    typical_bpm,
)
from audio_chain.brief.profiles import GENRE_BPM
from audio_chain.errors import UsageError
from audio_chain.vocabulary import GENRES, MOODS, TEMPO_RANGES, TEMPOS, tempo_class

SAD_PIANO = Brief(
    description="slow sad piano",
    genre="classical piano",
    mood="melancholic",
    tempo="slow",
    tempo_bpm=70,
    key="A minor",
    instruments=("piano",),
    avoid=(),
    energy="low",
    seconds=10.0,
)

NAMES = st.lists(st.sampled_from(["piano", "drums", "cello", "kazoo"]), unique=True)
BRIEFS = st.builds(
    Brief,
    description=st.from_regex(r"[a-z]+( [a-z]+){0,9}", fullmatch=True),
    genre=st.sampled_from(GENRES),
    mood=st.sampled_from(MOODS),
    tempo=st.sampled_from(TEMPOS),
    tempo_bpm=st.none() | st.integers(30, 300),
    key=st.none() | st.sampled_from(["A minor", "Eb major", "F# minor", "D dorian"]),
    instruments=NAMES.filter(bool).map(tuple),
    avoid=NAMES.map(tuple),
    energy=st.sampled_from(ENERGIES),
    seconds=st.floats(0.5, 3600),
)


@given(BRIEFS)
def test_dict_round_trip(brief: Brief) -> None:
    assert Brief.from_dict(json.loads(json.dumps(brief.to_dict()))) == brief


@given(BRIEFS, st.sampled_from(FAMILIES))
def test_prompts_are_one_line_and_hold_the_facts(brief: Brief, family: str) -> None:
    prompt = render(brief, family)
    assert prompt.isprintable()
    lower = prompt.lower()
    for fact in (brief.genre, brief.mood, *brief.instruments):
        assert fact in lower
    assert ("bpm" in lower) == (brief.tempo_bpm is not None)
    if brief.tempo_bpm is not None:
        assert f"{brief.tempo_bpm} bpm" in lower
    if brief.key is not None:
        assert brief.key in prompt


def test_nano_prompt_is_a_caption_of_the_factory() -> None:
    assert (
        render(SAD_PIANO, "musicgen-nano")
        == "A slow, melancholic classical piano piece with piano at 70 bpm in A minor."
    )
    waltz = dataclasses.replace(
        SAD_PIANO,
        genre="waltz",
        tempo="moderate",
        tempo_bpm=None,
        key=None,
        instruments=("accordion", "strings", "piano"),
    )
    assert (
        render(waltz, "musicgen-nano")
        == "A mid-tempo, melancholic waltz with accordion, strings and piano."
    )


def test_nano_is_told_that_one_instrument_plays_alone() -> None:
    cello = dataclasses.replace(SAD_PIANO, genre="ambient", instruments=("cello",))
    assert (
        render(cello, "musicgen-nano")
        == "A slow, melancholic solo cello piece in an ambient style at 70 bpm in A minor."
    )
    drums = dataclasses.replace(cello, instruments=("drums",))
    assert "solo" not in render(drums, "musicgen-nano")


def test_prompts_of_the_large_families() -> None:
    assert render(SAD_PIANO, "musicgen") == (
        "A slow, melancholic classical piano piece featuring piano. Slow sad piano. "
        "The mood is melancholic, the energy low, 70 BPM, in A minor."
    )
    assert render(SAD_PIANO, "stable-audio") == (
        "Genre: Classical Piano, Mood: Melancholic, Instruments: piano, Tempo: Slow, 70 BPM, "
        "A minor, low energy, slow sad piano"
    )


def test_unknown_family_is_named() -> None:
    with pytest.raises(UsageError, match="'riffusion'"):
        render(SAD_PIANO, "riffusion")


def test_negative_prompt() -> None:
    assert negative(SAD_PIANO) == ""
    unwanted = dataclasses.replace(SAD_PIANO, avoid=("vocals", "drums"))
    assert negative(unwanted) == "vocals, drums"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("genre", "polka"),
        ("mood", ""),
        ("tempo", 90),
        ("tempo_bpm", 29),
        ("tempo_bpm", 301),
        ("tempo_bpm", 90.5),
        ("tempo_bpm", True),
        ("tempo_bpm", "90"),
        ("key", "H minor"),
        ("key", "a minor"),
        ("key", 3),
        ("instruments", []),
        ("instruments", "piano"),
        ("instruments", ["piano", "piano"]),
        ("instruments", [1]),
        ("instruments", ["x" * 61]),
        ("avoid", [""]),
        ("avoid", None),
        ("energy", "extreme"),
        ("seconds", 0),
        ("seconds", -1.0),
        ("seconds", float("nan")),
        ("seconds", float("inf")),
        ("seconds", "10"),
        ("seconds", 3601),
        ("description", "   "),
        ("description", "two\nlines"),
        ("description", "x" * 501),
        ("description", None),
    ],
)
def test_a_wrong_field_is_named(field: str, value: Any) -> None:
    with pytest.raises(UsageError, match=field) as caught:
        Brief.from_dict(SAD_PIANO.to_dict() | {field: value})
    assert "\n" not in str(caught.value)


def test_missing_unknown_and_optional_fields() -> None:
    raw = SAD_PIANO.to_dict()
    with pytest.raises(UsageError, match="'mood' is missing"):
        Brief.from_dict({name: value for name, value in raw.items() if name != "mood"})
    with pytest.raises(UsageError, match="unknown field 'moood'"):
        Brief.from_dict(raw | {"moood": "happy"})
    with pytest.raises(UsageError, match="must be a JSON object"):
        Brief.from_dict(["not", "a", "dict"])  # type: ignore[arg-type]
    short = {n: v for n, v in raw.items() if n not in ("tempo_bpm", "key", "avoid")}
    assert Brief.from_dict(short | {"seconds": 5}) == dataclasses.replace(
        SAD_PIANO, tempo_bpm=None, key=None, seconds=5.0
    )


@pytest.mark.parametrize(
    ("text", "bpm"),
    [
        ("90 bpm", 90),
        ("at 174BPM please", 174),
        ("128.4 bpm", 128),
        ("ninety bpm.", 90),
        ("seventy-two BPM", 72),
        ("a hundred bpm", 100),
        ("hundred and forty bpm, only drums", 140),
        ("a hundred and twenty beats per minute", 120),
        ("one hundred eighty bpm", 180),
        ("two hundred and five beats a minute", 205),
        ("about one twenty bpm", 120),
        ("one thirty eight bpm", 138),
        ("like two thousand and one, power chords, one ninety bpm", 190),
        ("a tempo of ninety six", 96),
        ("the tempo is around 84", 84),
        ("metronome at 60", 60),
        ("120-130 bpm", 125),
        ("100 and 40 beats per minute", 140),
        ("Hundreds came, 100 and more, 90 bpm", 90),
        ("eighty to ninety bpm", 85),
        ("ninety bpm no wait a hundred bpm", 100),
        ("not 120 bpm", None),
        ("faster than 120 bpm", None),
        ("120 people", None),
        ("I turned ninety", None),
        ("9 bpm", None),
        ("999 bpm", None),
        ("tempo 50 percent", None),
        ("bpm", None),
        ("", None),
    ],
)
def test_stated_bpm(text: str, bpm: int | None) -> None:
    assert stated_bpm(text) == bpm


_ONES = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TEENS = [
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def spell(number: int) -> str:
    """English words for 1 to 299, independently of the parser."""
    if number >= 100:
        rest = number % 100
        return f"{_ONES[number // 100 - 1]} hundred" + (f" and {spell(rest)}" if rest else "")
    if number >= 20:
        return _TENS[number // 10 - 2] + (f" {_ONES[number % 10 - 1]}" if number % 10 else "")
    return _TEENS[number - 10] if number >= 10 else _ONES[number - 1]


@pytest.mark.parametrize("number", range(30, 300))
def test_every_tempo_is_read_in_words_and_digits(number: int) -> None:
    assert stated_bpm(f"something at {spell(number)} beats per minute, sad") == number
    assert stated_bpm(f"something at {number} bpm, sad") == number


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("in A minor", "A minor"),
        ("something in a minor", "A minor"),
        ("play it in a minor at ninety", "A minor"),
        ("in A minor, please", "A minor"),
        ("in the key of E flat major", "Eb major"),
        ("in the key of a minor", "A minor"),
        ("C sharp minor please", "C# minor"),
        ("F# minor", "F# minor"),
        ("Bb major", "Bb major"),
        ("key of G", "G major"),
        ("in B flat", "Bb major"),
        ("the key of B-flat", "Bb major"),
        ("in D dorian", "D dorian"),
        ("A# minor", "Bb minor"),
        ("D flat minor", "C# minor"),
        ("something in e minor, slow", "E minor"),
        ("in C major, no, in D major", "D major"),
        ("not in C major", None),
        ("in a minor car accident", None),
        ("I was in a minor accident", None),
        ("a minor key", None),
        ("A minor setback happened today", None),
        ("in a major hurry", None),
        ("in a flat in Berlin", None),
        ("I got a flat tire", None),
        ("in drop D", None),
        ("I have a minor in music", None),
        ("be major", None),
        ("the song is in G and I like it", None),
        ("", None),
    ],
)
def test_stated_key(text: str, key: str | None) -> None:
    assert stated_key(text) == key


@pytest.mark.parametrize("tonic", ["C", "D", "E", "F", "G", "A", "B"])
@pytest.mark.parametrize("sign", ["", " sharp", " flat", "#", "b"])
@pytest.mark.parametrize("mode", ["major", "minor"])
def test_every_key_that_is_read_fits_a_brief(tonic: str, sign: str, mode: str) -> None:
    key = stated_key(f"something in {tonic}{sign} {mode}, slow")
    assert key is not None
    assert dataclasses.replace(SAD_PIANO, key=key).key == key


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("ten seconds", 10),
        ("Sad piano, ten seconds.", 10),
        ("half a minute", 30),
        ("make it half a minute", 30),
        ("make it a minute", 60),
        ("a thirty second clip of rain music", 30),
        ("a 15-second jingle", 15),
        ("a one minute loop", 60),
        ("give me ten seconds of techno", 10),
        ("it should be about 45 seconds long", 45),
        ("two minutes thirty", 150),
        ("a minute and a half long", 90),
        ("one and a half minutes, please", 90),
        ("two minutes, no, ninety seconds", 90),
        ("I waited ten seconds", None),
        ("ten seconds ago", None),
        ("in ten seconds", None),
        ("give me a second", None),
        ("just a second, I need to think", None),
        ("wait a minute", None),
        ("hold on a sec", None),
        ("I've been walking for twenty minutes", None),
        ("five minutes before the show", None),
        ("forty minutes of drone footage", None),
        ("while the pasta boils. eleven minutes. al dente", None),
        ("a few seconds", None),
        ("second violin", None),
        ("", None),
    ],
)
def test_stated_seconds(text: str, seconds: float | None) -> None:
    assert stated_seconds(text) == seconds


@given(st.text(max_size=200))
def test_stated_facts_of_any_text_fit_a_brief(text: str) -> None:
    bpm, key, seconds = stated_bpm(text), stated_key(text), stated_seconds(text)
    changed = {"tempo_bpm": bpm, "key": key, "seconds": seconds or 10.0}
    assert dataclasses.replace(SAD_PIANO, **changed)  # type: ignore[arg-type]


@pytest.mark.parametrize("genre", GENRES)
@pytest.mark.parametrize("tempo", TEMPOS)
def test_typical_tempo_is_of_its_class_and_of_the_genre_if_it_can(genre: str, tempo: str) -> None:
    bpm = typical_bpm(genre, tempo)
    assert tempo_class(bpm) == tempo
    slowest, fastest = GENRE_BPM[genre]
    low, high = TEMPO_RANGES[tempo]
    if max(low, slowest) <= min(high, fastest):
        assert slowest <= bpm <= fastest
    else:
        assert bpm in (low, high)


def test_energy() -> None:
    assert energy_of("ambient", "calm", "very slow") == "low"
    assert energy_of("folk", "hopeful", "moderate") == "medium"
    assert energy_of("metal", "aggressive", "very fast") == "high"


def test_profiles_agree_with_the_data_factory() -> None:
    genres = pytest.importorskip("training.factory.genres").GENRES
    assert {name: tuple(genre.bpm) for name, genre in genres.items()} == GENRE_BPM


@pytest.mark.parametrize(
    ("text", "instruments"),
    [
        ("two fiddles and an upright bass, no piano", ("fiddle", "upright bass")),
        ("a Sax, then a tenor sax, then a sax again", ("saxophone", "tenor sax")),
        ("honky-tonk piano", ("honky-tonk piano",)),
        ("I don't want any violins, everybody has a violin teacher", ()),
        ("leave the drums out, I cannot stand another electric guitar", ()),
        ("an organic horn-rimmed fluted bass trombonist", ()),
        ("double bass under a celeste", ("upright bass", "celesta")),
        ("", ()),
    ],
)
def test_stated_instruments(text: str, instruments: tuple[str, ...]) -> None:
    assert stated_instruments(text) == instruments


@given(st.lists(st.sampled_from(["piano", "two cellos", "no oboe", "a sax"]), max_size=6))
def test_instruments_are_stated_once_and_never_when_declined(phrases: list[str]) -> None:
    found = stated_instruments(". ".join(phrases))
    asked = {"piano": "piano", "two cellos": "cello", "a sax": "saxophone"}
    assert found == tuple(dict.fromkeys(asked[p] for p in phrases if p in asked))


@pytest.mark.parametrize(
    ("text", "instrument"),
    [
        ("slow and sad, just a piano, around 70 beats per minute", "piano"),
        ("Only the old upright piano, no drums, no strings", "piano"),
        ("nothing but a single cello. She's gone", "cello"),
        ("A marimba. By itself, underwater", "marimba"),
        ("sax on its own under the bridge", "saxophone"),
        ("Solo violin, at dusk", "violin"),
        ("a banjo and nothing else, thanks", "banjo"),
        ("just a piano and a cello", None),
        ("just a flute, then everybody", None),
        ("just a guitar over a soft beat", None),
        ("a solo trumpet riding on top", None),
        ("a guitar solo at the end", None),
        ("an accordion, or just a fiddle", None),
        ("it's not just a piano", None),
        ("I just want a piano", None),
        ("a piano, just like that", None),
        ("piano only just keeping upright", None),
    ],
)
def test_an_instrument_may_be_asked_for_alone(text: str, instrument: str | None) -> None:
    assert stated_alone(text) == instrument
