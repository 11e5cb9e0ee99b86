"""The data factory's sound: pitch, tempo and level of what it renders.

Needs the soundfont, which the first test fetches from Debian if it isn't installed.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from audio_chain.errors import UsageError
from training import soundfont
from training.factory.bank import NoteBank, open_bank
from training.factory.compose import compose
from training.factory.dataset import render_pieces, sample, to_int16
from training.factory.instruments import INSTRUMENTS
from training.factory.render import render
from training.factory.sampling import RATE
from training.factory.score import Mix, Score, Track

pytest.importorskip("tinysoundfont")

INSTRUMENTS_HERE = ("piano", "flute", "synth pluck", "bass guitar", "drums")
PLAIN = Mix(
    pulse_bpm=120,
    level=-3,
    drive=0.7,
    room=0,
    reverb_seconds=1,
    duck=0,
    lowpass=0,
    dust=0,
    seed=0,
)
needs_soundfont = pytest.mark.network


@pytest.fixture(scope="module")
def bank() -> NoteBank:
    try:
        return open_bank(INSTRUMENTS_HERE)
    except soundfont.SoundfontError as error:
        pytest.skip(str(error))


def note(name: str, pitch: int, *, start: int = 0, mix: Mix = PLAIN, seconds: float = 1) -> Score:
    """One note, half a second long."""
    column = [np.array([value], np.int32) for value in (start, 480, pitch, 100)]
    track = Track(name, INSTRUMENTS[name].program, False, True, *column)
    return Score(500_000, 0, seconds, (track,), mix)


def fundamental(audio: NDArray[np.float32], about: float) -> float:
    """Frequency in Hz, from the highest peak of the autocorrelation within a fifth of `about`.

    Overtones are filtered out first: those of strings are sharp.
    """
    spectrum = np.fft.rfft(audio, 2 * len(audio))
    spectrum[np.fft.rfftfreq(2 * len(audio), 1 / RATE) > 1.6 * about] = 0
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)
    low, high = int(RATE / about / 1.5), math.ceil(RATE / about * 1.5)
    lag = low + int(np.argmax(correlation[low:high]))
    before, peak, after = correlation[lag - 1 : lag + 2]
    return float(RATE / (lag + 0.5 * (before - after) / (before - 2 * peak + after)))


@needs_soundfont
@pytest.mark.parametrize(
    ("name", "pitch"),
    [
        ("piano", 45),
        ("piano", 60),
        ("piano", 81),
        ("flute", 60),
        ("flute", 69),
        ("synth pluck", 57),
        ("synth pluck", 72),
        ("bass guitar", 28),
        ("bass guitar", 43),
    ],
)
def test_a_note_sounds_at_its_pitch(bank: NoteBank, name: str, pitch: int) -> None:
    expected = 440 * 2 ** ((pitch - 69) / 12)
    audio = render(note(name, pitch), bank)[RATE // 20 : RATE // 2]
    assert 1200 * abs(math.log2(fundamental(audio, expected) / expected)) < 15


@needs_soundfont
def test_a_note_starts_and_ends_on_time(bank: NoteBank) -> None:
    audio = np.abs(render(note("flute", 72, start=480, seconds=2), bank))
    sounding = np.nonzero(audio > audio.max() / 50)[0] / RATE
    assert sounding[0] == pytest.approx(0.5, abs=0.03)
    assert sounding[-1] == pytest.approx(1.0 + INSTRUMENTS["flute"].release, abs=0.15)


@needs_soundfont
@pytest.mark.parametrize("bpm", [90, 118, 128, 140])
def test_drums_keep_the_stated_tempo(bank: NoteBank, bpm: int) -> None:
    score, attributes = compose(
        np.random.default_rng(bpm), 12, genre="house", bpm=bpm, instruments=["drums"]
    )
    assert attributes.instruments == ("drums",)
    hop = RATE // 500
    audio = render(score, bank)
    energy = np.log(1e-4 + np.square(audio[: len(audio) // hop * hop]).reshape(-1, hop).mean(1))
    onsets = np.maximum(0, np.diff(energy))
    onsets -= onsets.mean()
    lags = np.arange(round(500 * 60 / 160), round(500 * 60 / 80))  # 160 to 80 bpm
    correlation = [np.dot(onsets[:-lag], onsets[lag:]) for lag in lags]
    assert 60 * 500 / lags[int(np.argmax(correlation))] == pytest.approx(bpm, rel=0.01)


@needs_soundfont
def test_audio_is_as_long_and_as_loud_as_the_score_says(bank: NoteBank) -> None:
    for seed in range(6):
        wanted = ["piano", "flute", "drums"]
        generator = np.random.default_rng(seed)
        score, _ = compose(generator, 3.7, genre="jazz swing", instruments=wanted)
        audio = render(score, bank)
        assert audio.dtype == np.float32
        assert audio.shape == (round(3.7 * RATE),)
        assert np.isfinite(audio).all()
        assert 20 * math.log10(np.abs(audio).max()) == pytest.approx(score.mix.level, abs=0.01)
        assert np.sqrt(np.mean(audio**2)) > 0.02
        assert np.array_equal(audio, render(score, bank))


@needs_soundfont
def test_effects_do_what_they_are_named_for(bank: NoteBank) -> None:
    def spectrum(**changes: float) -> NDArray[np.float64]:
        mix = Mix(**{**vars(PLAIN), **changes})
        audio = render(note("piano", 60, mix=mix, seconds=2), bank)
        return np.abs(np.fft.rfft(audio)) / float(np.linalg.norm(audio))

    def tail(**changes: float) -> float:
        mix = Mix(**{**vars(PLAIN), **changes})
        audio = render(note("piano", 60, mix=mix, seconds=2), bank)
        return float(np.abs(audio[-RATE // 2 :]).max())

    octave_up = slice(2 * 4000, None)  # the clip lasts two seconds
    left = np.linalg.norm(spectrum(lowpass=2000)[octave_up]) / np.linalg.norm(spectrum()[octave_up])
    assert left < 1.1 / math.sqrt(1 + 2**4)  # Butterworth of second order, at twice the cut-off
    assert tail(room=0.6, reverb_seconds=2.4) > 10 * tail() + 1e-4
    assert tail(dust=0.8) > 10 * tail() + 1e-4


@needs_soundfont
def test_ducking_presses_down_what_starts_on_the_beat(bank: NoteBank) -> None:
    mix = Mix(**{**vars(PLAIN), "duck": 0.5, "drive": 0.01})
    plain = render(note("flute", 72, mix=Mix(**{**vars(PLAIN), "drive": 0.01})), bank)
    ducked = render(note("flute", 72, mix=mix), bank)
    beat = RATE // 2
    on, off = slice(beat // 20, beat // 10), slice(beat // 2, beat // 2 + beat // 10)
    ratio = [np.linalg.norm(ducked[part]) / np.linalg.norm(plain[part]) for part in (on, off)]
    assert ratio[0] / ratio[1] == pytest.approx(0.55, abs=0.07)


@pytest.mark.slow
@needs_soundfont
def test_a_bank_of_fewer_instruments_holds_the_same_notes(bank: NoteBank) -> None:
    small = open_bank(["flute"])
    assert {voice for voice, _ in small.sounds} == {"flute"}
    for key, (offset, length, scale) in small.sounds.items():
        at, long, factor = bank.sounds[key]
        assert (length, scale) == (long, factor)
        assert np.array_equal(small.samples[offset : offset + length], bank.samples[at : at + long])


def test_16_bits_are_full_scale() -> None:
    audio = np.array([0, 0.5, 1, -1, 1.5], np.float32)
    assert to_int16(audio).tolist() == [0, 16383, 32767, -32767, 32767]


@pytest.mark.slow
@needs_soundfont
def test_processes_make_the_pieces_that_one_makes() -> None:
    pieces = list(render_pieces(24, seed=5, processes=2, seconds=2))
    for index in (0, 11, 23):
        alone = sample(index, 5, 2)
        assert np.array_equal(alone.audio, pieces[index].audio)
        assert alone.captions == pieces[index].captions
        assert alone.attributes == pieces[index].attributes
    assert all(piece.audio.shape == (2 * RATE,) for piece in pieces)
    assert len({piece.captions for piece in pieces}) == 24
    assert os.environ.get("OMP_NUM_THREADS") in (None, "1")


@pytest.mark.slow
@needs_soundfont
def test_the_command_writes_clips_and_captions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import json

    from audio_chain.audio import decode
    from training.factory.__main__ import main

    assert main([str(tmp_path), "-n", "2", "--seconds", "2", "--genre", "waltz"]) == 0
    records = [json.loads(line) for line in (tmp_path / "captions.jsonl").open()]
    assert [record["genre"] for record in records] == ["waltz", "waltz"]
    for record in records:
        clip = decode(tmp_path / record["file"])
        assert (clip.rate, clip.channels, clip.seconds) == (RATE, 1, 2)
        assert record["caption"] in capsys.readouterr().out or record is not records[0]
    assert main([str(tmp_path), "--genre", "polka"]) == UsageError.exit_code
    assert "polka" in capsys.readouterr().err


def test_a_wrong_soundfont_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other.sf3"
    other.write_bytes(b"RIFF")
    monkeypatch.setenv(soundfont.VARIABLE, str(other))
    with pytest.raises(soundfont.SoundfontError, match=r"other\.sf3 has sha256"):
        soundfont.fetch_soundfont()
    monkeypatch.setenv(soundfont.VARIABLE, str(tmp_path / "absent.sf3"))
    with pytest.raises(soundfont.SoundfontError, match="not a file"):
        soundfont.fetch_soundfont()


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [("AUDIO_CHAIN_OFFLINE", "1", "AUDIO_CHAIN_OFFLINE is set"), ("PATH", "", "no apt-get")],
)
def test_what_to_do_is_said_where_the_soundfont_cannot_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.delenv(soundfont.VARIABLE, raising=False)
    monkeypatch.delenv("AUDIO_CHAIN_OFFLINE", raising=False)
    monkeypatch.setenv("AUDIO_CHAIN_CACHE", str(tmp_path))
    monkeypatch.setenv(variable, value)
    monkeypatch.setattr(soundfont, "_INSTALLED", ())
    with pytest.raises(soundfont.SoundfontError, match=f"{said}.*{soundfont.VARIABLE}"):
        soundfont.fetch_soundfont()
