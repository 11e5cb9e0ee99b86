"""Preparing music for fine-tuning: what is cut, kept, dropped and said, and that it goes on."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from audio_files import write_av
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_chain.audio import decode, encode
from audio_chain.clip import Clip
from audio_chain.errors import ChainError, UsageError
from audio_chain.finetune import coding
from audio_chain.finetune.fingerprint import ALIKE, fingerprint
from audio_chain.finetune.preparing import Preparation, Prepared, prepare
from audio_chain.finetune.slicing import SILENT_DB, cuts
from audio_chain.finetune.splitting import split
from audio_chain.finetune.trainee import Piece
from audio_chain.loudness import integrated_loudness

RATE = 16_000


class ToyCoder:
    """Codes are levels, 50 a second; counts how often it is asked."""

    name, rate, channels = "toy", RATE, 1

    def __init__(self) -> None:
        self.asked = 0
        self.heard: list[Clip] = []

    def encode(self, clip: Clip) -> torch.Tensor:
        self.asked += 1
        self.heard.append(clip)
        frames = clip.samples[0][: clip.frames // 320 * 320].reshape(-1, 320)
        return torch.from_numpy((100 * np.abs(frames).max(1)).astype(np.int16))[None]


class ToyCaptioner:
    """Describes by length; counts how often it is asked."""

    name = "toy"

    def __init__(self) -> None:
        self.asked = 0

    def describe(self, clip: Clip) -> dict[str, Any]:
        self.asked += 1
        return {"caption": f"music of {clip.seconds:.0f} s", "bpm": 120}


def tune(seconds: float, seed: int, level: float = 0.3) -> Clip:
    """Notes of random pitches, four a second, that die away."""
    rng = np.random.default_rng(seed)
    audio = np.zeros(round(seconds * RATE), np.float32)
    time = np.arange(RATE // 2) / RATE
    for begin in range(0, len(audio), RATE // 4):
        note = np.sin(2 * np.pi * rng.uniform(150, 1500) * time) * np.exp(-6 * time)
        audio[begin : begin + len(note)] += (level * note)[: len(audio) - begin]
    return Clip(np.clip(audio, -1, 1)[None], RATE)


def prepared(folder: Path, out: Path, **more: Any) -> Prepared:
    given: dict[str, Any] = {"coder": ToyCoder(), "captioner": ToyCaptioner(), **more}
    return prepare(folder, out, cache=out.parent / "cache", **given)


def reasons(result: Prepared) -> dict[str, str]:
    return {one["file"]: one["reason"] for one in result.report["dropped"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four songs, of several formats, rates and channels."""
    made = tmp_path / "songs"
    (made / "more").mkdir(parents=True)
    encode(tune(25, 0), made / "a.wav")
    encode(tune(25, 1).resampled(44_100), made / "b.flac")
    write_av(made / "c.mp3", tune(25, 2).resampled(32_000), "mp3")
    stereo = tune(25, 3).resampled(48_000)
    encode(Clip(np.repeat(stereo.samples, 2, 0), 48_000), made / "more" / "d.ogg")
    return made


def test_a_folder_of_any_formats(folder: Path, tmp_path: Path) -> None:
    result = prepared(folder, tmp_path / "out")
    pieces = (*result.train, *result.validation)
    assert {piece.file for piece in pieces} == {"a.wav", "b.flac", "c.mp3", "more/d.ogg"}
    assert not {p.file for p in result.train} & {p.file for p in result.validation}
    assert all(2 <= piece.seconds <= 10.02 for piece in pieces)
    assert all(piece.codes.shape[1] == int(piece.seconds * 50 + 1e-6) for piece in pieces)
    assert sum(piece.seconds for piece in pieces) == pytest.approx(100, abs=1.5)
    rows = [json.loads(line) for line in (tmp_path / "out/captions.jsonl").open()]
    assert rows[0] == {
        "file": "a.wav",
        "caption": "music of 25 s",
        "bpm": 120,
        "from": "measured",
    }
    report = json.loads((tmp_path / "out/preparation.json").read_text())
    assert report["captions"] == {"measured": 4}
    assert report["train"]["seconds"] + report["validation"]["seconds"] == pytest.approx(
        sum(piece.seconds for piece in pieces), abs=0.02
    )


def test_captions_by_their_order_of_precedence(folder: Path, tmp_path: Path) -> None:
    (folder / "a.txt").write_text("from a text\n")
    (folder / "b.json").write_text(json.dumps({"description": "from a JSON"}))
    (folder / "more/d.txt").write_text("not this one")
    (folder / "captions.csv").write_text(
        "file,caption\nmore/d.ogg,from a table\ngone.wav,nothing\n"
    )
    out = tmp_path / "out"
    captioner = ToyCaptioner()
    result = prepared(
        folder, out, captioner=captioner, preparation=Preparation(phrase="in my style")
    )
    captions = {piece.file: piece.caption for piece in (*result.train, *result.validation)}
    assert captions == {
        "a.wav": "from a text, in my style",
        "b.flac": "from a JSON, in my style",
        "c.mp3": "music of 25 s, in my style",
        "more/d.ogg": "from a table, in my style",
    }
    assert captioner.asked == 1
    assert "there is no such file" in reasons(result)["gone.wav"]
    lines = (out / "captions.jsonl").read_text().replace("music of 25 s", "edited by hand")
    (out / "captions.jsonl").write_text(lines)
    (folder / "a.txt").write_text("too late")
    again = prepared(folder, out, captioner=captioner)
    captions = {piece.file: piece.caption for piece in (*again.train, *again.validation)}
    assert captions["c.mp3"] == "edited by hand"
    assert captions["a.wav"] == "from a text"
    assert captioner.asked == 1
    assert '"bpm": 120' in (out / "captions.jsonl").read_text()


def test_what_was_stopped_goes_on(folder: Path, tmp_path: Path) -> None:
    class Stopping(ToyCoder):
        def encode(self, clip: Clip) -> torch.Tensor:
            if self.asked == 7:
                raise KeyboardInterrupt
            return super().encode(clip)

    with pytest.raises(KeyboardInterrupt):
        prepared(folder, tmp_path / "out", coder=Stopping())
    coder, whole = ToyCoder(), ToyCoder()
    result = prepared(folder, tmp_path / "out", coder=coder)
    fresh = prepare(
        folder, tmp_path / "fresh", whole, ToyCaptioner(), cache=tmp_path / "another cache"
    )
    assert 0 < coder.asked < whole.asked
    for one, other in zip(result.train, fresh.train, strict=True):
        assert (one.file, one.begin_s, one.caption) == (other.file, other.begin_s, other.caption)
        assert torch.equal(one.codes, other.codes)
    last = ToyCoder()
    prepared(folder, tmp_path / "out", coder=last)
    assert last.asked == 0
    for kept in (tmp_path / "cache").rglob("*.safetensors"):
        kept.write_bytes(kept.read_bytes()[:100])  # damaged: made anew
    prepared(folder, tmp_path / "out", coder=last)
    assert last.asked == whole.asked


def test_what_cannot_be_used_is_left_out_with_its_reason(folder: Path, tmp_path: Path) -> None:
    (folder / "copy.wav").write_bytes((folder / "a.wav").read_bytes())
    write_av(folder / "like-b.mp3", tune(25, 1, level=0.1), "mp3")
    (folder / "broken.mp3").write_bytes(b"this is no sound" * 100)
    (folder / "empty.wav").write_bytes(b"")
    encode(tune(1, 9), folder / "short.wav")
    encode(Clip(np.zeros((1, 5 * RATE), np.float32), RATE), folder / "silent.wav")
    (folder / "c.json").write_text("{")
    result = prepared(folder, tmp_path / "out")
    why = reasons(result)
    assert why["copy.wav"] == "is the same file as a.wav"
    assert why["like-b.mp3"] == "sounds like b.flac"
    assert "is empty" in why["empty.wav"]
    assert why["short.wav"] == "is 1.0 s long; pieces are at least 2 s"
    assert why["silent.wav"] == "is silent, or never sounds for 2 s"
    assert "its caption can't be read" in why["c.mp3"]
    assert "broken.mp3" in why
    used = {piece.file for piece in (*result.train, *result.validation)}
    assert used == {"a.wav", "b.flac", "c.mp3", "more/d.ogg"}


def test_too_little_is_refused_in_words(tmp_path: Path) -> None:
    folder = tmp_path / "songs"
    with pytest.raises(UsageError, match="no file or folder"):
        prepared(folder, tmp_path / "out")
    folder.mkdir()
    with pytest.raises(UsageError, match="there are no audio files"):
        prepared(folder, tmp_path / "out")
    encode(tune(2, 0), folder / "two.wav")
    with pytest.raises(UsageError, match=r"has 2\.0 s of sound to learn from, and it takes 20 s"):
        prepared(folder, tmp_path / "out")
    (folder / "bad.wav").write_bytes(b"bad")
    with pytest.raises(UsageError, match=r"bad\.wav"):
        prepared(folder, tmp_path / "out")
    with pytest.raises(UsageError, match="is a file; give the folder"):
        prepared(folder / "two.wav", tmp_path / "out")


def test_an_adapters_own_sounds_are_not_learnt_from(folder: Path) -> None:
    out = folder / "my-style"
    (out / "samples").mkdir(parents=True)
    encode(tune(25, 7), out / "samples" / "step-0.wav")
    result = prepared(folder, out)
    assert result.report["found"]["files"] == 4


def test_held_out_songs_keep_their_own_captions(tmp_path: Path) -> None:
    """Also when they are called as songs to learn from are, and those have been captioned."""
    folders = [tmp_path / name for name in ("songs", "aside")]
    for seed, folder in enumerate(folders):
        folder.mkdir()
        for number in range(3):
            encode(tune(12, 10 * seed + number), folder / f"{number}.flac")
            (folder / f"{number}.txt").write_text(f"{folder.name} {number}")
    found = [prepared(folders[0], tmp_path / "out", held_out=folders[1]) for _ in range(2)]
    for result in found:
        for name, pieces in (("songs", result.train), ("aside", result.validation)):
            assert {piece.caption for piece in pieces} == {f"{name} {one}" for one in range(3)}


def test_held_out_songs_stay_apart(folder: Path, tmp_path: Path) -> None:
    aside = tmp_path / "aside"
    aside.mkdir()
    encode(tune(15, 30), aside / "x.wav")
    encode(tune(25, 0, level=0.2), aside / "a.flac")  # also among the songs
    result = prepared(folder, tmp_path / "out", held_out=aside)
    assert {piece.file for piece in result.validation} == {"x.wav", "a.flac"}
    assert {piece.file for piece in result.train} == {"b.flac", "c.mp3", "more/d.ogg"}
    assert set(result.songs) == {"x.wav", "a.flac"}


@contextmanager
def small_files() -> Iterator[None]:
    """No file may grow beyond 1 kB, as a quota would have it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_not_a_broken_song(folder: Path, tmp_path: Path) -> None:
    with small_files(), pytest.raises(ChainError, match="can't keep what was prepared in"):
        prepared(folder, tmp_path / "out")
    assert not list(tmp_path.rglob("*.part"))
    assert prepared(folder, tmp_path / "out").report["dropped"] == []


def test_songs_are_brought_to_one_level(tmp_path: Path) -> None:
    levels = []
    for level in (0.02, 0.3):
        coder = ToyCoder()
        coding.code(tune(8, 1, level), coder, coding.Slicing())
        levels.append(integrated_loudness(coder.heard[0]))
    assert levels[0] == pytest.approx(levels[1], abs=0.1)
    coder = ToyCoder()
    coding.code(tune(8, 1, 0.02), coder, coding.Slicing(levelled=False))
    assert integrated_loudness(coder.heard[0]) < levels[0] - 6


# --- cutting ----------------------------------------------------------------------------------


def test_cuts_fall_into_silences() -> None:
    audio = tune(20, 4).samples.copy()
    audio[:, : 2 * RATE] = 0
    audio[:, 9 * RATE : 10 * RATE] = 0
    first, second = cuts(audio, RATE, least=2, most=10)
    assert first.begin_s == pytest.approx(2, abs=0.05)
    assert first.end_s == pytest.approx(9, abs=0.05)
    assert second.begin_s == pytest.approx(10, abs=0.05)


def test_without_silences_cuts_fall_on_onsets() -> None:
    """A steady noise with a bang every 1.7 s: every cut is at a bang."""
    rng = np.random.default_rng(0)
    audio = 0.02 * rng.standard_normal(30 * RATE).astype(np.float32)
    bangs = np.arange(0.5, 30, 1.7)
    for bang in bangs:
        begin = round(bang * RATE)
        audio[begin : begin + 1600] += 0.5 * rng.standard_normal(len(audio[begin : begin + 1600]))
    found = cuts(audio[None], RATE, least=2, most=8)
    for cut in found[:-1]:
        assert np.abs(bangs - cut.end_s).min() <= 0.06


@settings(max_examples=25, deadline=None)
@given(
    seconds=st.floats(0.1, 40),
    gaps=st.lists(st.tuples(st.floats(0, 40), st.floats(0.05, 5)), max_size=4),
    most=st.floats(3, 12),
)
def test_cuts_are_in_order_and_of_the_right_lengths(
    seconds: float, gaps: list[tuple[float, float]], most: float
) -> None:
    audio = 0.1 * np.random.default_rng(1).standard_normal(round(seconds * RATE))
    for begin, length in gaps:
        audio[round(begin * RATE) : round((begin + length) * RATE)] = 0
    audio = audio.astype(np.float32)
    found = cuts(audio[None], RATE, least=2, most=most)
    assert all(2 <= cut.seconds <= most + 1e-9 for cut in found)
    edges = [edge for cut in found for edge in (cut.begin_s, cut.end_s)]
    assert edges == sorted(edges)
    assert not edges or edges[-1] <= len(audio) / RATE
    for cut in found:
        part = audio[round(cut.begin_s * RATE) : round(cut.end_s * RATE)]
        assert 20 * np.log10(np.abs(part).max()) > SILENT_DB


# --- the same music again ---------------------------------------------------------------------


def test_copies_are_told_from_other_music(tmp_path: Path) -> None:
    clips = [tune(9, seed) for seed in range(12)]
    prints = np.stack([fingerprint(clip.samples[0], RATE) for clip in clips])
    others = prints @ prints.T - 2 * np.eye(len(prints))
    assert others.max() < 0.8 < ALIKE
    for number, clip in enumerate(clips[:4]):
        copy = tmp_path / "copy.mp3"
        write_av(copy, clip.resampled(32_000), "mp3")
        heard = decode(copy, rate=RATE, mono=True).cropped(0, 9)
        shifted = clip.samples[0][320:] * np.float32(0.5)
        for sound in (heard.samples[0], shifted):
            assert fingerprint(sound, RATE) @ prints[number] > ALIKE


# --- splitting --------------------------------------------------------------------------------


def pieces_of(lengths: list[list[float]]) -> list[Piece]:
    return [
        Piece(f"{number}.wav", 10.0 * place, seconds, "", torch.zeros(1, 1))
        for number, song in enumerate(lengths)
        for place, seconds in enumerate(song)
    ]


@given(
    lengths=st.lists(st.lists(st.floats(2, 10), min_size=1, max_size=5), min_size=1, max_size=12),
    seed=st.integers(0, 100),
)
def test_no_song_is_on_both_sides(lengths: list[list[float]], seed: int) -> None:
    pieces = pieces_of(lengths)
    if len(pieces) < 2:
        return
    train, validation = split(pieces, seed)
    assert len(train) + len(validation) == len(pieces)
    assert train
    assert validation
    if len(lengths) > 1:
        assert not {piece.file for piece in train} & {piece.file for piece in validation}
    backwards = {id(piece) for piece in split(pieces[::-1], seed)[0]}
    assert backwards == {id(piece) for piece in train}
