"""Loudness against levels known beforehand, the EBU's test signals, and FFmpeg's own meter."""

from __future__ import annotations

import math
from fractions import Fraction

import av
import numpy as np
import pytest
from audio_files import Float, joined, same_in, sine
from hypothesis import example, given, settings
from hypothesis import strategies as st

from audio_chain.audio import AudioError, AudioUsageError, Clip
from audio_chain.loudness import fade, integrated_loudness, master, normalise, true_peak


def level(decibels: float) -> float:
    return math.pow(10.0, decibels / 20.0)


def tone(decibels: float, seconds: float, channels: int = 2) -> Clip:
    """EBU Tech 3341's signal: 1 kHz, the peak of the sine at `decibels` dBFS."""
    return same_in(channels, sine(1_000.0, amplitude=level(decibels), seconds=seconds))


def noise(decibels: float, seconds: float, *, rate: int = 32_000, channels: int = 2) -> Clip:
    samples = np.random.default_rng(5).standard_normal((channels, int(rate * seconds)))
    return Clip((level(decibels) * samples).astype(np.float32), rate)


def kit(seconds: float = 8.0, rate: int = 32_000, pad: float = 0.04) -> Clip:
    """Kick, snare, hat over a soft chord: peaks 18 dB over its loudness, like unmastered music."""
    chance = np.random.default_rng(6)
    time = np.arange(int(seconds * rate)) / rate
    chord = np.array([[220.0], [277.0], [330.0], [440.0]])
    track = pad * np.sin(2 * np.pi * chord * time).sum(axis=0)
    kick, snare = (0.0, 0.5, 60.0, 0.08, 0.8, 0.0), (0.25, 0.5, 180.0, 0.05, 0.4, 0.6)
    for first, every, hertz, decay, amplitude, share in (
        kick,
        snare,
        (0.0, 0.125, 8e3, 0.02, 0.1, 1),
    ):
        for start in range(int(rate * first), len(time), int(rate * every)):
            after = time[: len(time) - start]
            sound = (1 - share) * np.sin(2 * np.pi * hertz * after)
            sound += share * chance.standard_normal(len(after))
            track[start:] += amplitude * np.exp(-after / decay) * sound
    return Clip(track[None].astype(np.float32), rate)


def ffmpeg_meter(clip: Clip) -> tuple[float, float]:
    """Integrated loudness (LUFS) and true peak (dBTP) by FFmpeg's ebur128 filter."""
    layout = "mono" if clip.channels == 1 else "stereo"
    graph = av.filter.Graph()
    source = graph.add_abuffer(
        format="fltp", sample_rate=clip.rate, layout=layout, time_base=Fraction(1, clip.rate)
    )
    meter = graph.add("ebur128", "metadata=1:peak=true")
    sink = graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(clip.samples.copy(), format="fltp", layout=layout)
    frame.sample_rate, frame.pts = clip.rate, 0
    graph.push(frame)
    graph.push(None)
    found: dict[str, str] = {}
    while True:
        try:
            found = graph.pull().metadata or found
        except EOFError:
            break
    peak = max(float(value) for key, value in found.items() if "true_peaks_ch" in key)
    return float(found["lavfi.r128.I"]), 20.0 * math.log10(peak)


# --- Meters -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [8_000, 16_000, 32_000, 44_100, 48_000, 96_000])
def test_a_full_scale_sine_in_one_channel_is_minus_3_01(rate: int) -> None:
    """BS.1770-4 Annex 1: 997 Hz at 0 dBFS in one front channel indicates -3.01 LKFS."""
    measured = integrated_loudness(sine(997.0, amplitude=1.0, rate=rate, seconds=3.0))
    assert measured == pytest.approx(-3.01, abs=0.005 if rate == 48_000 else 0.05)


EBU_3341 = [
    (1, [(-23.0, 20.0)], -23.0),
    (2, [(-33.0, 20.0)], -33.0),
    (3, [(-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0)], -23.0),
    (4, [(-72.0, 10.0), (-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0), (-72.0, 10.0)], -23.0),
    (5, [(-26.0, 20.0), (-20.0, 20.1), (-26.0, 20.0)], -23.0),
]


@pytest.mark.parametrize(("case", "parts", "expected"), EBU_3341)
def test_ebu_tech_3341(case: int, parts: list[tuple[float, float]], expected: float) -> None:
    clip = joined(*(tone(decibels, seconds) for decibels, seconds in parts))
    assert integrated_loudness(clip) == pytest.approx(expected, abs=0.1)


def test_ebu_tech_3341_case_6_weights_surround_channels() -> None:
    levels = (-28.0, -28.0, -24.0, -30.0, -30.0)  # L R C Ls Rs
    five = np.concatenate([tone(decibels, 20.0, channels=1).samples for decibels in levels])
    assert integrated_loudness(Clip(five, 48_000)) == pytest.approx(-23.0, abs=0.1)
    lfe = tone(0.0, 20.0, channels=1).samples
    six = np.concatenate([five[:3], lfe, five[3:]])  # 5.1: the LFE doesn't count
    assert integrated_loudness(Clip(six, 48_000)) == pytest.approx(-23.0, abs=0.1)
    with pytest.raises(AudioError, match="7 channels"):
        integrated_loudness(Clip(np.ones((7, 9), np.float32), 48_000))


@pytest.mark.parametrize("clip", [noise(-20.0, 5.0), kit(), noise(-35.0, 4.0, rate=44_100)])
def test_the_meters_agree_with_ffmpegs(clip: Clip) -> None:
    loudness, peak = ffmpeg_meter(clip)
    assert integrated_loudness(clip) == pytest.approx(loudness, abs=0.1)
    assert true_peak(clip) == pytest.approx(peak, abs=0.3)


@pytest.mark.parametrize("frames", [1, 2, 37, 480, 4_800, 19_199, 19_200, 19_201])
def test_short_clips_have_a_loudness(frames: int) -> None:
    clip = Clip(sine(997.0, amplitude=1.0, phase=1.0).samples[:, :frames], 48_000)
    measured = integrated_loudness(clip)
    assert math.isfinite(measured)
    if frames >= 4_800:
        assert measured == pytest.approx(-3.01, abs=0.1)
    assert integrated_loudness(normalise(clip)) <= -14.0 + 0.05


def test_silence_has_no_loudness_and_no_peak() -> None:
    for frames in (0, 1, 100_000):
        silence = Clip(np.zeros((2, frames), np.float32), 44_100)
        assert integrated_loudness(silence) == true_peak(silence) == -math.inf


@pytest.mark.parametrize("rate", [8_000, 32_000, 44_100, 48_000, 96_000])
def test_true_peak_sees_between_the_samples(rate: int) -> None:
    """A quarter of the rate, 45 degrees off: every sample lies 3 dB under the crest.

    EBU Tech 3341 allows +0.2/-0.4 dB.
    """
    clip = fade(
        sine(rate / 4, amplitude=0.5, rate=rate, phase=math.pi / 4), attack=0.1, release=0.1
    )
    assert 20 * math.log10(np.abs(clip.samples).max()) == pytest.approx(-9.03, abs=0.01)
    assert -6.02 - 0.4 < true_peak(clip) < -6.02 + 0.2


def test_true_peak_is_never_below_the_sample_peak() -> None:
    click = np.zeros((2, 1_000_000), np.float32)
    click[1, 600_000] = -1.0
    assert 0.0 <= true_peak(Clip(click, 44_100)) < 0.5


# --- Mastering --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "clip",
    [
        tone(-30.0, 5.0),
        noise(-30.0, 5.0),
        noise(-3.0, 5.0),
        kit(),
        kit(pad=0.0),
        sine(40.0, amplitude=0.05, rate=32_000, seconds=5.0),
        sine(220.0, amplitude=3.0, rate=44_100, seconds=2.0),
    ],
    ids=["tone", "soft noise", "loud noise", "music", "drums only", "deep bass", "over full scale"],
)
def test_both_targets_are_met(clip: Clip) -> None:
    track = master(clip)
    assert (track.rate, track.samples.shape) == (clip.rate, clip.samples.shape)
    assert true_peak(track) <= -1.0 + 0.01
    assert integrated_loudness(track) == pytest.approx(-14.0, abs=0.1)


def test_other_targets_are_met_too() -> None:
    track = normalise(kit(3.0), target=-16.0, ceiling=-3.0)
    assert integrated_loudness(track) == pytest.approx(-16.0, abs=0.1)
    assert true_peak(track) <= -3.0 + 0.01
    for wrong in ({"target": 3.0}, {"target": math.nan}, {"ceiling": 1.0}):
        with pytest.raises(AudioUsageError):
            normalise(sine(), **wrong)


def test_without_need_for_it_the_limiter_is_not_there() -> None:
    clip = noise(-30.0, 3.0)
    ratio = normalise(clip).samples / clip.samples
    assert np.ptp(ratio) / ratio.mean() < 1e-5  # one gain for all


def test_limiting_is_clean_and_alike_in_all_channels() -> None:
    """6 dB over the ceiling: a bass keeps its wave (harmonics under -50 dB), stereo its image."""
    bass = sine(55.0, amplitude=0.25, rate=32_000, seconds=4.0)
    rare = Clip(bass.samples.copy(), bass.rate)
    loud = Clip((np.array([[1.0], [0.5]]) * rare.samples).astype(np.float32), rare.rate)
    hit = np.zeros_like(loud.samples)
    hit[:, 64_000:64_400] = 0.9 * np.hanning(400)
    limited = normalise(Clip(loud.samples + hit, 32_000), target=-24.0, ceiling=-12.0)
    gain = limited.samples / np.where(np.abs(loud.samples + hit) > 1e-3, loud.samples + hit, np.nan)
    assert np.nanmax(np.abs(gain[0] - gain[1])) < 1e-3 * np.nanmax(gain)
    assert np.nanmin(gain) < 0.5 * np.nanmax(gain)  # it did limit

    held = normalise(sine(55.0, amplitude=0.25, rate=32_000, seconds=4.0), ceiling=-7.0)
    spectrum = np.abs(np.fft.rfft(held.cropped(1.0, 3.0).samples[0] * np.hanning(64_000)))
    harmonics = [spectrum[110 * multiple] for multiple in range(2, 20)]
    assert 20 * math.log10(math.hypot(*harmonics) / spectrum[110]) < -50.0


def test_silence_and_hiss_are_not_blown_up() -> None:
    silence = Clip(np.zeros((2, 40_000), np.float32), 32_000)
    assert not master(silence).samples.any()
    hiss = noise(-90.0, 2.0)
    np.testing.assert_array_equal(normalise(hiss).samples, hiss.samples)
    faint = noise(-65.0, 2.0)
    assert true_peak(normalise(faint)) <= true_peak(faint) + 30.01


def test_what_the_meter_cannot_hear_still_keeps_the_ceiling() -> None:
    constant = Clip(np.full((1, 64_000), 1.5, np.float32), 32_000)
    assert true_peak(normalise(constant)) <= -1.0 + 0.01


def test_numbers_that_are_none_are_refused() -> None:
    broken = Clip(np.array([[0.1, np.nan]], np.float32), 32_000)
    for function in (integrated_loudness, true_peak, normalise, master):
        with pytest.raises(AudioError, match="NaN or infinity"):
            function(broken)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    frames=st.integers(1, 30_000),
    amplitude=st.floats(1e-6, 20.0),
    spikes=st.integers(0, 20),
    channels=st.integers(1, 2),
)
@example(seed=0, frames=4025, amplitude=1.0, spikes=0, channels=1)  # 4025 / 16000 * 16000 is more
def test_mastering_anything_stays_finite_and_under_the_ceiling(
    seed: int, frames: int, amplitude: float, spikes: int, channels: int
) -> None:
    chance = np.random.default_rng(seed)
    samples: Float = (amplitude * chance.standard_normal((channels, frames))).astype(np.float32)
    samples[:, chance.integers(0, frames, spikes)] *= 30.0
    track = master(Clip(samples, 16_000))
    assert np.isfinite(track.samples).all()
    assert true_peak(track) <= -1.0 + 0.01
    assert integrated_loudness(track) <= -14.0 + 0.1


def test_fades_are_raised_cosines_to_zero() -> None:
    clip = Clip(np.ones((2, 10_000), np.float32), 10_000)
    faded = fade(clip, attack=0.1, release=0.2).samples
    assert (faded[:, [0, -1]] == 0.0).all()
    np.testing.assert_allclose(faded[0, [250, 500, 750]], [0.1464466, 0.5, 0.8535534], atol=1e-5)
    assert (faded[:, 1_000:8_000] == 1.0).all()
    assert (np.diff(faded[0, :1_000]) > 0).all()
    assert (np.diff(faded[0, 8_001:]) < 0).all()
    assert np.abs(np.diff(faded)).max() < 0.002  # gentle: no step


def test_fades_of_a_clip_shorter_than_both_meet() -> None:
    faded = fade(Clip(np.ones((1, 30), np.float32), 1_000), attack=0.02, release=0.04).samples
    assert faded[0, 0] == faded[0, -1] == 0.0
    assert 8 <= int(faded[0].argmax()) <= 12
    np.testing.assert_array_equal(fade(sine(), attack=0.0, release=0.0).samples, sine().samples)
    with pytest.raises(AudioUsageError):
        fade(sine(), attack=-1.0)


def test_mastering_can_be_switched_off() -> None:
    clip = sine(seconds=2.0)
    assert master(clip, loudness=False, fades=False) is clip
    assert master(clip, fades=False).samples[0, -1] != 0.0
    faded = master(clip, loudness=False)
    np.testing.assert_array_equal(faded.samples, fade(clip).samples)
