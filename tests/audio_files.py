"""Sounds and files for the audio tests: made here, by other libraries than the code under test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from audio_chain.audio import Clip

Float = npt.NDArray[np.float32]


def sine(
    frequency: float = 440.0,
    *,
    amplitude: float = 0.5,
    rate: int = 48_000,
    seconds: float = 1.0,
    channels: int = 1,
    phase: float = 0.0,
) -> Clip:
    """A sine in every channel: channel ``c`` has ``c + 1`` times `frequency`."""
    time = np.arange(round(rate * seconds)) / rate
    multiples = np.arange(1, channels + 1)[:, None]
    wave = amplitude * np.sin(2.0 * np.pi * frequency * multiples * time + phase)
    return Clip(wave.astype(np.float32), rate)


def same_in(channels: int, clip: Clip) -> Clip:
    """A mono clip repeated in every channel."""
    return Clip(np.repeat(clip.samples, channels, axis=0), clip.rate)


def joined(*clips: Clip) -> Clip:
    return Clip(np.concatenate([clip.samples for clip in clips], axis=1), clips[0].rate)


def pitch(samples: Float, rate: int) -> float:
    """The strongest frequency, Hz, by a parabola through the peak of the spectrum."""
    spectrum = np.log(np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) + 1e-12)
    peak = int(spectrum[1:-1].argmax()) + 1
    left, middle, right = spectrum[peak - 1 : peak + 2]
    return float((peak + 0.5 * (left - right) / (left - 2 * middle + right)) * rate / len(samples))


def write_av(
    path: Path,
    clip: Clip,
    codec: str,
    *,
    container: str | None = None,
    video: bool = False,
    audio: bool = True,
) -> Path:
    """Encode with FFmpeg; `video` puts a moving picture beside the sound."""
    with av.open(path, "w", format=container) as file:
        picture: Any = file.add_stream("mpeg4", rate=10) if video else None
        if video:
            picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
        layout = "mono" if clip.channels == 1 else "stereo"
        sound: Any = file.add_stream(codec, rate=clip.rate, layout=layout) if audio else None
        for number in range(int(clip.seconds * 10) if video else 0):
            image = np.full((64, 64, 3), number, np.uint8)
            frame: Any = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = number
            file.mux(picture.encode(frame))
        if video:
            file.mux(picture.encode(None))
        if audio:
            size = sound.codec_context.frame_size or 1024
            resampler = av.AudioResampler(sound.format.name, layout, clip.rate, size)
            whole = av.AudioFrame.from_ndarray(clip.samples.copy(), "fltp", layout)
            whole.sample_rate, whole.pts = clip.rate, 0
            for part in [*resampler.resample(whole), *resampler.resample(None)]:
                file.mux(sound.encode(part))
            file.mux(sound.encode(None))
    return path
