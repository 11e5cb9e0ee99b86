"""Pictures of any audio: mel and linear spectrogram, chroma, waveform."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from audio_chain.audio import Clip, decode
from audio_chain.errors import UsageError
from audio_chain.files import shown
from audio_chain.spectrum import Floats, hz_to_mel
from eval.gallery import spectra
from eval.gallery.drawing import (
    SOFT,
    check_matplotlib,
    check_suffix,
    cut,
    drawing_style,
    save_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Kind = Literal["mel", "linear", "chroma", "waveform"]
SUFFIXES: Final = (".png", ".svg", ".pdf")

_SIZE: Final = (10.0, 4.0)  # inches
_COLUMNS: Final = 1200
_MELS: Final = 128
_RANGE_DB: Final = 80.0  # below the loudest
_WAVE: Final = "#9c2e7f"
_TICKS_HZ: Final = (125, 250, 500, 1000, 2000, 4000, 8000, 16000, 32000)


def plot_paths(files: Sequence[Path], kind: str, out: Path | None) -> list[tuple[Path, Path]]:
    """Where to draw each file: (file, picture).

    Parameters
    ----------
    files : sequence of Path
    kind : str
        Part of the names that are chosen here: ``voice.mel.png``.
    out : Path or None
        A picture's name, for one file; or a folder, which is made. Default: this folder.

    Raises
    ------
    UsageError
        Several files and the name of one picture; two files whose pictures would have one name.
    """
    if out is not None and out.suffix.lower() in SUFFIXES and not out.is_dir():
        if len(files) > 1:
            raise UsageError(f"{shown(out)} is one picture for {len(files)} files; give a folder")
        check_suffix(out, "a plot", SUFFIXES)
        return [(files[0], out)]
    folder = out or Path()
    if folder.suffix and not folder.is_dir():
        check_suffix(folder, "a plot", SUFFIXES)
    pairs = [(file, folder / f"{file.name}.{kind}.png") for file in files]
    if len({picture for _, picture in pairs}) < len(pairs):
        raise UsageError("two of the files have the same name; plot them one by one, with -o")
    return pairs


def draw_plot(file: Path, picture: Path, kind: Kind = "mel") -> Path:
    """Draw an audio file.

    Parameters
    ----------
    file : Path
        Audio of any kind; its channels are mixed.
    picture : Path
        A name in .png, .svg or .pdf; its folder is made if its parent is there.
    kind : {"mel", "linear", "chroma", "waveform"}
        Spectrograms show 80 dB below the loudest; chroma the pitch classes, each moment's
        strongest as 1; the waveform is between -1 and 1.

    Returns
    -------
    Path
        `picture`.

    Raises
    ------
    AudioError
        The file can't be read or is no audio, or the picture can't be written.
    ChainError
        matplotlib is not installed.
    """
    check_matplotlib("a plot")
    clip = decode(file, mono=True)
    if not picture.parent.exists() and picture.parent.parent.is_dir():
        picture.parent.mkdir(exist_ok=True)
    from matplotlib.figure import Figure

    with drawing_style():
        figure = Figure(_SIZE, layout="constrained")
        axes = figure.add_subplot()
        _DRAWN[kind](figure, axes, clip)
        axes.set_title(cut(file.name, 90), loc="left", fontsize=10)
        axes.set_xlabel("time (s)")
        axes.set_xlim(0.0, clip.seconds)
        return save_figure(figure, picture)


def _mel(figure: Figure, axes: Axes, clip: Clip) -> None:
    levels = spectra.mel_levels(clip, _COLUMNS, _MELS)
    top = float(hz_to_mel(clip.rate / 2))
    _levels(figure, axes, clip, levels, top)
    ticks = [hertz for hertz in _TICKS_HZ if hertz <= clip.rate / 2]
    axes.set_yticks(hz_to_mel(ticks), [_hertz(tick) for tick in ticks])
    axes.set_ylabel("frequency (Hz, mel scale)")


def _linear(figure: Figure, axes: Axes, clip: Clip) -> None:
    levels = spectra.linear_levels(clip, _COLUMNS)
    _levels(figure, axes, clip, levels, clip.rate / 2)
    axes.yaxis.set_major_formatter(lambda hertz, _: _hertz(hertz))
    axes.set_ylabel("frequency (Hz)")


def _levels(figure: Figure, axes: Axes, clip: Clip, levels: Floats, top: float) -> None:
    loudest = float(levels.max())
    image = axes.imshow(
        levels - loudest if loudest > spectra.SILENCE_DB else np.full_like(levels, -_RANGE_DB),
        origin="lower",
        aspect="auto",
        extent=(0.0, clip.seconds, 0.0, top),
        cmap="magma",
        vmin=-_RANGE_DB,
        vmax=0.0,
        interpolation="bilinear",
    )
    bar = figure.colorbar(image, ax=axes, pad=0.015, aspect=28)
    bar.set_label("dB below the loudest")
    bar.outline.set_linewidth(0.6)


def _chroma(figure: Figure, axes: Axes, clip: Clip) -> None:
    image = axes.imshow(
        spectra.chroma(clip, _COLUMNS),
        origin="lower",
        aspect="auto",
        extent=(0.0, clip.seconds, -0.5, 11.5),
        cmap="magma",
        vmin=0.0,
        vmax=1.0,
        interpolation="nearest",
    )
    axes.set_yticks(range(12), spectra.PITCH_CLASSES)
    axes.set_ylabel("pitch class")
    figure.colorbar(image, ax=axes, pad=0.015, aspect=28, label="strength")


def _waveform(figure: Figure, axes: Axes, clip: Clip) -> None:
    low, high = spectra.extremes(clip, _COLUMNS)
    middles = (np.arange(_COLUMNS) + 0.5) * clip.seconds / _COLUMNS
    axes.fill_between(middles, low, high, color=_WAVE, linewidth=0.4)
    axes.axhline(0.0, color=SOFT, linewidth=0.4)
    axes.set_ylim(-1.0, 1.0)
    axes.set_ylabel("amplitude")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _hertz(hertz: float) -> str:
    return f"{hertz / 1000:g}k" if hertz >= 1000 else f"{hertz:g}"


_DRAWN: Final[Mapping[Kind, Callable[[Any, Any, Clip], None]]] = {
    "mel": _mel,
    "linear": _linear,
    "chroma": _chroma,
    "waveform": _waveform,
}
