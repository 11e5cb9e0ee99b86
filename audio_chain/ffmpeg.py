"""FFmpeg through PyAV: the audio track of any file as float pieces. All that touches PyAV."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_chain.clip import RATES, Samples
from audio_chain.errors import AudioError
from audio_chain.files import StrPath, open_file, shown

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

_log = logging.getLogger(__name__)

# Demuxers a recording can need. Playlists (hls, concat, dash), which make FFmpeg open other
# files and addresses, stay out.
_DEMUXERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,eac3,flac,flv,loas,matroska,webm,mov,mp4,"
    "m4a,3gp,3g2,mj2,mp3,mpeg,mpegts,ogg,rm,tta,w64,wav,wv"
)

# How recordings begin; the box of an MP4 family file has its size before "ftyp".
_SIGNATURES = (
    *(b"RIFF", b"RF64", b"FORM", b"fLaC", b"OggS", b"ID3", b"\x1aE\xdf\xa3", b"#!AMR", b"caff"),
    *(b"\xff\xf1", b"\xff\xf9", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b".snd", b"riff"),
)

_MAX_CHANNELS = 64  # FFmpeg's converter takes no more
_PIECE_FRAMES = 1 << 16  # a codec's frames are too small to be worked on one by one
_OPTIONS = {
    "format_whitelist": _DEMUXERS,
    "max_size": "65536",  # bytes of plain PCM in a packet; unknown to other demuxers
}
# what WAV holds is in its header: without this FFmpeg reads on for 60 ms to be sure
_PLAIN = {"probesize": "65536"}


class _Source:
    """A file as PyAV reads it. A seek that fails says so by its result.

    Damaged files point to impossible places, and PyAV prints a traceback when a second
    exception comes out of a callback.
    """

    def __init__(self, file: io.FileIO) -> None:
        self.read = file.read
        self.tell = file.tell
        self._seek = file.seek

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        try:
            return self._seek(offset, whence)
        except OSError:
            return -1


@contextmanager
def opened(path: StrPath) -> Iterator[tuple[InputContainer, AudioStream]]:
    """The container and its best audio track; library errors become one-line ones."""
    import av
    from av.audio.stream import AudioStream
    from av.error import FFmpegError

    name = shown(path)
    with open_file(path) as file:
        head = file.read(12) or b""
        file.seek(0)
        # PyAV before 19 refuses a file for a tag that isn't UTF-8
        tags: dict[str, Any] = (
            {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
        )
        known = head.startswith(_SIGNATURES) or head[4:8] == b"ftyp"
        try:
            container = av.open(
                _Source(file),
                mode="r",
                **tags,
                container_options=_OPTIONS | (_PLAIN if head.startswith(b"RIFF") else {}),
            )
        except (FFmpegError, OSError, ValueError) as error:
            if known:
                raise AudioError(
                    f"{name} is damaged or cut off: no sound can be read from it; "
                    "copy or record it again"
                ) from error
            raise AudioError(
                f"{name} is not audio in a format known here; give a recording "
                "(m4a, mp3, wav, flac, ogg, opus, webm, amr, mp4 ...)"
            ) from error
        with container:
            track = container.streams.best("audio")
            if not isinstance(track, AudioStream):
                raise AudioError(f"{name} has no audio track; give a file with sound in it")
            if track.codec_context is None:
                raise AudioError(
                    f"the codec of the audio in {name} is not known here; convert it to wav or m4a"
                )
            header_rate = track.codec_context.sample_rate
            channels = track.codec_context.layout.nb_channels
            if header_rate not in RATES or not 1 <= channels <= _MAX_CHANNELS:
                raise AudioError(
                    f"{name} can't be used: its header says {header_rate} Hz and {channels} "
                    "channels; export it again"
                )
            yield container, track


def _frames(container: InputContainer, track: AudioStream, name: str) -> Iterator[AudioFrame]:
    """The codec's frames, past damage, up to the last that can be decoded."""
    from av.error import FFmpegError

    frames = damaged = 0
    packets = container.demux(track)
    while True:
        try:
            packet = next(packets, None)
        except FFmpegError:
            damaged += 1
            break
        except OSError as error:  # the disk, not the file
            raise AudioError(f"can't read {name}: {error.strerror}; try again") from error
        if packet is None:
            break
        try:
            decoded = packet.decode()
        except FFmpegError:
            damaged += 1
            continue
        for frame in decoded:
            frames += 1
            yield frame
    if frames == 0 and damaged:
        raise AudioError(
            f"{name} is damaged or cut off: no sound can be read from it; copy or record it again"
        )
    if frames == 0:
        raise AudioError(f"{name} holds no sound (0 seconds); record it again")
    if damaged:
        _log.info("%s: %d parts were damaged and left out", name, damaged)


def read_pieces(
    container: InputContainer, track: AudioStream, name: str
) -> Iterator[tuple[Samples, int]]:
    """The track as float32 (channels, frames) with its rate, in pieces of a workable size.

    FFmpeg converts to interleaved float: PyAV (18.1) reads past the end of its table of planes
    when a planar frame has eight channels or more.
    """
    from av import AudioResampler

    setup: tuple[str, str, int] | None = None
    to_float = AudioResampler(format="flt", frame_size=_PIECE_FRAMES)
    for frame in _frames(container, track, name):
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if form != setup:
            yield from _planar(to_float.resample(None))
            setup, to_float = form, AudioResampler(format="flt", frame_size=_PIECE_FRAMES)
        frame.pts = None  # a jump in time stamps is no reason to hold or drop sound
        yield from _planar(to_float.resample(frame))
    yield from _planar(to_float.resample(None))


def _planar(frames: list[AudioFrame]) -> Iterator[tuple[Samples, int]]:
    for frame in frames:
        interleaved = np.asarray(frame.to_ndarray(), dtype=np.float32)
        yield interleaved.reshape(-1, frame.layout.nb_channels).T, frame.sample_rate
