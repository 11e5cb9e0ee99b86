"""Any audio file to samples, in one pass and constant memory.

FFmpeg (PyAV's wheel brings it) reads everything, plain PCM too: it was as fast there as
libsndfile, and went on where libsndfile stopped: FLAC cut off, damaged or of unknown length,
and WAV whose header was never completed. Formats are recognised by content, never by name.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from audio_chain.clip import (
    Clip,
    Samples,
    check_rate,
    refuse_nonfinite,
)
from audio_chain.errors import AudioUsageError
from audio_chain.ffmpeg import opened, read_pieces
from audio_chain.files import StrPath, shown

_CONTAINERS = {"mov,mp4,m4a,3gp,3g2,mj2": "mp4", "matroska,webm": "webm"}


@dataclass(frozen=True)
class AudioInfo:
    """What a file says it holds, before any sound is decoded.

    ``seconds`` is ``None`` where the header doesn't say (a browser's live recording);
    ``codec`` and ``container`` are FFmpeg's names ("aac", "opus", "pcm_s16le"; "mp4", "webm").
    """

    seconds: float | None
    rate: int
    channels: int
    codec: str
    container: str


def probe(path: StrPath) -> AudioInfo:
    """Read the header of the audio in `path`.

    Raises
    ------
    AudioError
        Nothing there, not readable, not audio, no audio track; one line that names the file.
    """
    with opened(path) as (container, track):
        seconds: float | None = None
        if track.duration is not None and track.time_base is not None:
            seconds = float(track.duration * track.time_base)
        elif container.duration is not None:
            seconds = container.duration / 1_000_000  # AV_TIME_BASE
        return AudioInfo(
            seconds=seconds,
            rate=track.codec_context.sample_rate,
            channels=track.codec_context.layout.nb_channels,
            codec=track.codec_context.codec.canonical_name,
            container=_CONTAINERS.get(container.format.name, container.format.name),
        )


def stream(
    path: StrPath, *, rate: int | None = None, mono: bool = False, block_seconds: float = 30.0
) -> Generator[Clip, None, None]:
    """Decode `path` block by block, in constant memory.

    The blocks put end to end are what `decode` returns: resampling runs through them, so
    there is no seam. Close the generator (`contextlib.closing`) to stop early.

    Parameters
    ----------
    path : str or path
        A file holding audio: its container and codec are found by content.
    rate : int, optional
        Resample to this many Hz (soxr, high quality); default: the file's own rate.
    mono : bool
        Mix the channels to one (their mean).
    block_seconds : float
        Length of every block but the last, which can be shorter.

    Yields
    ------
    Clip
        At least one, each of at least one frame, all with one rate and channel count.

    Raises
    ------
    AudioError
        While iterating: nothing there, a folder, not readable, empty, not audio, no audio
        track, damaged or cut off before the first sound, no sound at all, samples that are
        not numbers. A file cut off later gives the sound up to there.
    """
    check_rate(rate)
    if not (math.isfinite(block_seconds) and block_seconds > 0):
        raise ValueError(f"block_seconds must be positive, not {block_seconds}")
    return _clips(path, rate, mono, block_seconds)


def decode(
    path: StrPath,
    *,
    rate: int | None = None,
    mono: bool = False,
    max_seconds: float | None = None,
) -> Clip:
    """Decode `path` whole, or its first `max_seconds`, into one clip.

    Takes the arguments of `stream` and raises what it raises. With `max_seconds` reading
    stops there, so the start of a very long file is cheap.
    """
    if max_seconds is not None and not (math.isfinite(max_seconds) and max_seconds > 0):
        raise AudioUsageError(f"can't decode {max_seconds} s; give a positive number of seconds")
    block_seconds = 30.0 if max_seconds is None else min(30.0, max(max_seconds, 0.1))
    blocks: list[Samples] = []
    got, wanted = 0, math.inf
    check_rate(rate)
    with closing(_clips(path, rate, mono, block_seconds)) as clips:
        for clip in clips:
            rate = clip.rate
            if max_seconds is not None:
                wanted = max(1, round(max_seconds * rate))
            blocks.append(clip.samples)
            got += clip.frames
            if got >= wanted:
                break
    assert rate is not None  # there is at least one block
    joined = blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1)
    return Clip(joined[:, : int(min(got, wanted))], rate)


def _clips(
    path: StrPath, rate: int | None, mono: bool, block_seconds: float
) -> Generator[Clip, None, None]:
    name = shown(path)
    with opened(path) as (container, track):
        sound = _finite(read_pieces(container, track, name), name)
        for samples, block_rate in _blocks(_at_one_rate(sound, rate, mono), block_seconds):
            yield Clip(samples, block_rate)


def _finite(pieces: Iterable[tuple[Samples, int]], name: str) -> Iterator[tuple[Samples, int]]:
    """The pieces, up to the first sample that is not a number: that one is an error."""
    seconds = 0.0
    for samples, rate in pieces:
        refuse_nonfinite(samples, rate, name, seconds)
        seconds += samples.shape[1] / rate
        yield samples, rate


def _at_one_rate(
    pieces: Iterable[tuple[Samples, int]], rate: int | None, mono: bool
) -> Iterator[tuple[Samples, int]]:
    """Pieces with one rate (default: the first one's) and one channel count, without seams.

    A file can change both on its way (chained Ogg, AAC whose SBR is found late).
    """
    import soxr

    channels = 0
    piece_rate = 0
    resampler: soxr.ResampleStream | None = None
    for samples, new_rate in pieces:
        channels = channels or (1 if mono else len(samples))
        rate = rate or new_rate
        if len(samples) != channels:
            mixed = samples.mean(axis=0, keepdims=True, dtype=np.float32)
            samples = np.repeat(mixed, channels, axis=0)
        if new_rate != piece_rate:
            if resampler is not None:
                yield resampler.resample_chunk(_silence(channels), last=True).T, rate
            piece_rate, resampler = new_rate, None
            if new_rate != rate:
                resampler = soxr.ResampleStream(new_rate, rate, channels, "float32", "HQ")
        if resampler is not None:
            samples = resampler.resample_chunk(np.ascontiguousarray(samples.T)).T
        yield samples, rate
    if resampler is not None and rate is not None:
        yield resampler.resample_chunk(_silence(channels), last=True).T, rate


def _silence(channels: int) -> Samples:
    return np.zeros((0, channels), dtype=np.float32)


def _blocks(pieces: Iterable[tuple[Samples, int]], seconds: float) -> Iterator[tuple[Samples, int]]:
    """Pieces cut and joined to blocks of `seconds`; the last can be shorter."""
    held: list[Samples] = []
    count = rate = 0
    for samples, rate in pieces:  # the rate is wanted after the loop
        held.append(samples)
        count += samples.shape[1]
        frames = max(1, round(seconds * rate))
        if count < frames:
            continue
        joined = np.concatenate(held, axis=1)
        whole = count - count % frames
        for start in range(0, whole, frames):
            yield joined[:, start : start + frames], rate
        held, count = [joined[:, whole:]], count - whole
    if count:
        yield np.concatenate(held, axis=1), rate
