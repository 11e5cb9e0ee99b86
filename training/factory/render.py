"""Render a score: mix notes of the bank, then room, side chain, filter, dust and level."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from training.factory.bank import NoteBank
from training.factory.instruments import INSTRUMENTS
from training.factory.sampling import RATE
from training.factory.score import VELOCITY_EXPONENT, Mix, Score, Track

_DRUM_RELEASE: Final = 0.05  # seconds
_DUCK_RECOVERY: Final = 0.33  # beats
_ROOM_SEED: Final = 7
_ROOM_BAND: Final = (180, 3800)  # Hz
_ROOM_ONSET: Final = 300  # samples at half the rate over which the room fades in
_CLICKS_PER_SECOND: Final = 30
_CREST: Final = 5.5  # peaks beyond this factor over the RMS (15 dB) are rounded off

Audio = NDArray[np.float32]


def render(score: Score, bank: NoteBank) -> Audio:
    """Turn a score into sound.

    Parameters
    ----------
    score : Score
        What to play.
    bank : NoteBank
        With all of its instruments.

    Returns
    -------
    float32 array, shape (samples,)
        Mono at 32 kHz, exactly as long as the score says, peaking at its level.
    """
    samples = round(score.seconds * RATE)
    wet, dry = np.zeros(samples, np.float32), np.zeros(samples, np.float32)
    for track in score.tracks:
        _add_track(wet if track.wet else dry, track, score, bank)
    mix = score.mix
    if mix.duck:
        _duck(wet, score)
    audio = wet + dry
    if mix.room > 0:
        _add_room(audio, wet, mix)
    if mix.lowpass:
        filter_ = butter(2, mix.lowpass, fs=RATE, output="sos").astype(np.float32)
        audio = sosfilt(filter_, audio).astype(np.float32)
    if mix.dust:
        _add_dust(audio, mix, score.seconds)
    return _levelled(audio, mix)


def _add_track(bus: Audio, track: Track, score: Score, bank: NoteBank) -> None:
    samples_per_tick = score.samples_per_tick(RATE)
    starts = ((track.starts - score.start) * samples_per_tick).astype(np.int64)
    lengths = (track.durations * samples_per_tick).astype(np.int64)
    gains = (track.velocities / 100.0) ** VELOCITY_EXPONENT
    release = _release(_DRUM_RELEASE if track.is_drums else INSTRUMENTS[track.name].release)
    scratch = np.empty(bank.longest, np.float32)
    for start, length, pitch, gain in zip(
        starts.tolist(), lengths.tolist(), track.pitches.tolist(), gains.tolist(), strict=True
    ):
        sound = bank.sounds[track.voice, pitch]
        missed = max(0, -start)  # samples that lie before the clip
        played = min(sound.length, length + len(release), len(bus) - start)
        if played <= missed:
            continue
        note = scratch[:played]
        recorded = bank.samples[sound.offset : sound.offset + played]
        np.multiply(recorded, np.float32(gain * sound.scale), out=note)
        if played > length:
            note[length:] *= release[: played - length]
        bus[start + missed : start + played] += note[missed:]


@lru_cache
def _release(seconds: float) -> Audio:
    """Gains after the end of a note."""
    samples = int(RATE * seconds)
    place = np.arange(samples) / samples
    return ((1 - place) * np.exp(-3 * np.arange(samples) / samples)).astype(np.float32)


def _duck(bus: Audio, score: Score) -> None:
    """Press the bus down on every beat, as a compressor keyed by the kick drum does."""
    beat = 60 / score.mix.pulse_bpm * RATE
    place = np.arange(int(beat)) / beat
    gain = (1 - score.mix.duck * np.exp(-((place / _DUCK_RECOVERY) ** 2))).astype(np.float32)
    first = round(-score.start * score.samples_per_tick(RATE)) % round(beat) - int(beat)
    for count in range(int(len(bus) / beat) + 3):
        start = round(count * beat) + first
        begin, end = max(0, start), min(len(bus), start + len(gain))
        if end > begin:
            bus[begin:end] *= gain[begin - start : end - start]


def _add_room(audio: Audio, wet: Audio, mix: Mix) -> None:
    """Add the reverberation of the wet bus, computed at half the rate: it is dark anyway."""
    half = (wet[0:-1:2] + wet[1::2]) * np.float32(0.5)
    size, response = _room(mix.reverb_seconds, len(half))
    tail = scipy.fft.irfft(scipy.fft.rfft(half, size) * response, size)[: len(half)]
    tail *= np.float32(mix.room)
    audio[0 : 2 * len(tail) : 2] += tail
    audio[1 : 2 * len(tail) - 1 : 2] += (tail[:-1] + tail[1:]) * np.float32(0.5)


@lru_cache(16)
def _room(seconds: float, samples: int) -> tuple[int, NDArray[np.complex64]]:
    """Spectrum of a room's response, decaying noise, and its size for so many samples."""
    length = int(RATE / 2 * seconds)
    size = scipy.fft.next_fast_len(samples + length, real=True)
    noise = np.random.default_rng(_ROOM_SEED).standard_normal(length)
    place = np.arange(length)
    noise = noise * np.exp(-6.9 * place / length) * np.minimum(1, place / _ROOM_ONSET)
    noise = sosfilt(butter(1, _ROOM_BAND, "bandpass", fs=RATE / 2, output="sos"), noise)
    response = (noise / np.sqrt((noise**2).sum())).astype(np.float32)
    return size, scipy.fft.rfft(response, size)


def _add_dust(audio: Audio, mix: Mix, seconds: float) -> None:
    """Add the hiss and crackle of an old record."""
    noise = np.random.default_rng(mix.seed)
    amount = float(np.abs(audio).max()) * mix.dust
    clicks = int(_CLICKS_PER_SECOND * seconds)
    audio += np.float32(amount * 0.02) * noise.standard_normal(len(audio), dtype=np.float32)
    places = noise.integers(0, len(audio), clicks)
    audio[places] += noise.standard_normal(clicks).astype(np.float32) * np.float32(amount * 0.35)


def _levelled(audio: Audio, mix: Mix) -> Audio:
    """Soft-clip, and bring the peak to the level of the mix."""
    rms = math.sqrt(float(np.dot(audio, audio)) / len(audio))
    reference = min(float(np.abs(audio).max()), _CREST * rms) + 1e-9
    clipped = np.tanh(audio * np.float32(mix.drive / reference))
    peak = float(np.abs(clipped).max()) + 1e-9
    levelled: Audio = clipped * np.float32(10 ** (mix.level / 20) / peak)
    return levelled
