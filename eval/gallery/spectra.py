"""Levels of a sound over time and frequency, on a scale that is the same for every clip.

Zero decibels are a sine at full scale, whatever the window and the rate, so two pictures can be
compared. In mel bands that holds below 1 kHz; above it the filters are of equal area, so what they
show is power for each Hz, as is usual for music.
"""

from __future__ import annotations

import itertools
from typing import Final

import numpy as np

from audio_chain.clip import Clip
from audio_chain.spectrum import Floats, hz_to_mel, mel_filters, powers, window_length

SILENCE_DB: Final = -140.0
"""The lowest level there is; also that of nothing at all."""

PITCH_CLASSES: Final = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")

_WINDOW_S: Final = 0.064
_CHROMA_WINDOW_S: Final = 0.256  # 4 Hz apart: a semitone is 6.5 Hz wide at 110 Hz
_CHROMA_RANGE: Final = (55.0, 5000.0)
_HANN_NOISE_BINS: Final = 1.5  # equivalent noise bandwidth of the Hann window


def mel_levels(clip: Clip, columns: int, mels: int) -> Floats:
    """Levels in mel bands from 0 Hz to half the rate, dB, shape (mels, columns), lowest first.

    `columns` moments are spread evenly over the clip, whose channels are mixed.
    """
    n_fft = window_length(clip.rate, _WINDOW_S)
    # below 1 kHz a filter's peak is one over the distance between bands
    spacing = 200.0 / 3.0 * float(hz_to_mel(clip.rate / 2)) / (mels + 1)
    filters = mel_filters(clip.rate, n_fft, mels) * (spacing / _HANN_NOISE_BINS)
    return _decibels(np.hstack([filters @ power for power in powers(clip, columns, n_fft)]))


def linear_levels(clip: Clip, columns: int) -> Floats:
    """Levels in the bins of the Fourier transform, dB, shape (n_fft // 2 + 1, columns)."""
    n_fft = window_length(clip.rate, _WINDOW_S)
    return _decibels(np.hstack(list(powers(clip, columns, n_fft))))


def chroma(clip: Clip, columns: int) -> Floats:
    """How strong each pitch class is, octaves folded, shape (12, columns), C first.

    The amplitudes between 55 Hz and 5 kHz, each shared between the two nearest semitones
    (A4 = 440 Hz); the strongest class of a moment is 1, and all are 0 in silence.
    """
    n_fft = window_length(clip.rate, _CHROMA_WINDOW_S)
    bins = np.fft.rfftfreq(n_fft, 1.0 / clip.rate)
    used = (bins >= _CHROMA_RANGE[0]) & (bins <= _CHROMA_RANGE[1])
    pitch = 69.0 + 12.0 * np.log2(bins[used] / 440.0)
    distance = (pitch - np.arange(12)[:, None] + 6.0) % 12.0 - 6.0
    weights = np.maximum(0.0, 1.0 - np.abs(distance))
    parts = (weights @ np.sqrt(power[used]) for power in powers(clip, columns, n_fft))
    strengths = np.hstack(list(parts))
    strongest = strengths.max(axis=0)
    audible = strongest > 10.0 ** (SILENCE_DB / 20.0)
    normalised: Floats = np.where(audible, strengths / np.where(audible, strongest, 1.0), 0.0)
    return normalised


def extremes(clip: Clip, columns: int) -> Floats:
    """The lowest and the highest sample of each of `columns` parts, shape (2, columns).

    Channels are mixed; beyond full scale is cut off. Zero lies between the two.
    """
    samples = np.clip(clip.mono().samples[0], -1.0, 1.0)
    edges = np.linspace(0, len(samples), columns + 1).astype(np.int64)
    found = np.zeros((2, columns))
    for column, (first, last) in enumerate(itertools.pairwise(edges)):
        part = samples[first : max(last, first + 1)]
        found[:, column] = part.min(initial=0.0), part.max(initial=0.0)
    return found


def _decibels(power: Floats) -> Floats:
    levels: Floats = 10.0 * np.log10(np.maximum(power, 10.0 ** (SILENCE_DB / 10.0)))
    return levels
