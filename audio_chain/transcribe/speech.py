"""Where somebody speaks: a recording, block by block, to windows of speech for Whisper.

The detector is Silero VAD, which faster-whisper's wheel carries. It decides what Whisper gets to
hear at all: on silence and noise Whisper makes sentences up.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import numpy as np
import numpy.typing as npt

Mono = npt.NDArray[np.float32]
"""Samples of one channel at `RATE`, shape (frames,)."""

RATE: Final = 16_000
WINDOW_SECONDS: Final = 29.0  # Whisper hears 30 s at a time
LONGEST_SPAN_SECONDS: Final = 25.0  # without a pause; then it's cut at the last short one
SHORTEST_SPAN_SECONDS: Final = 0.25  # a click or a cough isn't speech
PAUSE_SECONDS: Final = 1.0  # ends a span of speech
LONG_PAUSE_SECONDS: Final = 5.0  # ends a window too
PAD_SECONDS: Final = 0.4  # kept before and after, so that soft first and last sounds survive
SETTLED_SECONDS: Final = PAUSE_SECONDS + PAD_SECONDS  # what follows can't change the span
PEAK: Final = 0.5
MOST_GAIN: Final = 100.0  # 40 dB


@dataclass(frozen=True, eq=False)
class Span:
    """Somebody speaks: `samples`, which begin at frame `start` of the recording."""

    start: int
    samples: Mono

    @property
    def end(self) -> int:
        """The frame of the recording after the last one."""
        return self.start + self.samples.size


@dataclass(frozen=True, eq=False)
class Window:
    """Spans of speech in order, at most `WINDOW_SECONDS` together, without the pauses between."""

    spans: tuple[Span, ...]

    @property
    def samples(self) -> Mono:
        """The spans put end to end."""
        return np.concatenate([span.samples for span in self.spans])

    @property
    def end(self) -> float:
        """Where the window ends in the recording, in seconds."""
        return self.spans[-1].end / RATE

    def original(self, time: float, *, is_end: bool = False) -> float:
        """The time in the recording of `time` in the window, both in seconds.

        Where two spans meet, a start belongs to the later one and an end to the earlier.
        Times outside the window mean its ends.
        """
        ends = list(accumulate(span.samples.size for span in self.spans))
        frame = min(max(round(time * RATE), 0), ends[-1])
        index = bisect_left(ends, frame) if is_end else bisect_right(ends, frame)
        index = min(index, len(ends) - 1)
        span = self.spans[index]
        return (span.end - (ends[index] - frame)) / RATE


def louder(samples: Mono) -> Mono:
    """A quiet recording brought to a usual level: the detector and Whisper miss soft speech.

    The gain makes the 99.9th percentile of the magnitudes `PEAK`, is at most `MOST_GAIN`, and
    never makes anything softer.
    """
    if samples.size == 0:
        return samples
    level = float(np.percentile(np.abs(samples), 99.9))
    gain = min(MOST_GAIN, PEAK / max(level, 1e-9))
    return samples if gain <= 1 else (samples * np.float32(gain)).clip(-1, 1)


def spans(blocks: Iterable[Mono]) -> Iterator[Span]:
    """Find speech in a recording given block by block.

    Memory holds one block and the unfinished span before it, however long the recording is.
    """
    held = np.zeros(0, dtype=np.float32)
    start = 0  # frame of the recording at which `held` begins
    for block, is_last in _with_last(blocks):
        held = np.concatenate([held, louder(block)])
        settled = held.size if is_last else held.size - round(SETTLED_SECONDS * RATE)
        kept = max(settled, 0)
        for first, end in _detect(held):
            if end > settled:
                kept = first
                break
            yield Span(start + first, held[first:end])
            kept = max(kept, end)
        held, start = held[kept:], start + kept


def windows(found: Iterable[Span]) -> Iterator[Window]:
    """Gather spans to windows as long as Whisper can hear at once."""
    gathered: list[Span] = []
    size = 0
    for span in found:
        if gathered and (
            size + span.samples.size > WINDOW_SECONDS * RATE
            or span.start - gathered[-1].end > LONG_PAUSE_SECONDS * RATE
        ):
            yield Window(tuple(gathered))
            gathered, size = [], 0
        gathered.append(span)
        size += span.samples.size
    if gathered:
        yield Window(tuple(gathered))


def _detect(samples: Mono) -> list[tuple[int, int]]:
    """Frames (first, end) of each span of speech, padded, in order, not overlapping."""
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    if samples.size == 0:
        return []
    options = VadOptions(
        min_speech_duration_ms=round(SHORTEST_SPAN_SECONDS * 1000),
        max_speech_duration_s=LONGEST_SPAN_SECONDS,
        min_silence_duration_ms=round(PAUSE_SECONDS * 1000),
        speech_pad_ms=round(PAD_SECONDS * 1000),
    )
    found = get_speech_timestamps(samples, options, sampling_rate=RATE)
    return [(int(span["start"]), int(span["end"])) for span in found]


def _with_last(blocks: Iterable[Mono]) -> Iterator[tuple[Mono, bool]]:
    """Each block, and whether it is the last."""
    iterator = iter(blocks)
    block = next(iterator, None)
    while block is not None:
        following = next(iterator, None)
        yield block, following is None
        block = following
