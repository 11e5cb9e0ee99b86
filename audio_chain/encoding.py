"""A clip to a wav, flac, mp3 or ogg file with tags, written whole or not at all."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from audio_chain.clip import (
    Clip,
    Samples,
    refuse_nonfinite,
)
from audio_chain.errors import AudioError, AudioUsageError
from audio_chain.files import StrPath, shown, write_whole
from audio_chain.tags import Tags, clean, write_tags

_WRITE_FRAMES = 1 << 16  # libsndfile's Vorbis encoder keeps a whole write on its stack


@dataclass(frozen=True)
class _Format:
    name: str  # libsndfile's
    subtype: str
    lossless: bool
    max_channels: int
    rates: range | tuple[int, ...] = range(1_000, 655_351)
    settings: Mapping[str, object] = field(default_factory=dict)


_MP3_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)

_FORMATS: Mapping[str, _Format] = {
    ".wav": _Format("WAV", "PCM_16", lossless=True, max_channels=64),
    ".flac": _Format("FLAC", "PCM_16", lossless=True, max_channels=8),
    # LAME V0 and Vorbis q7: about 240 kbit/s for stereo music.
    ".mp3": _Format(
        "MP3",
        "MPEG_LAYER_III",
        lossless=False,
        max_channels=2,
        rates=_MP3_RATES,
        settings={"compression_level": 0.0, "bitrate_mode": "VARIABLE"},
    ),
    ".ogg": _Format(
        "OGG",
        "VORBIS",
        lossless=False,
        max_channels=2,
        rates=range(8_000, 192_001),
        settings={"compression_level": 0.3},
    ),
}

SUFFIXES = tuple(_FORMATS)
"""The kinds of file `encode` writes."""


def encode(clip: Clip, path: StrPath, *, tags: Tags | None = None) -> Path:
    """Write `clip` to `path`, in the format its suffix names: .wav, .flac, .mp3 or .ogg.

    wav and flac hold 16-bit samples: each is rounded to the nearest step, not dithered, and
    what lies beyond full scale is clipped to it. mp3 is LAME's VBR V0, ogg is Vorbis at
    quality 7. The same clip and tags give the same bytes.

    The file appears whole or not at all: it is written under another name in the same folder
    and then renamed, over a file of that name if there is one.

    Parameters
    ----------
    clip : Clip
        At least one frame, finite samples.
    path : str or path
        Its folder has to exist.
    tags : Tags, optional
        Title, prompt, seed ... to store in the file.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    AudioError
        Unknown suffix, no such folder, no permission, no space left, a rate or a number of
        channels the format can't hold, an empty clip, samples that are not numbers.
    """
    path = Path(path)
    name = shown(path)
    suffix = path.suffix.lower()
    if suffix not in _FORMATS:
        raise AudioUsageError(
            f"can't write {name}: unknown kind of file; choose a name ending in "
            f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        )
    form = _FORMATS[suffix]
    if clip.frames == 0:
        raise AudioError(f"there is no sound to write to {name}")
    if clip.channels > form.max_channels:
        raise AudioError(
            f"can't write {name}: {suffix} holds at most {form.max_channels} channels here, "
            f"not {clip.channels}; mix it down or choose .wav"
        )
    if clip.rate not in form.rates:
        raise AudioError(
            f"can't write {name}: {suffix} can't hold {clip.rate} Hz; "
            "resample to 48000 Hz or choose .wav"
        )
    if suffix == ".wav" and 2 * clip.samples.size > 0xFFF0_0000:
        raise AudioError(f"can't write {name}: a .wav holds at most 4 GiB; choose .flac")
    refuse_nonfinite(clip.samples, clip.rate, f"the sound for {name}")

    tags = tags or Tags()
    audio = _encoded(clip, form, tags)
    write_tags(audio, suffix, tags)
    write_whole(path, audio)
    return path


def _encoded(clip: Clip, form: _Format, tags: Tags) -> io.BytesIO:
    """The sound as a file in memory, where nothing can run out but memory."""
    import soundfile

    audio = io.BytesIO()
    frames = _pcm16(clip.samples) if form.lossless else np.clip(clip.samples.T, -1.0, 1.0)
    with soundfile.SoundFile(
        audio,
        mode="w",
        samplerate=clip.rate,
        channels=clip.channels,
        format=form.name,
        subtype=form.subtype,
        **form.settings,
    ) as file:
        if form.name == "WAV":  # RIFF INFO: for players that don't look for an ID3 chunk
            if title := clean(tags.title):
                file.title = title
            if comment := clean(tags.comment):
                file.comment = comment
        for start in range(0, clip.frames, _WRITE_FRAMES):
            file.write(frames[start : start + _WRITE_FRAMES])
    return _with_fixed_serial(audio) if form.name == "OGG" else audio


def _pcm16(samples: Samples) -> npt.NDArray[np.int16]:
    """(channels, frames) in [-1, 1] to (frames, channels) of 16 bits."""
    scaled = np.rint(samples.T * np.float32(32_768.0))
    return np.asarray(np.clip(scaled, -32_768.0, 32_767.0), dtype=np.int16)


def _with_fixed_serial(audio: io.BytesIO) -> io.BytesIO:
    """An Ogg file whose stream number is 1: libsndfile draws one at random."""
    from mutagen.ogg import OggPage

    audio.seek(0)
    rewritten = io.BytesIO()
    end = len(audio.getbuffer())
    while audio.tell() < end:
        page = OggPage(audio)
        page.serial = 1
        rewritten.write(page.write())
    return rewritten
