"""Sound out: four formats, their tags, and files that appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from audio_files import Float, pitch, sine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from audio_chain.audio import (
    SUFFIXES,
    AudioError,
    AudioUsageError,
    Clip,
    Tags,
    decode,
    encode,
    read_tags,
)

resource = pytest.importorskip("resource", reason="file size limits are a POSIX thing")

TAGS = Tags(
    title="Rain / Nuit d'été 🎹",
    prompt="a slow, sad piano piece; 70 bpm\nno drums",
    seed=-7,
    model="musicgen-nano",
    version="0.1.0",
    comment="made from voice.m4a",
)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (32_000, 1), (44_100, 2), (48_000, 2)])
def test_a_round_trip_keeps_the_sound(
    suffix: str, rate: int, channels: int, tmp_path: Path
) -> None:
    clip = sine(440.0, rate=rate, channels=channels, seconds=1.5)
    path = encode(clip, tmp_path / f"track{suffix.upper()}", tags=TAGS)
    back = decode(path)
    assert (back.rate, back.channels) == (rate, channels)
    assert back.seconds == pytest.approx(1.5, abs=0.01)
    frames = min(clip.frames, back.frames)
    difference = (back.samples[:, :frames] - clip.samples[:, :frames])[:, 100:-2_000]
    assert np.sqrt(np.square(difference).mean()) < (2.0**-15 if suffix in SUFFIXES[:2] else 0.01)
    for channel in range(channels):
        found = pitch(back.samples[channel], rate)
        assert found == pytest.approx(440.0 * (channel + 1), rel=1e-3)


@settings(max_examples=60, deadline=None)
@given(
    samples=arrays(
        np.float32,
        st.tuples(st.integers(1, 3), st.integers(1, 300)),
        elements=st.floats(-1.5, 1.5, width=32),
    ),
    suffix=st.sampled_from([".wav", ".flac"]),
)
def test_lossless_formats_are_within_one_step_and_clip_at_full_scale(
    samples: Float, suffix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / f"property{suffix}"
    back = decode(encode(Clip(samples, 16_000), path))
    assert np.abs(back.samples - np.clip(samples, -1.0, 1.0)).max() <= 2.0**-15
    with soundfile.SoundFile(path) as file:
        assert file.subtype == "PCM_16"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_clip_and_tags_give_the_same_bytes(suffix: str, tmp_path: Path) -> None:
    clip = sine(channels=2, seconds=3.0)
    first = encode(clip, tmp_path / f"first{suffix}", tags=TAGS).read_bytes()
    assert encode(clip, tmp_path / f"second{suffix}", tags=TAGS).read_bytes() == first


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_tags_read_back_and_players_see_them(suffix: str, tmp_path: Path) -> None:
    path = encode(sine(), tmp_path / f"tagged{suffix}", tags=TAGS)
    assert read_tags(path) == TAGS
    with av.open(path) as file:  # a player's view: FFmpeg's
        track = file.streams.audio[0]
        seen = {key.lower(): value for key, value in {**track.metadata, **file.metadata}.items()}
    assert seen["title"] == TAGS.title
    assert seen["comment"] == TAGS.comment
    assert seen["prompt"] == TAGS.prompt
    assert seen["seed"] == "-7"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_without_tags_reads_as_empty_ones(suffix: str, tmp_path: Path) -> None:
    assert read_tags(encode(sine(), tmp_path / f"plain{suffix}")) == Tags()
    form = {".ogg": "OGG", ".mp3": "MP3"}.get(suffix, suffix[1:].upper())
    soundfile.write(tmp_path / f"foreign{suffix}", sine().samples.T, 48_000, format=form)
    assert read_tags(tmp_path / f"foreign{suffix}") == Tags()


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


@settings(max_examples=60, deadline=None)
@given(
    tags=st.builds(
        Tags,
        title=texts,
        prompt=texts,
        seed=st.none() | st.integers(-(2**63), 2**64),
        model=texts,
        version=texts,
        comment=texts,
    ),
    suffix=st.sampled_from(SUFFIXES),
)
def test_any_text_survives_in_tags(
    tags: Tags, suffix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / f"texts{suffix}"
    encode(sine(rate=8_000, seconds=0.02), path, tags=tags)
    assert read_tags(path) == tags


def test_text_no_tag_can_hold_is_cleaned(tmp_path: Path) -> None:
    path = encode(sine(), tmp_path / "odd.mp3", tags=Tags(title="a\0b", comment="caf\udce9"))
    assert read_tags(path) == Tags(title="ab", comment="caf?")


def test_tags_of_something_else_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not audio")
    with pytest.raises(AudioError, match="no tags known here"):
        read_tags(tmp_path / "notes.txt")
    with pytest.raises(AudioUsageError, match="there is no file"):
        read_tags(tmp_path / "gone.wav")
    (tmp_path / "cut.flac").write_bytes(b"fLaC\0\0\0")
    with pytest.raises(AudioError, match="can't be read"):
        read_tags(tmp_path / "cut.flac")


@pytest.mark.parametrize(
    ("name", "clip", "match"),
    [
        ("a.m4a", sine(), "choose a name ending in .wav, .flac, .mp3 or .ogg"),
        ("wav", sine(), "choose a name ending in"),
        ("a.mp3", sine(rate=96_000), "can't hold 96000 Hz"),
        ("a.mp3", sine(channels=3), "at most 2 channels"),
        ("a.flac", sine(channels=9), "at most 8 channels"),
        ("a.wav", Clip(np.zeros((1, 0), np.float32), 8_000), "no sound"),
        ("a.wav", Clip(np.array([[0.0, np.nan]], np.float32), 8_000), "NaN or infinity"),
        ("a.ogg", Clip(np.array([[np.inf]], np.float32), 8_000), "NaN or infinity"),
        ("no/such/a.wav", sine(), "no folder"),
        ("x" * 300 + ".wav", sine(), "too long"),
        ("nul\0.wav", sine(), "null"),
    ],
)
def test_what_cannot_be_written_gets_one_line(
    name: str, clip: Clip, match: str, tmp_path: Path
) -> None:
    with pytest.raises(AudioError, match=match) as error:
        encode(clip, tmp_path / name)
    assert str(error.value).isprintable()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_that_name_stays(tmp_path: Path) -> None:
    (tmp_path / "a.wav").mkdir()
    with pytest.raises(AudioUsageError, match="it is a folder"):
        encode(sine(), tmp_path / "a.wav")
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    encode(sine(), tmp_path / "before.wav")
    tmp_path.chmod(0o500)
    root = os.geteuid() == 0
    try:
        if root:  # permissions don't bind root: be nobody for a moment
            os.seteuid(65_534)
        with pytest.raises(AudioUsageError, match="no permission to write"):
            encode(sine(), tmp_path / "a.wav")
    finally:
        if root:
            os.seteuid(0)
        tmp_path.chmod(0o700)


def test_running_out_of_room_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = encode(sine(seconds=0.1), tmp_path / "track.wav", tags=TAGS)
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))  # the kernel ends the write there
    try:
        with pytest.raises(AudioError, match="File too large") as error:
            encode(sine(seconds=5.0), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(error.value).isprintable()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_is_called_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def sync(number: int) -> None:
        with open("/dev/full", "wb", buffering=0) as device:
            device.write(b"x")

    monkeypatch.setattr("os.fsync", sync)
    with pytest.raises(AudioError, match="no space left to write"):
        encode(sine(), tmp_path / "a.wav")
    assert list(tmp_path.iterdir()) == []
