"""Adherence against sound whose answer is known, and the command that reports it."""

from __future__ import annotations

import argparse
import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from audio_chain import Run
from audio_chain.brief import Brief
from audio_chain.clip import Clip
from audio_chain.errors import AudioError, ChainError, UsageError
from audio_chain.models import CATALOGUE, folders
from audio_chain.vocabulary import INSTRUMENTS
from audio_chain.weights.cache import sha256_of
from eval import commands
from eval.adherence import Asked, measure
from eval.adherence.errors import shipped_errors
from eval.adherence.findings import RULES, Adherence, Finding
from eval.adherence.instruments import is_heard, labels_for
from eval.adherence.key import NAMES, Key, estimate_key, parse_key, relation
from eval.adherence.looping import STUCK_SIMILARITY, loop_similarity
from eval.adherence.summary import rate, summarize
from eval.bench.reference import shipped_windows
from eval.needs import check_installed

RATE = 22_050
Audio = NDArray[np.float32]

MAJOR, MINOR = (0, 4, 7), (0, 3, 7)


def times(seconds: float) -> NDArray[np.float64]:
    return np.arange(round(seconds * RATE)) / RATE


def notes(pitches: tuple[int, ...], seconds: float, cents: float = 0.0) -> Audio:
    """Plucked tones with six partials; MIDI pitches."""
    t, audio = times(seconds), np.zeros(round(seconds * RATE))
    for pitch in pitches:
        hertz = 440 * 2 ** ((pitch - 69 + cents / 100) / 12)
        audio += sum(np.sin(2 * np.pi * k * hertz * t) / k**1.5 for k in range(1, 7))
    return (0.08 * audio * np.exp(-2 * t)).astype(np.float32)


def cadence(tonic: int, mode: str, cents: float = 0.0) -> Audio:
    """I IV V I in root position with the bass, harmonic minor's V in minor; 8 s."""
    fourth = MAJOR if mode == "major" else MINOR
    chords = [(0, fourth), (5, fourth), (7, MAJOR), (0, fourth)]
    parts = []
    for root, triad in chords * 2:
        low = 48 + (tonic + root) % 12
        parts.append(notes((low - 12, *(low + step for step in triad)), 1.0, cents))
    return np.concatenate(parts)


def clicks(bpm: float, seconds: float = 8.0) -> Audio:
    audio = np.zeros(round(seconds * RATE), np.float32)
    click = np.random.default_rng(0).standard_normal(400) * np.exp(-np.arange(400) / 60)
    for start in np.round(np.arange(0, seconds - 0.1, 60 / bpm) * RATE).astype(int):
        audio[start : start + 400] += 0.5 * click.astype(np.float32)
    return audio


def clip_of(audio: Audio) -> Clip:
    return Clip(audio[np.newaxis], RATE)


@pytest.mark.parametrize("tonic", range(0, 12, 2))
@pytest.mark.parametrize("mode", ["major", "minor"])
def test_key_of_cadences(tonic: int, mode: str) -> None:
    found = estimate_key(cadence(tonic, mode), RATE)
    assert str(found) == f"{NAMES[tonic]} {mode}"


@pytest.mark.parametrize("cents", [-30.0, 25.0])
def test_key_of_an_instrument_that_is_out_of_tune(cents: float) -> None:
    assert str(estimate_key(cadence(9, "minor", cents), RATE)) == "A minor"


def test_key_under_drums_and_noise() -> None:
    drums = clicks(120)
    noise = 0.01 * np.random.default_rng(1).standard_normal(len(drums)).astype(np.float32)
    assert str(estimate_key(cadence(2, "major") + drums + noise, RATE)) == "D major"


def test_no_key_in_silence_nor_in_a_moment() -> None:
    assert estimate_key(np.zeros(4 * RATE, np.float32), RATE) is None
    assert estimate_key(cadence(0, "major")[:RATE], RATE) is None


def test_keys_by_name() -> None:
    assert parse_key("Cb major") == parse_key("B lydian") == Key(11, "major")
    assert parse_key("F# phrygian") == parse_key("Gb minor") == Key(6, "minor")
    for wrong in ("H minor", "A", "a minor", "A locrian", ""):
        with pytest.raises(ValueError, match="is not a key"):
            parse_key(wrong)


@pytest.mark.parametrize(
    ("asked", "found", "expected"),
    [
        ("C major", "C major", "same"),
        ("C major", "A minor", "relative"),
        ("A minor", "C major", "relative"),
        ("C major", "G major", "fifth"),
        ("C major", "F major", "fifth"),
        ("C major", "C minor", "parallel"),
        ("C major", "E minor", "other"),
        ("A minor", "F# major", "other"),
    ],
)
def test_relations_of_keys(asked: str, found: str, expected: str) -> None:
    assert relation(parse_key(asked), parse_key(found)) == expected


def test_each_key_has_one_relative_one_parallel_and_two_fifths() -> None:
    keys = [Key(tonic, mode) for tonic in range(12) for mode in ("major", "minor")]
    for one in keys:
        found = [relation(one, other) for other in keys]
        assert [found.count(kind) for kind in ("same", "relative", "parallel", "fifth")] == [
            1,
            1,
            1,
            2,
        ]


@pytest.mark.parametrize("period", [0.15, 0.317, 0.8])
def test_a_stuck_loop_is_found(period: float) -> None:
    rng = np.random.default_rng(2)
    melody = np.concatenate([notes((int(p),), 0.25) for p in rng.integers(48, 72, 40)])
    assert (loop_similarity(melody, RATE) or 0) < 0.9
    middle = len(melody) // 2
    loop = np.resize(melody[middle : middle + round(period * RATE)], len(melody) - middle)
    hung = np.concatenate([melody[:middle], loop]).astype(np.float32)
    assert (loop_similarity(hung, RATE) or 0) > STUCK_SIMILARITY


def test_no_loop_where_nothing_changes_or_too_short() -> None:
    assert loop_similarity(np.zeros(5 * RATE, np.float32), RATE) is None
    assert loop_similarity(clicks(120, 3.0), RATE) is None


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("piano", {"piano"}),
        ("Grand Piano", {"piano"}),
        ("soft brushed drums", {"drums"}),
        ("distorted guitars", {"distorted guitar"}),
        ("808 bass", {"deep synth bass", "synth bass"}),
        ("pads", {"atmosphere", "warm pad"}),
        ("theremin", set()),
        ("steel drums", set()),
        ("", set()),
    ],
)
def test_names_that_people_use(name: str, labels: set[str]) -> None:
    found = set(labels_for(name))
    assert labels <= found
    assert bool(found) is bool(labels)
    assert found <= set(INSTRUMENTS)


@given(st.text(max_size=40))
def test_any_name_is_known_or_not(name: str) -> None:
    assert set(labels_for(name)) <= set(INSTRUMENTS)


def test_any_kind_heard_is_the_instrument_heard() -> None:
    chances = dict.fromkeys(INSTRUMENTS, 0.1) | {"tenor sax": 0.8}
    assert is_heard("saxophone", chances) is True
    assert is_heard("piano", chances) is False
    assert is_heard("theremin", chances) is None
    assert all(is_heard(name, dict.fromkeys(INSTRUMENTS, 1.0)) for name in INSTRUMENTS)


BRIEF = Brief(
    description="a test",
    genre="rock",
    mood="happy",
    tempo="fast",
    tempo_bpm=120,
    key="D major",
    instruments=("piano", "drums", "theremin"),
    avoid=("theremin",),
    energy="high",
    seconds=8.0,
)


def test_a_brief_is_measured() -> None:
    """With the real CLAP-nano; the sound is synthetic, so only what is certain is checked."""
    sound = clip_of(0.5 * cadence(2, "major") + clicks(120))
    found = measure(sound, BRIEF)
    assert list(found.findings) == list(RULES)
    assert found["tempo"].score == 1
    assert (found["key"].score, found["key"].found) == (1, "D major")
    assert found["instruments"].note == "the listener doesn't know theremin"
    assert found["instruments"].score in (0.0, 0.5, 1.0)
    assert not found["avoided"].applies
    assert [found[name].score for name in ("silence", "clipping", "drone")] == [1, 1, 1]
    assert found["loudness"].score is None
    assert found["loudness"].value is not None

    slow = measure(sound, replace(BRIEF, tempo_bpm=93, key="B minor", instruments=("piano",)))
    assert slow["tempo"].note == "no drums were asked: the estimator needs them"
    assert (slow["key"].score, slow["key"].note) == (0, "relative")
    wrong = measure(sound, replace(BRIEF, tempo_bpm=93))
    assert wrong["tempo"].score == 0
    json.dumps(found.to_dict(), allow_nan=False)


def test_defects_are_found_whatever_is_asked() -> None:
    t = times(5.0)
    sine = (0.3 * np.sin(2 * np.pi * 220 * t)).astype(np.float32)
    nothing = Asked()
    assert measure(clip_of(sine), nothing)["drone"].score == 0
    silent = measure(
        clip_of(0 * sine), Asked(genre="rock", bpm=90, key="A minor", instruments=("drums",))
    )
    assert silent["silence"].score == 0
    assert silent["silence"].found == "digital silence"
    scores = [silent[name].score for name in ("tempo", "key", "genre", "instruments")]
    assert scores == [0, 0, 0, 0]
    assert not silent["drone"].applies
    assert not silent["repetition"].applies
    clipped = measure(clip_of(np.clip(9 * sine, -1, 1)), nothing)
    assert clipped["clipping"].score == 0
    assert clipped["clipping"].value == pytest.approx(1 - 2 / np.pi * math.asin(1 / 2.7), abs=0.01)


def test_clipping_of_one_channel_is_not_mixed_away() -> None:
    sine = np.sin(2 * np.pi * 220 * times(5.0)).astype(np.float32)
    stereo = np.stack([np.clip(4 * sine, -1, 1), -0.1 * sine])
    assert measure(Clip(stereo, RATE), Asked())["clipping"].score == 0


def test_loudness_against_a_target() -> None:
    """A sine at 1 kHz, -20 dBFS peak, is -23.0 LUFS in both channels, by EBU Tech 3341's scale."""
    sine = (10 ** (-23 / 20) * np.sin(2 * np.pi * 1000 * times(5.0))).astype(np.float32)
    stereo = Clip(np.stack([sine, sine]), RATE)
    assert measure(stereo, Asked(loudness=-23.5))["loudness"].score == 1
    found = measure(stereo, Asked(loudness=-14))["loudness"]
    assert found.score == 0
    assert found.value == pytest.approx(-23, abs=0.2)


def test_a_moment_is_refused_and_short_clips_say_what_they_lack() -> None:
    with pytest.raises(AudioError, match="too short"):
        measure(clip_of(clicks(120, 0.5)), BRIEF)
    found = measure(clip_of(clicks(120, 1.5)), BRIEF)
    assert found["tempo"].note == "a tempo takes 3 s"
    assert found["key"].note == "a key takes 2 s"
    assert found["repetition"].note == "it takes 4 s"


def test_what_is_asked_from_briefs_and_back() -> None:
    asked = Asked.of(BRIEF, loudness=-14.0)
    assert (asked.bpm, asked.key, asked.loudness) == (120, "D major", -14.0)
    assert Asked.from_dict(asked.to_dict()) == asked
    assert Asked.from_dict({}) == Asked()
    assert asked.has_drums
    assert not Asked(instruments=("piano",)).has_drums
    assert Asked(instruments=("hand percussion",)).has_drums


def test_rates_have_wilsons_interval() -> None:
    """Values by the formula in Wilson (1927), as in R's prop.test without correction."""
    ten = rate([1.0] * 10)
    assert (ten.value, ten.high) == (1, 1)
    assert ten.low == pytest.approx(0.7225, abs=1e-3)
    some = rate([1.0] * 30 + [0.0] * 20)
    assert (some.low, some.high) == pytest.approx((0.4618, 0.7239), abs=1e-3)
    shares = rate([0.5, 1.0, 0.25])
    assert shares.low < shares.value < shares.high
    assert math.isnan(rate([]).value)


@settings(max_examples=50)
@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=20))
def test_rates_are_inside_their_intervals(scores: list[float]) -> None:
    found = rate(scores)
    assert 0 <= found.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.high <= 1


def test_what_does_not_apply_is_said_and_not_scored() -> None:
    def clip(score: float | None, note: str = "") -> Adherence:
        blank: Mapping[object, Finding] = {name: Finding(name, None) for name in RULES}
        return Adherence({**blank, "key": Finding("key", score, note=note)})  # type: ignore[dict-item]

    rates = summarize([clip(1.0), clip(0.0, "relative"), clip(None, "no key was asked")])
    key = rates["key"]
    assert (key.score.value, key.score.count) == (0.5, 2)
    assert dict(key.near) == {"relative": 1}
    assert dict(key.unscored) == {"no key was asked": 1}
    assert rates["tempo"].score.count == 0


def test_the_estimators_own_errors_are_shipped() -> None:
    errors = shipped_errors()
    assert set(errors.by_measure) == set(RULES) - {"loudness"}
    for name, known in errors.by_measure.items():
        assert known.right is not None, name
        assert known.wrong is not None, name
        assert known.right.value > known.wrong.value, name
        assert known.right.count >= 100, name
    assert "held-out pieces" in errors.measured_on


def test_the_shipped_figures_are_of_the_shipped_listener() -> None:
    """New weights of CLAP-nano: run training.estimator_error and training.reference_windows."""
    sums = folders(CATALOGUE["clap-nano"])["clap-nano"] / "SHA256SUMS"
    shipped = sha256_of(sums)
    assert shipped_errors().listener == shipped
    assert shipped_windows().origin.revision == shipped


def test_a_package_that_is_missing_is_one_line() -> None:
    check_installed("a test", "librosa")
    with pytest.raises(ChainError, match=r'nosuchthing: pip install "audio-chain\[eval\]"'):
        check_installed("a test", "librosa", "nosuchthing")


def command(*words: str) -> int:
    parser = argparse.ArgumentParser()
    commands.add(parser.add_subparsers(required=True))
    arguments = parser.parse_args(["eval", *words])
    code: int = arguments.command(arguments)
    return code


def test_the_command_on_a_run_and_on_a_broken_one(
    memo_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(memo_run.folder, tmp_path / "runs" / "good")
    shutil.copytree(memo_run.folder, tmp_path / "runs" / "damaged")
    (tmp_path / "runs" / "damaged" / memo_run.track.name).write_bytes(b"no sound")
    (tmp_path / "runs" / "old").mkdir()
    (tmp_path / "runs" / "old" / "run.json").write_text("{}")
    assert command("adherence", str(tmp_path / "runs"), "--json") == 0
    out, err = capsys.readouterr()
    results = json.loads(out)
    assert results["used"] == 1
    assert len(results["broken"]) == 2
    assert len(err.splitlines()) == 2
    (rates,) = results["models"].values()
    assert rates["loudness"]["score"]["count"] == 1
    assert rates["genre"]["estimator"]["right"]["value"] > 0.9

    assert command("adherence", str(memo_run.folder), "--clips") == 0
    out = capsys.readouterr().out
    assert "estimator, where known" in out
    assert "no tempo" in out or "tempo" in out
    assert "1 clips used, 0 left out" in out


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda folder: None, UsageError, "there is no folder"),
        (lambda folder: folder.mkdir(), UsageError, "neither runs"),
        (lambda folder: broken_run(folder), ChainError, "none of the tracks"),
    ],
)
def test_folders_that_hold_nothing(
    tmp_path: Path, make: object, error: type[Exception], said: str
) -> None:
    folder = tmp_path / "folder"
    assert callable(make)
    make(folder)
    with pytest.raises(error, match=said):
        command("adherence", str(folder))


def broken_run(folder: Path) -> None:
    folder.mkdir()
    (folder / "run.json").write_text("[]")
