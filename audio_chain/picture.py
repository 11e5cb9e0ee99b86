"""A track as a picture: its waveform over a mel spectrogram with axes and a decibel scale.

Drawn with numpy and Pillow: importing librosa and matplotlib for one picture takes seconds.
"""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from audio_chain.audio import Clip
from audio_chain.files import write_whole
from audio_chain.spectrum import Floats, hz_to_mel, mel_filters, powers, window_length

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

FLOOR_DB: Final = -80.0
MELS: Final = 128
_WINDOW_S: Final = 0.064

# The magma colour map (matplotlib, CC0) at 17 even steps; between them it is close to linear.
_MAGMA: Final = (
    "000004 0a0822 1d1147 36106b 51127c 6a1c81 832681 9c2e7f b73779 "
    "cf4070 e55064 f4695c fb8761 fea571 fec287 fde0a1 fcfdbf"
)

_WIDTH, _HEIGHT = 1600, 780
_LEFT, _RIGHT = 110, 1450  # of the plots
_WAVE_TOP, _WAVE_BOTTOM = 36, 156
_MEL_TOP, _MEL_BOTTOM = 186, 726
_BAR_LEFT, _BAR_RIGHT = 1486, 1510
PLOT: Final = (_LEFT / _WIDTH, _RIGHT / _WIDTH)
"""Where time begins and ends in a picture, in parts of its width."""

_BACKGROUND, _FRAME, _TEXT, _WAVE = "#0d0b14", "#3b3648", "#b9b3c6", "#fb8761"
_TICKS_HZ: Final = (250, 500, 1000, 2000, 4000, 8000, 16000)


def mel_spectrogram(clip: Clip, columns: int, mels: int = MELS) -> Floats:
    """Power in mel bands, in decibels below the loudest, from `FLOOR_DB` to 0.

    Parameters
    ----------
    clip : Clip
        Its channels are mixed.
    columns : int
        Moments, spread evenly over the clip; each sees a Hann window of about 64 ms.
    mels : int
        Bands from 0 Hz to half the rate.

    Returns
    -------
    ndarray of float64, shape (mels, columns)
        All `FLOOR_DB` for silence.
    """
    n_fft = window_length(clip.rate, _WINDOW_S)
    filters = mel_filters(clip.rate, n_fft, mels)
    power = np.hstack([filters @ spectra for spectra in powers(clip, columns, n_fft)])
    loudest = power.max(initial=0.0)
    if loudest <= 0.0:
        return np.full((mels, columns), FLOOR_DB)
    decibels: Floats = 10.0 * np.log10(np.maximum(power / loudest, 10.0 ** (FLOOR_DB / 10.0)))
    return decibels


def colours(levels: Floats) -> npt.NDArray[np.uint8]:
    """Levels from 0 to 1 as magma colours, shape (..., 3)."""
    anchors = np.array([list(bytes.fromhex(colour)) for colour in _MAGMA.split()])
    place = np.linspace(0.0, 1.0, len(anchors))
    channels = [np.interp(levels, place, anchors[:, channel]) for channel in range(3)]
    rounded: npt.NDArray[np.uint8] = np.rint(np.stack(channels, axis=-1)).astype(np.uint8)
    return rounded


def draw(clip: Clip, path: Path) -> Path:
    """Draw `clip` as a PNG of 1600 x 780 pixels, written whole or not at all."""
    from PIL import Image, ImageDraw

    canvas = Image.new("RGB", (_WIDTH, _HEIGHT), _BACKGROUND)
    pen = ImageDraw.Draw(canvas)

    plot = (_RIGHT - _LEFT, _MEL_BOTTOM - _MEL_TOP)
    decibels = mel_spectrogram(clip, plot[0])
    levels = Image.fromarray((1.0 - decibels[::-1] / FLOOR_DB).astype(np.float32))
    smooth = np.asarray(levels.resize(plot, Image.Resampling.BICUBIC), dtype=np.float64)
    canvas.paste(Image.fromarray(colours(smooth)), (_LEFT, _MEL_TOP))
    ramp = np.linspace(1.0, 0.0, plot[1])[:, None].repeat(_BAR_RIGHT - _BAR_LEFT, axis=1)
    canvas.paste(Image.fromarray(colours(ramp)), (_BAR_LEFT, _MEL_TOP))

    _draw_wave(pen, clip)
    _draw_axes(pen, clip)
    content = io.BytesIO()
    canvas.save(content, "PNG", compress_level=6)
    write_whole(path, content)
    return path


def _draw_wave(pen: ImageDraw, clip: Clip) -> None:
    """The lowest and the highest sample of each column, full scale filling the strip."""
    samples = np.clip(clip.mono().samples[0], -1.0, 1.0)
    middle, reach = (_WAVE_TOP + _WAVE_BOTTOM) / 2, (_WAVE_BOTTOM - _WAVE_TOP) / 2
    for column, part in enumerate(np.array_split(samples, _RIGHT - _LEFT)):
        high, low = part.max(initial=0.0), part.min(initial=0.0)
        x = _LEFT + column
        pen.line([(x, middle - reach * high), (x, middle - reach * low)], fill=_WAVE)


def _draw_axes(pen: ImageDraw, clip: Clip) -> None:
    from PIL import ImageFont

    font = ImageFont.load_default(20)

    def label(x: float, y: float, text: str, anchor: str) -> None:
        pen.text((x, y), text, fill=_TEXT, font=font, anchor=anchor)

    height = _MEL_BOTTOM - _MEL_TOP
    for frequency in (tick for tick in _TICKS_HZ if tick <= clip.rate / 2):
        y = _MEL_BOTTOM - height * float(hz_to_mel(frequency) / hz_to_mel(clip.rate / 2))
        pen.line([(_LEFT - 8, y), (_LEFT - 1, y)], fill=_TEXT)
        shown = f"{frequency // 1000}k" if frequency >= 1000 else str(frequency)
        label(_LEFT - 14, y, shown, "rm")
    label(_LEFT - 14, _MEL_TOP - 24, "Hz", "rm")

    step = tick_seconds(clip.seconds)
    for tick in range(int(clip.seconds / step + 1e-6) + 1):
        x = _LEFT + (_RIGHT - _LEFT - 1) * tick * step / max(clip.seconds, 1e-9)
        pen.line([(x, _MEL_BOTTOM), (x, _MEL_BOTTOM + 8)], fill=_TEXT)
        label(x, _MEL_BOTTOM + 14, f"{tick * step:g}", "mt")
    label(_RIGHT + 36, _MEL_BOTTOM + 14, "s", "mt")

    for decibels in range(0, int(FLOOR_DB) - 1, -20):
        y = _MEL_TOP + (height - 1) * decibels / FLOOR_DB
        pen.line([(_BAR_RIGHT, y), (_BAR_RIGHT + 6, y)], fill=_TEXT)
        label(_BAR_RIGHT + 12, y, str(decibels), "lm")
    label(_BAR_LEFT, _MEL_TOP - 24, "dB", "lm")

    for top, bottom in ((_WAVE_TOP, _WAVE_BOTTOM), (_MEL_TOP, _MEL_BOTTOM)):
        pen.rectangle([_LEFT - 1, top - 1, _RIGHT, bottom], outline=_FRAME)


def tick_seconds(seconds: float, most: int = 11) -> float:
    """A round distance between ticks that gives at most so many of them."""
    least = max(seconds, 1e-3) / (most - 1)
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least * (1 - 1e-9))
