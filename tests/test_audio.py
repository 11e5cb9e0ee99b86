"""Sound in: what phones and browsers record, and what is not a recording at all."""

from __future__ import annotations

import os
import random
import struct
import tracemalloc
import wave
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
import soxr
from audio_files import Float, joined, pitch, same_in, sine, write_av
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_chain.audio import (
    AudioError,
    AudioUsageError,
    Clip,
    decode,
    encode,
    probe,
    read_tags,
    stream,
)


def assert_one_line(error: pytest.ExceptionInfo[AudioError], path: Path | str) -> None:
    message = str(error.value)
    assert message.isprintable()  # so it is one line, too
    assert repr(str(path)) in message


# --- Clip -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("samples", "rate", "error"),
    [
        (np.zeros((1, 4), np.float64), 8_000, TypeError),
        (np.zeros((1, 4), np.int16), 8_000, TypeError),
        ([[0.0]], 8_000, TypeError),
        (np.zeros(4, np.float32), 8_000, ValueError),
        (np.zeros((0, 4), np.float32), 8_000, ValueError),
        (np.zeros((1, 4), np.float32), 0, ValueError),
        (np.zeros((1, 4), np.float32), 8_000.0, TypeError),
    ],
)
def test_a_clip_refuses_what_it_cannot_hold(
    samples: Any, rate: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        Clip(samples, rate)


def test_a_clip_is_contiguous_and_read_only() -> None:
    frames_first = np.arange(12, dtype=np.float32).reshape(6, 2)
    clip = Clip(frames_first.T, 3)
    assert clip.samples.flags.c_contiguous
    assert (clip.channels, clip.frames, clip.seconds) == (2, 6, 2.0)
    with pytest.raises(ValueError, match="read-only"):
        clip.samples[0, 0] = 1.0
    with pytest.raises(AttributeError):
        clip.rate = 4  # type: ignore[misc]
    frames_first[0, 0] = 7.0  # the caller's own array stays the caller's
    assert frames_first.flags.writeable


def test_mono_is_the_mean_of_the_channels() -> None:
    clip = Clip(np.array([[1.0, 0.5], [0.0, -0.5]], np.float32), 8_000)
    np.testing.assert_array_equal(clip.mono().samples, [[0.5, 0.0]])


def test_cropping_counts_frames_and_stops_at_the_ends() -> None:
    clip = Clip(np.arange(100, dtype=np.float32)[None], 10)
    np.testing.assert_array_equal(clip.cropped(1.0, 1.5).samples[0], [10, 11, 12, 13, 14])
    assert clip.cropped(9.0).frames == clip.cropped(9.0, 99.0).frames == 10
    assert clip.cropped(50.0).frames == 0
    with pytest.raises(ValueError, match="crop"):
        clip.cropped(2.0, 1.0)


@settings(max_examples=40, deadline=None)
@given(
    frames=st.integers(0, 5_000),
    rates=st.tuples(*[st.sampled_from([1_000, 8_000, 11_025, 22_050, 32_000, 44_100, 48_000])] * 2),
    channels=st.integers(1, 3),
)
def test_resampling_keeps_duration_and_channels(
    frames: int, rates: tuple[int, int], channels: int
) -> None:
    clip = Clip(np.zeros((channels, frames), np.float32), rates[0])
    resampled = clip.resampled(rates[1])
    assert resampled.channels == channels
    assert abs(resampled.frames - frames * rates[1] / rates[0]) <= 1.0


def test_resampling_keeps_the_sound_below_the_new_limit_and_drops_it_above() -> None:
    kept = sine(1_000.0, rate=48_000).resampled(16_000)
    expected = sine(1_000.0, rate=16_000)
    inner = slice(400, -400)  # the ends have no neighbours to interpolate from
    assert np.abs(kept.samples - expected.samples)[:, inner].max() < 1e-4
    assert np.abs(sine(9_000.0).resampled(16_000).samples[:, inner]).max() < 1e-4
    with pytest.raises(AudioUsageError, match="-5 Hz"):
        kept.resampled(-5)


# --- Formats ----------------------------------------------------------------------------------

Case = tuple[str, str, str, int, int, str, str]  # file, codec, muxer, rate, channels, probed as

COMPRESSED: list[Case] = [
    ("phone.m4a", "aac", "", 44_100, 1, "aac", "mp4"),
    ("stereo.m4a", "aac", "", 48_000, 2, "aac", "mp4"),
    ("raw.aac", "aac", "adts", 44_100, 2, "aac", "aac"),
    ("browser.webm", "libopus", "", 48_000, 1, "opus", "webm"),
    ("browser.ogg", "libopus", "", 48_000, 2, "opus", "ogg"),
    ("old.mp3", "libmp3lame", "", 44_100, 2, "mp3", "mp3"),
    ("low.mp3", "libmp3lame", "", 16_000, 1, "mp3", "mp3"),
    ("phone.3gp", "amr_nb", "", 8_000, 1, "amr_nb", "mp4"),
    ("phone.amr", "amr_nb", "", 8_000, 1, "amr_nb", "amr"),
    ("apple.caf", "alac", "", 44_100, 2, "alac", "caf"),
    ("lossless.flac", "flac", "", 96_000, 2, "flac", "flac"),
    ("phone.mp4", "aac", "", 48_000, 2, "aac", "mp4"),
]


@pytest.mark.parametrize("case", COMPRESSED, ids=[case[0] for case in COMPRESSED])
def test_what_phones_and_browsers_record_decodes(case: Case, tmp_path: Path) -> None:
    name, codec, muxer, rate, channels, probed, container = case
    try:
        av.Codec(codec, "w")
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"this build of PyAV has no {codec} encoder")
    original = sine(440.0, rate=rate, channels=channels, seconds=2.0)
    path = write_av(
        tmp_path / name, original, codec, container=muxer or None, video=name == "phone.mp4"
    )
    info = probe(path)
    assert (info.rate, info.channels, info.codec) == (rate, channels, probed)
    assert info.container == container
    assert info.seconds == pytest.approx(2.0, abs=0.1)

    clip = decode(path)
    assert (clip.rate, clip.channels) == (rate, channels)
    assert abs(clip.seconds - 2.0) < 0.06  # codecs pad to whole frames
    middle = clip.cropped(0.5, 1.5)
    for channel in range(channels):
        assert pitch(middle.samples[channel], rate) == pytest.approx(440 * (channel + 1), rel=1e-3)
        level = float(np.sqrt(2.0 * np.square(middle.samples[channel]).mean()))
        assert level == pytest.approx(0.5, rel=0.2 if codec == "amr_nb" else 0.1)


PCM = [
    ("WAV", "PCM_U8", 2.0**-7),
    ("WAV", "PCM_16", 2.0**-15),
    ("WAV", "PCM_24", 2.0**-23),
    ("WAV", "PCM_32", 2.0**-23),
    ("WAV", "FLOAT", 0.0),
    ("WAV", "DOUBLE", 0.0),
    ("WAV", "ULAW", 0.04),
    ("WAVEX", "PCM_24", 2.0**-23),
    ("RF64", "PCM_16", 2.0**-15),
    ("FLAC", "PCM_16", 2.0**-15),
    ("FLAC", "PCM_24", 2.0**-23),
    ("AIFF", "PCM_16", 2.0**-15),
    ("AIFF", "FLOAT", 0.0),
]


@pytest.mark.parametrize(("form", "subtype", "step"), PCM)
@pytest.mark.parametrize("channels", [1, 3])
def test_uncompressed_formats_are_exact_to_a_step(
    form: str, subtype: str, step: float, channels: int, tmp_path: Path
) -> None:
    samples = np.random.default_rng(0).uniform(-0.9, 0.9, (channels, 4_321)).astype(np.float32)
    path = tmp_path / "named.mp3"  # the name says nothing
    soundfile.write(path, samples.T, 22_050, subtype=subtype, format=form)
    clip = decode(path)
    assert (clip.rate, clip.samples.shape) == (22_050, samples.shape)
    assert np.abs(clip.samples - samples).max() <= step * 1.001


@pytest.mark.parametrize("channels", [6, 8, 10])
def test_many_channels_in_a_planar_codec(channels: int, tmp_path: Path) -> None:
    path = tmp_path / "many.ogg"
    soundfile.write(path, same_in(channels, sine(60.0)).samples.T, 48_000, subtype="VORBIS")
    clip = decode(path)
    assert clip.channels == channels
    for samples in clip.samples:
        assert pitch(samples, clip.rate) == pytest.approx(60.0, rel=1e-2)
    assert decode(path, mono=True).channels == 1


def test_samples_beyond_full_scale_survive(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "hot.wav", np.array([0.0, 2.5, -3.0]), 8_000, subtype="DOUBLE")
    np.testing.assert_array_equal(decode(tmp_path / "hot.wav").samples, [[0.0, 2.5, -3.0]])


def test_a_rate_that_changes_on_the_way_is_evened_out(tmp_path: Path) -> None:
    parts = [
        write_av(tmp_path / f"{rate}.aac", sine(rate=rate, channels=count), "aac", container="adts")
        for rate, count in ((44_100, 2), (22_050, 1))
    ]
    path = tmp_path / "both.aac"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    clip = decode(path)
    assert (clip.rate, clip.channels) == (44_100, 2)
    assert clip.seconds == pytest.approx(2.0, abs=0.15)
    assert pitch(clip.cropped(0.1, 0.9).samples[0], clip.rate) == pytest.approx(440, rel=2e-3)
    assert pitch(clip.cropped(1.3, 1.9).samples[1], clip.rate) == pytest.approx(440, rel=2e-3)


@pytest.mark.parametrize(
    "name", ["mémoire 🎵 音.wav", "-rf.wav", "two\nlines.wav", "%03d.wav", "a:b|c?.wav", "pipe:0"]
)
def test_any_file_name_works(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with wave.open(name, "wb") as file:
        file.setparams((1, 2, 8_000, 0, "NONE", ""))
        file.writeframes(b"\1\0" * 800)
    assert decode(name).frames == decode(Path(name)).frames == 800
    if name.endswith(".wav"):
        encode(decode(name), f"new{name}")
        assert decode(f"new{name}").frames == 800
    Path(name).write_bytes(b"no sound")
    with pytest.raises(AudioError) as error:
        decode(name)
    assert_one_line(error, name)


# --- Streaming --------------------------------------------------------------------------------


def noise(channels: int, frames: int) -> Float:
    return np.random.default_rng(1).uniform(-0.5, 0.5, (channels, frames)).astype(np.float32)


@pytest.mark.parametrize("rate", [None, 8_000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("block_seconds", [0.013, 0.5, 30.0])
def test_blocks_end_to_end_are_the_whole_without_a_seam(
    rate: int | None, block_seconds: float, tmp_path: Path
) -> None:
    samples = noise(2, 200_123)
    soundfile.write(tmp_path / "noise.wav", samples.T, 44_100, subtype="FLOAT")
    blocks = list(stream(tmp_path / "noise.wav", rate=rate, block_seconds=block_seconds))
    whole = decode(tmp_path / "noise.wav", rate=rate)
    np.testing.assert_allclose(joined(*blocks).samples, whole.samples, rtol=0, atol=1e-6)
    expected = soxr.resample(samples.T, 44_100, rate or 44_100, "HQ").T
    np.testing.assert_allclose(whole.samples, expected, rtol=0, atol=1e-6)
    length = round(block_seconds * whole.rate)
    assert {block.frames for block in blocks[:-1]} <= {length}
    assert 0 < blocks[-1].frames <= length


def test_mono_and_rate_together_are_the_clips_own_conversions(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "noise.wav", noise(2, 50_000).T, 44_100, subtype="FLOAT")
    expected = decode(tmp_path / "noise.wav").mono().resampled(16_000)
    got = decode(tmp_path / "noise.wav", rate=16_000, mono=True)
    np.testing.assert_allclose(got.samples, expected.samples, rtol=0, atol=1e-6)


@pytest.mark.parametrize("seconds", [0.01, 0.5, 29.9999, 31.0, 100.0])
def test_decoding_stops_at_max_seconds(seconds: float, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "ramp.wav", np.arange(40 * 1_000) / 40_000, 1_000, subtype="FLOAT")
    part = decode(tmp_path / "ramp.wav", max_seconds=seconds)
    whole = decode(tmp_path / "ramp.wav")
    assert part.frames == min(round(seconds * 1_000), 40_000)
    np.testing.assert_array_equal(part.samples, whole.samples[:, : part.frames])


def test_half_an_hour_is_streamed_in_constant_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    minute = np.random.default_rng(2).integers(-9_000, 9_000, 60 * 8_000, dtype=np.int16)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8_000, 0, "NONE", ""))
        for _ in range(30):
            file.writeframes(minute.tobytes())
    list(stream(path, block_seconds=600.0))  # imports are not what is measured
    tracemalloc.start()
    try:
        frames = sum(block.frames for block in stream(path, rate=16_000, block_seconds=30.0))
        streamed = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        assert decode(path, max_seconds=10.0).seconds == 10.0
        started = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert frames == 30 * 60 * 16_000
    whole = frames * 4
    assert streamed < 12e6 < whole / 9
    assert started < 4e6


# --- What is not a recording ------------------------------------------------------------------


def float_wav(path: Path, *values: float) -> None:
    soundfile.write(path, np.array([0.0] * 4_000 + list(values)), 8_000, subtype="FLOAT")


def header_rate(path: Path, rate: int) -> None:
    soundfile.write(path, np.zeros(100), 8_000, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    content[24:28] = struct.pack("<I", rate)
    path.write_bytes(content)


def cut(path: Path, codec: str, share: float) -> None:
    content = write_av(path, sine(), codec).read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def wide(path: Path) -> None:
    soundfile.write(path, np.zeros((50, 65)), 8_000, subtype="PCM_16")


def film(path: Path) -> None:
    write_av(path, sine(), "", video=True, audio=False)


def playlist(path: Path) -> None:
    soundfile.write(path.parent / "other.wav", np.zeros(8_000), 8_000)
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{path.parent}/other.wav\n")


def concat(path: Path) -> None:
    soundfile.write(path.parent / "other.wav", np.zeros(8_000), 8_000)
    path.write_text("ffconcat version 1.0\nfile other.wav\n")


BAD: list[tuple[str, str, int, Callable[[Path], object]]] = [
    ("gone.wav", "there is no file", 2, lambda path: None),
    ("folder", "is a folder", 2, lambda path: path.mkdir()),
    ("fifo.wav", "not a regular file", 2, lambda path: os.mkfifo(path)),
    ("x" * 300, "can't open", 2, lambda path: None),
    ("empty.m4a", "is empty", 1, lambda path: path.touch()),
    ("text.mp3", "is not audio", 1, lambda path: path.write_text("Dear diary,\n" * 500)),
    ("zeros.wav", "is not audio", 1, lambda path: path.write_bytes(bytes(50_000))),
    ("random.ogg", "is not audio", 1, lambda path: path.write_bytes(random.randbytes(50_000))),
    ("list.m3u8", "is not audio", 1, playlist),
    ("list.txt", "is not audio", 1, concat),
    ("no-index.m4a", "damaged or cut off", 1, lambda path: cut(path, "aac", 0.5)),
    ("head.flac", "damaged or cut off", 1, lambda path: cut(path, "flac", 0.005)),
    ("silent.wav", "holds no sound", 1, lambda path: soundfile.write(path, np.zeros(0), 8_000)),
    ("film.mp4", "no audio track", 1, film),
    ("nan.wav", "NaN or infinity.*0.500 s", 1, lambda path: float_wav(path, np.nan)),
    ("inf.wav", "NaN or infinity.*0.501 s", 1, lambda path: float_wav(path, *[0.0] * 8, -np.inf)),
    ("wide.wav", "65 channels", 1, wide),
    ("slow.wav", "header says 3 Hz", 1, lambda path: header_rate(path, 3)),
    ("fast.wav", "header says 2000000000 Hz", 1, lambda path: header_rate(path, 2_000_000_000)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "match", "code", "make"), BAD, ids=[case[0][:20] for case in BAD])
def test_a_bad_file_gets_one_line_that_names_it(
    name: str,
    match: str,
    code: int,
    make: Callable[[Path], object],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / name
    make(path)
    capfd.readouterr()
    with pytest.raises(AudioError, match=match) as error:
        decode(path)
    assert_one_line(error, path)
    assert error.value.exit_code == code
    with pytest.raises(AudioError, match=match):
        list(stream(path, rate=16_000, mono=True))
    output = capfd.readouterr()
    assert output.out == output.err == ""


def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    path = encode(sine(seconds=0.1), tmp_path / "secret.wav")
    decode(path)
    path.chmod(0)
    root = os.geteuid() == 0
    try:
        if root:  # permissions don't bind root: be nobody for a moment
            os.seteuid(65_534)
        with pytest.raises(AudioUsageError, match="no permission to read") as error:
            decode(path)
    finally:
        if root:
            os.seteuid(0)
    assert_one_line(error, path)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_lengths_and_rates_out_of_range_are_refused(value: float, tmp_path: Path) -> None:
    path = encode(sine(seconds=0.1), tmp_path / "fine.wav")
    with pytest.raises(AudioUsageError):
        decode(path, max_seconds=value)
    with pytest.raises(ValueError, match="block_seconds"):
        stream(path, block_seconds=value)
    for rate in (0, -1, 10**9):
        with pytest.raises(AudioUsageError, match="out of range"):
            decode(path, rate=rate)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp3", "libmp3lame"), ("a.webm", "libopus"), ("a.aac", "aac"), ("a.flac", "flac")],
)
def test_a_recording_that_was_cut_off_gives_what_is_there(
    name: str, codec: str, tmp_path: Path
) -> None:
    path = write_av(tmp_path / name, sine(seconds=4.0), codec)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    clip = decode(path)
    assert 1.4 < clip.seconds < 2.4
    assert pitch(clip.cropped(0.2, 1.2).samples[0], clip.rate) == pytest.approx(440, rel=1e-3)


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF, 0x7FFF_FF00])
def test_a_wav_whose_header_was_never_completed(size: int, tmp_path: Path) -> None:
    path = encode(sine(seconds=0.5), tmp_path / "live.wav")
    content = bytearray(path.read_bytes()[: 44 + 48_000])
    data = content.index(b"data")
    content[4:8] = content[data + 4 : data + 8] = struct.pack("<I", size)
    path.write_bytes(content)
    assert decode(path).seconds == pytest.approx(0.5, abs=0.01)


def test_damage_anywhere_never_gets_past_audio_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(4)
    clip = sine(seconds=0.3)
    originals = [encode(clip, tmp_path / f"a{kind}") for kind in (".wav", ".flac", ".mp3", ".ogg")]
    originals.append(write_av(tmp_path / "a.m4a", clip, "aac"))
    originals.append(write_av(tmp_path / "a.webm", clip, "libopus"))
    for content in [path.read_bytes() for path in originals]:
        for _ in range(8):
            damaged = bytearray(content)
            for _ in range(20):
                damaged[chance.randrange(min(len(damaged), 600))] = chance.randrange(256)
            path = tmp_path / "damaged"
            path.write_bytes(damaged[: chance.randrange(1, len(damaged))])
            for read in (probe, read_tags, lambda path: decode(path, rate=16_000, max_seconds=9.0)):
                with suppress(AudioError):
                    read(path)
    output = capfd.readouterr()
    assert output.out == output.err == ""
