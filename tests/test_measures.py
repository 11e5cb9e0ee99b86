"""Measures of sound against signals whose answer is known, and the two measuring scripts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from audio_chain import models
from audio_chain.audio import decode, encode, read_tags
from audio_chain.brief import render, stated_bpm, stated_key
from audio_chain.clip import Clip
from audio_chain.errors import UsageError
from audio_chain.generate import GenerationRequest
from audio_chain.progress import Progress, silent
from audio_chain.sound_check import check_sound, clipped_share, level, spectral_change
from eval.adherence.listener import load_listener
from eval.adherence.tempo import estimate_tempo, same_tempo
from eval.bootstrap import estimate, mean, median, ratio_of_means
from eval.clap_score import clip_embedding
from eval.embedders import load_text_embedder
from training import (
    diffusion_sweep,
    measure_codec,
    measure_editing,
    measure_musicgen,
    measure_stable_audio,
)
from training.clip_cache import ClipCache
from training.factory.dataset import Piece, plan
from training.fidelity import Transform, chroma_cosine
from training.held_out import brief_of, held_out, is_solo
from training.judging import compare
from training.results import revisions

RATE = 32_000
needs_soundfont = pytest.mark.network  # unless it is installed

Audio = NDArray[np.float32]


def seconds(length: float) -> NDArray[np.float64]:
    return np.arange(round(length * RATE)) / RATE


def sine(pitch: float, length: float = 4.0, amplitude: float = 0.3) -> Audio:
    return (amplitude * np.sin(2 * np.pi * pitch * seconds(length))).astype(np.float32)


def noise(length: float, seed: int = 0) -> Audio:
    size = round(length * RATE)
    return 0.1 * np.random.default_rng(seed).standard_normal(size).astype(np.float32)


def bursts(times: NDArray[np.float64], length: float, decay: float, seed: int = 0) -> Audio:
    """Decaying noise at times in seconds."""
    audio = np.zeros(round(length * RATE), np.float32)
    burst = noise(6 * decay, seed) * np.exp(-seconds(6 * decay) / decay).astype(np.float32)
    for start in np.round(times * RATE).astype(int):
        part = burst[: len(audio) - start]
        audio[start : start + len(part)] += part
    return audio


def drums(bpm: float, length: float = 10.0) -> Audio:
    """Kick on one and three, snare on two and four, hi-hat on eighths."""
    beat = 60 / bpm
    beats = np.arange(0, length, beat)
    kick = np.zeros(round(length * RATE), np.float32)
    thump = np.sin(2 * np.pi * 55 * seconds(0.2)) * np.exp(-seconds(0.2) / 0.05)
    for start in np.round(beats[::2] * RATE).astype(int):
        part = thump[: len(kick) - start]
        kick[start : start + len(part)] += 0.8 * part.astype(np.float32)
    hats = bursts(np.arange(0, length, beat / 2), length, 0.01, seed=1)
    return kick + 2 * bursts(beats[1::2], length, 0.06, seed=2) + hats


@pytest.mark.parametrize("bpm", [*range(60, 201, 7), 200])
def test_tempo_of_clicks(bpm: int) -> None:
    """Within half a percent, but for the octave."""
    found = estimate_tempo(bursts(np.arange(0, 10, 60 / bpm), 10, 0.005), RATE)
    assert same_tempo(found, bpm, tolerance=0.005)


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100])
def test_tempo_at_other_rates(rate: int) -> None:
    clip = Clip(drums(97)[np.newaxis], RATE).resampled(rate)
    assert same_tempo(estimate_tempo(clip.samples[0], rate), 97, tolerance=0.005)


@pytest.mark.parametrize("bpm", [70, 93, 124, 171])
def test_tempo_of_drums_under_noise(bpm: int) -> None:
    assert same_tempo(estimate_tempo(drums(bpm) + 0.3 * noise(10), RATE), bpm, tolerance=0.01)


def test_no_tempo_in_silence_nor_in_a_moment() -> None:
    assert estimate_tempo(np.zeros(10 * RATE, np.float32), RATE) is None
    assert estimate_tempo(drums(120, 2.0), RATE) is None
    assert not same_tempo(None, 120)


@pytest.mark.parametrize(
    ("found", "same"),
    [(120, True), (124.7, True), (60, True), (240, True), (125, False), (80, False), (180, False)],
)
def test_same_tempo(found: float, same: bool) -> None:
    assert same_tempo(found, 120) is same


def chord(*pitches: float) -> Audio:
    audio = np.zeros(4 * RATE, np.float32)
    for pitch in pitches:
        for partial in range(1, 5):
            audio += sine(partial * pitch, 4.0, 0.1 / partial)
    return audio


@pytest.mark.parametrize("transform", ["cqt", "stft"])
def test_chroma_of_the_same_pitches(transform: Transform) -> None:
    """Level and octave don't matter, pitch does."""
    played = chord(220.0, 277.18, 329.63)

    def against(other: Audio) -> float:
        result = chroma_cosine(played, other, RATE, transform)
        assert result is not None
        return result

    assert against(played) == pytest.approx(1, abs=1e-6)
    assert against(0.1 * played) == pytest.approx(1, abs=1e-4)
    assert against(chord(440.0, 554.37, 659.26)) > 0.9
    assert against(chord(233.08, 293.66, 349.23)) < 0.5
    assert against(np.zeros_like(played)) == 0


def test_chroma_needs_sound_of_one_length() -> None:
    nothing = np.zeros(4 * RATE, np.float32)
    assert chroma_cosine(nothing, noise(4), RATE) is None
    with pytest.raises(ValueError, match="lengths"):
        chroma_cosine(nothing, nothing[1:], RATE)


def test_chroma_leaves_out_silence() -> None:
    """What is decoded where the original rests counts for nothing."""
    played = np.concatenate([chord(220.0), np.zeros(4 * RATE, np.float32)])
    decoded = np.concatenate([chord(220.0), 1e-3 * noise(4)])
    assert (chroma_cosine(played, decoded, RATE) or 0) > 0.99


def test_steady_sounds_drone_and_drums_do_not() -> None:
    steady = {
        "sine": sine(220.0),
        "chord": chord(110.0, 165.0, 220.0),
        "noise": noise(4.0),
    }
    for name, audio in steady.items():
        assert check_sound(audio, RATE).drones, name
    assert spectral_change(steady["sine"], RATE) < 0.002
    scale = np.concatenate([chord(220 * 2 ** (step / 12)) for step in range(0, 12, 2)])
    for audio in (drums(120), scale):
        assert spectral_change(audio, RATE) > 0.2
        assert not check_sound(audio, RATE).drones


def test_a_piece_that_freezes_halfway_drones() -> None:
    assert check_sound(np.concatenate([drums(120, 5.0), sine(220.0, 5.0)]), RATE).drones


def test_change_is_a_share_of_power() -> None:
    """On for half of the time and off for the other half: half of the mean power is variance."""
    pulse = (seconds(8.0) % 1.0 < 0.5).astype(np.float32)
    assert spectral_change(pulse * noise(8.0), RATE) == pytest.approx(0.5, abs=0.03)
    assert spectral_change(pulse * sine(1000.0, 8.0), RATE) == pytest.approx(0.5, abs=0.03)


def test_level_of_a_sine() -> None:
    assert level(sine(1000.0, 1.0, amplitude=1.0)) == pytest.approx(-3.0103, abs=1e-3)
    assert level(np.zeros(10, np.float32)) == -math.inf
    assert check_sound(sine(220.0, amplitude=0.007), RATE).silent  # -46.1 dBFS
    assert not check_sound(sine(220.0, amplitude=0.009), RATE).silent  # -43.9 dBFS


def test_silence_is_no_drone() -> None:
    check = check_sound(np.zeros(4 * RATE, np.float32), RATE)
    assert check.silent
    assert not check.drones


@pytest.mark.parametrize("gain", [1.5, 3.0, 10.0])
def test_clipped_share_of_an_overdriven_sine(gain: float) -> None:
    """Beyond full scale a sine of amplitude g spends 1 - (2 / pi) asin(1 / g) of the time."""
    audio = np.clip(sine(441.0, 1.0, amplitude=gain), -1, 1)
    assert clipped_share(audio) == pytest.approx(1 - 2 / np.pi * np.arcsin(1 / gain), abs=0.005)
    assert check_sound(audio, RATE).distorted
    assert not check_sound(sine(441.0, 1.0, amplitude=0.99), RATE).distorted


def test_bootstrap_interval_is_about_two_standard_errors() -> None:
    values = np.random.default_rng(3).normal(5, 2, 400)
    result = estimate(mean, values, seed=1)
    error = values.std() / 20
    assert result.value == pytest.approx(values.mean())
    assert result.low == pytest.approx(values.mean() - 1.96 * error, abs=0.2 * error)
    assert result.high == pytest.approx(values.mean() + 1.96 * error, abs=0.2 * error)
    assert result.count == 400
    assert estimate(mean, values, seed=1) == result
    assert estimate(mean, values, seed=2) != result


@settings(max_examples=30)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_bootstrap_stays_within_the_sample(values: list[float]) -> None:
    for statistic in (mean, median):
        result = estimate(statistic, values)
        assert min(values) - 1e-6 <= result.low <= result.high <= max(values) + 1e-6


def test_bootstrap_of_ratios_is_paired() -> None:
    values = np.random.default_rng(0).uniform(1, 2, 50)
    result = estimate(ratio_of_means, 3 * values, values)
    assert (result.value, result.low, result.high) == pytest.approx((3, 3, 3))
    nothing = estimate(ratio_of_means, values, np.zeros(50))
    assert nothing.to_dict() == {"value": None, "interval": [None, None], "count": 50}
    assert estimate(mean, []).to_dict()["value"] is None


def test_compare_parts_the_diagonal_from_the_rest() -> None:
    generated = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 0]], bool)
    result = compare(generated, np.eye(3, dtype=bool))
    assert result.generated.value == pytest.approx(2 / 3)
    assert result.generated_swapped.value == pytest.approx((0 + 0.5 + 1) / 3)
    assert result.real.value == 1
    assert result.real_swapped.value == 0
    assert result.ratio.value == pytest.approx(2 / 3)
    alone = compare(np.ones((1, 1)), np.ones((1, 1)))
    assert math.isnan(alone.generated_swapped.value)


def test_prompts_state_what_the_pieces_are() -> None:
    empty = np.zeros(0, np.int16)
    for seed in range(100):
        _, facts = plan(np.random.default_rng(seed))
        prompt = render(brief_of(Piece(empty, facts, ("a caption",))), "musicgen-nano")
        assert stated_bpm(prompt) == facts.bpm
        assert stated_key(prompt) == f"{facts.key} {facts.mode}"
        assert facts.genre in prompt.lower()
        assert facts.mood in prompt.lower()
        assert all(name in prompt for name in facts.instruments)


class Beeper:
    """A generator that plays the seed as a pitch, and counts."""

    name, family, rate, max_seconds = "beeper", "musicgen-nano", RATE, 10.0

    def __init__(self) -> None:
        self.made = 0

    def generate(
        self, request: GenerationRequest, *, progress: Progress = silent
    ) -> Iterator[Clip]:
        for seed in request.seeds:
            self.made += 1
            yield Clip(sine(seed, request.seconds)[np.newaxis], self.rate)


def test_clips_are_made_once(tmp_path: Path) -> None:
    beeper = Beeper()
    request = GenerationRequest(("a beep",), 0.5, (440,))
    cache = ClipCache(tmp_path / "clips", beeper, {"beeper": "1"})
    first = cache.path(7, request)
    assert first.name.startswith("00007-")
    assert ClipCache(tmp_path / "clips", beeper, {"beeper": "1"}).path(7, request) == first
    assert beeper.made == 1
    assert read_tags(first).prompt == "a beep"
    np.testing.assert_allclose(decode(first).samples[0], sine(440, 0.5), atol=2**-15)
    others = [
        ClipCache(tmp_path / "clips", beeper, {"beeper": "2"}).path(7, request),
        cache.path(7, replace(request, seeds=(441,))),
        cache.path(7, replace(request, guidance=2.0)),
        cache.path(7, replace(request, prompts=("a bleep",))),
    ]
    assert len({first, *others}) == 5


def test_revisions_name_all_that_is_needed() -> None:
    found = revisions("musicgen-nano", "clap-nano")
    assert set(found) == {"musicgen-nano", "spectral-codec-nano", "minilm", "clap-nano"}
    assert all(len(revision) == 64 for revision in found.values())
    assert len(set(found.values())) == 4


def test_the_listener_embeds_each_text_alike_in_any_company() -> None:
    listener = load_listener()
    texts = ["a slow sad piano piece", "fast techno with a synth bass, 140 bpm, dark"]
    together = listener.embed_text(texts)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(listener.embed_text(texts[:1])[0], together[0], atol=1e-5)
    heard = listener.hear(Clip(np.stack([drums(120), drums(120)]), RATE))
    assert np.linalg.norm(heard.embedding) == pytest.approx(1, rel=1e-5)
    assert heard.genre in labels_of("genres")
    assert heard.instrument in labels_of("instruments")


def labels_of(name: str) -> list[str]:
    """Labels of one of the listener's heads."""
    folder = models.folders(models.CATALOGUE["clap-nano"])["clap-nano"]
    labels: list[str] = json.loads((folder / "config.json").read_text())[name]
    return labels


def test_recordings_need_names_of_their_own(tmp_path: Path) -> None:
    clip = Clip(noise(1.0)[np.newaxis], RATE)
    paths = [encode(clip, tmp_path / f"same.{suffix}") for suffix in ("wav", "flac")]
    with pytest.raises(UsageError, match="two files called same"):
        measure_codec.check_recordings(paths)


def test_recordings_are_cut_into_stretches(tmp_path: Path) -> None:
    audio = noise(21.5)
    path = encode(Clip(np.stack([audio, audio]), RATE), tmp_path / "noise.wav")
    stretches = list(measure_codec.recording_audio(path, RATE))
    assert [len(stretch) for stretch in stretches] == [10 * RATE, 10 * RATE]  # 1.5 s are left out
    np.testing.assert_allclose(np.concatenate(stretches), audio[: 20 * RATE], atol=2**-14)


@pytest.mark.parametrize(
    ("script", "arguments", "said"),
    [
        (measure_codec, ["--pieces", "0"], "--pieces"),
        (measure_codec, ["--recordings", "missing.wav"], "missing.wav"),
        (measure_codec, ["--recordings", __file__], "test_measures.py"),
        (measure_musicgen, ["--prompts", "1"], "--prompts"),
        (measure_stable_audio, ["--steps", "0"], "--steps"),
        (measure_editing, ["--pieces", "1"], "--pieces"),
        (diffusion_sweep, ["--prompts", "1"], "--prompts"),
    ],
)
def test_wrong_arguments_are_one_line(
    script: ModuleType, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main(arguments) in (1, 2)
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert said in error
    assert error.count("\n") == 1


def test_signal_to_noise_of_a_part_and_of_nothing_else() -> None:
    whole = Clip(sine(100.0, 3.0)[np.newaxis], RATE)
    samples = whole.samples.copy()
    samples[:, RATE : 2 * RATE] *= 1.1  # a tenth of the signal: 20 dB
    other = Clip(samples, RATE)
    assert measure_editing.signal_to_noise(whole, other, 1, 2) == pytest.approx(20, abs=0.01)
    assert measure_editing.signal_to_noise(whole, other, 0, 1) > 100
    assert measure_editing.signal_to_noise(whole, other, 2, 3) > 100


def test_a_sweep_scores_what_was_asked_and_what_was_not() -> None:
    """Clips against the words for them, and against each other's."""
    embedder = load_text_embedder("clap-nano", device="cpu")
    clips = [Clip(sound[np.newaxis], RATE) for sound in (drums(120, 5.0), sine(220.0, 5.0))]
    own = np.stack([clip_embedding(embedder.embed(clip)) for clip in clips])
    right = diffusion_sweep.figures(clips, own, embedder, seed=0)
    wrong = diffusion_sweep.figures(clips, own[::-1], embedder, seed=0)
    assert right["clap"]["value"] == pytest.approx(1)
    assert wrong["clap"]["value"] == pytest.approx(own[0] @ own[1], abs=1e-3)
    assert right["fad"]["value"] == pytest.approx(wrong["fad"]["value"])  # it reads no words


@needs_soundfont
def test_held_out_pieces_are_the_first_and_the_first_solos() -> None:
    pytest.importorskip("tinysoundfont")
    items = list(held_out(3, 4))
    numbers = [item.number for item in items]
    assert numbers == sorted(numbers)
    assert numbers[:3] == [0, 1, 2]
    assert [item.in_prompts for item in items] == [number < 3 for number in numbers]
    solos = [item for item in items if item.in_solos]
    assert len(solos) == 4
    assert all(is_solo(item.piece.attributes) for item in solos)
    assert items[-1].in_solos
    np.testing.assert_array_equal(items[0].clip.samples[0] * 32768, items[0].piece.audio)


@needs_soundfont
@pytest.mark.slow
def test_the_estimator_knows_the_tempo_of_factory_drums() -> None:
    pytest.importorskip("tinysoundfont")
    found = [
        same_tempo(estimate_tempo(item.clip.samples[0], RATE), item.piece.attributes.bpm)
        for item in held_out(60)
        if item.piece.attributes.has_drums
    ]
    assert np.mean(found) >= 0.9


@needs_soundfont
@pytest.mark.slow
def test_the_scripts_measure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tinysoundfont")
    path = tmp_path / "results" / "codec.json"
    recording = encode(Clip(drums(100)[np.newaxis], RATE), tmp_path / "drums.flac")
    arguments = ["--pieces", "2", "--recordings", str(recording), "--output", str(path)]
    assert measure_codec.main(arguments) == 0
    result = json.loads(path.read_text())
    assert result["held_out_pieces"]["snr_db_median"]["count"] == 2
    assert result["held_out_pieces"]["chroma_cqt"]["value"] > 0.9
    assert result["recordings"]["drums"]["snr_db_mean"]["count"] == 1
    assert "drums" in capsys.readouterr().out

    path = tmp_path / "results" / "musicgen.json"
    arguments = ["--prompts", "2", "--solos", "1", "--work", str(tmp_path / "clips")]
    assert measure_musicgen.main([*arguments, "--output", str(path)]) == 0
    result = json.loads(path.read_text())
    assert result["comparisons"]["genre"]["real"]["value"] == 1
    assert result["comparisons"]["clap"]["real"]["value"] > 0.4
    clips = {file: file.stat().st_mtime_ns for file in (tmp_path / "clips").iterdir()}
    assert len(clips) == result["held_out"]["clips"]
    assert measure_musicgen.main([*arguments, "--output", str(path)]) == 0  # from the clips
    assert {file: file.stat().st_mtime_ns for file in clips} == clips
    assert json.loads(path.read_text()) == result
