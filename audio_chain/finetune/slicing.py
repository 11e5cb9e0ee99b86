"""Where to cut a song into pieces: in a silence, else just before its strongest onset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audio_chain.clip import Samples

HOP_S: Final = 0.02
SILENT_DB: Final = -50.0
"""A frame counts as silent this far below full scale."""

PAUSE_S: Final = 0.12
"""The shortest silence that is cut in."""

EARLIEST: Final = 0.6
"""A piece is cut no earlier than at this share of the longest that is allowed."""

_SPECTRUM: Final = 1024


@dataclass(frozen=True)
class Cut:
    """A piece of a song, in seconds from its start."""

    begin_s: float
    end_s: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end_s - self.begin_s


def cuts(samples: Samples, rate: int, *, least: float, most: float) -> list[Cut]:
    """Cut a song into pieces.

    Silence at the song's ends, and silences longer than `PAUSE_S` where a cut falls into one, are
    left out. What remains shorter than `least` is too.

    Parameters
    ----------
    samples : float32 array, shape (channels, frames)
    rate : int
        Samples a second.
    least, most : float
        Lengths of a piece, seconds.
    """
    mono = samples.mean(0)
    hop = round(HOP_S * rate)
    level = levels(mono, hop)
    sounding = np.flatnonzero(level > SILENT_DB)
    if not len(sounding):
        return []
    silent = level <= SILENT_DB
    strength = onsets(mono, hop)
    longest = int(most / HOP_S)
    begin, last = int(sounding[0]), int(sounding[-1]) + 1
    found: list[Cut] = []
    while begin < last:
        if last - begin <= longest:
            end = following = last
        else:
            end, following = _place(
                silent, strength, begin + int(EARLIEST * longest), begin + longest
            )
        found.append(Cut(begin * HOP_S, min(end * hop, len(mono)) / rate))
        begin = following
        while begin < last and silent[begin]:
            begin += 1
    return [cut for cut in found if cut.seconds >= least]


def _place(
    silent: NDArray[np.bool_], strength: NDArray[np.float64], low: int, high: int
) -> tuple[int, int]:
    """Where between two frames a piece ends, and where the next one begins."""
    pause = max(_runs(silent[low:high]), key=lambda run: run[1] - run[0], default=(0, 0))
    if (pause[1] - pause[0]) * HOP_S >= PAUSE_S:
        return low + pause[0], low + pause[1]
    place = low + int(np.argmax(strength[low:high]))
    return place, place


def _runs(flags: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Begin and end of each stretch that is true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def levels(mono: NDArray[np.float32], hop: int) -> NDArray[np.float64]:
    """RMS of every frame of `hop` samples, dB below full scale; the last may be shorter."""
    padded = np.pad(mono, (0, -len(mono) % hop)).reshape(-1, hop).astype(np.float64)
    decibels: NDArray[np.float64] = 10 * np.log10(np.square(padded).mean(1) + 1e-12)
    return decibels


def onsets(mono: NDArray[np.float32], hop: int) -> NDArray[np.float64]:
    """How much each frame's spectrum rises over the one before: summed, half-wave rectified."""
    frames = -(-len(mono) // hop)
    padded = np.pad(mono, (_SPECTRUM // 2, hop + _SPECTRUM))
    windows = np.lib.stride_tricks.sliding_window_view(padded, _SPECTRUM)[::hop][:frames]
    window = np.hanning(_SPECTRUM).astype(np.float32)
    strength = np.zeros(frames)
    before: NDArray[np.float64] | None = None
    for start in range(0, frames, 4096):  # a long song's spectra don't fit into memory at once
        spectra = np.log1p(100 * np.abs(np.fft.rfft(windows[start : start + 4096] * window)))
        first = spectra[:1] if before is None else before
        rises = np.diff(np.concatenate([first, spectra]), axis=0)
        strength[start : start + len(spectra)] = np.maximum(rises, 0).sum(1)
        before = spectra[-1:]
    return strength
