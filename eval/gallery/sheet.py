"""The contact sheet: all spectrograms of a gallery on one picture, or on the pages of a PDF."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from audio_chain.files import write_whole
from eval.gallery.drawing import (
    A4,
    INK,
    SCALE,
    SOFT,
    check_matplotlib,
    check_suffix,
    cut,
    drawing_style,
    pixels,
    save_figure,
    tidy,
)
from eval.gallery.site import Shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES: Final = (".png", ".pdf")

_WIDE, _HIGH = 2.35, 0.95  # inches, of a cell
_PICTURE: Final = 0.55  # of it, in height
_GAP, _MARGIN, _HEAD = 0.16, 0.45, 0.75
_SHAPE: Final = 1.3  # width over height that a sheet in one picture is near to
_MAX_PIXELS: Final = 20e6
_DPI, _PAGE_DPI = 200, 110


def check_sheet(path: Path) -> None:
    """Raise ``ChainError`` if no contact sheet can be made there."""
    check_suffix(path, "a contact sheet", SUFFIXES)
    check_matplotlib("a contact sheet")


def draw_sheet(shows: Sequence[Shown], path: Path, title: str = "Gallery") -> Path:
    """Draw the spectrograms of all tracks, with names and prompts.

    Parameters
    ----------
    shows : sequence of Shown
    path : Path
        .png for one picture, .pdf for A4 pages.
    title : str

    Returns
    -------
    Path
        `path`.
    """
    check_sheet(path)
    with drawing_style():
        if path.suffix.lower() == ".png":
            columns = max(1, round(math.sqrt(len(shows) * _SHAPE * _HIGH / _WIDE)))
            rows = math.ceil(len(shows) / columns)
            size = (
                2 * _MARGIN + columns * (_WIDE + _GAP) - _GAP,
                _HEAD + _MARGIN + rows * (_HIGH + _GAP),
            )
            dpi = min(_DPI, int(math.sqrt(_MAX_PIXELS / (size[0] * size[1]))))
            return save_figure(_page(shows, title, columns, size), path, dpi=dpi)
        return _pdf(shows, path, title)


def _pdf(shows: Sequence[Shown], path: Path, title: str) -> Path:
    from matplotlib.backends.backend_pdf import PdfPages

    columns = int((A4[0] - 2 * _MARGIN + _GAP) / (_WIDE + _GAP))
    rows = int((A4[1] - _HEAD - _MARGIN) / (_HIGH + _GAP))
    content = io.BytesIO()
    with PdfPages(content, metadata={"Title": tidy(title), "CreationDate": None}) as pages:
        for first in range(0, len(shows), columns * rows):
            part = shows[first : first + columns * rows]
            pages.savefig(_page(part, title, columns, A4), dpi=_PAGE_DPI)
    write_whole(path, content)
    return path


def _page(shows: Sequence[Shown], title: str, columns: int, size: tuple[float, float]) -> Figure:
    """One page; a single pair of axes, in inches from the upper left, holds it all."""
    from matplotlib.figure import Figure

    figure = Figure(size)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.text(_MARGIN, 0.42, cut(title, 30 * columns), fontsize=14, color=INK)
    axes.text(_MARGIN, 0.58, SCALE, fontsize=5.6, color=SOFT)
    for number, show in enumerate(shows):
        row, column = divmod(number, columns)
        x, y = _MARGIN + column * (_WIDE + _GAP), _HEAD + row * (_HIGH + _GAP)
        axes.imshow(
            pixels(show.rendering),
            extent=(x, x + _WIDE, y + _PICTURE, y),
            interpolation="bilinear",
            aspect="auto",
        )
        exhibit, line = show.exhibit, y + _PICTURE + 0.13
        aside = f"seed {exhibit.seed}, {show.rendering.seconds:.1f} s"
        axes.text(x, line, cut(exhibit.name, 54 - len(aside)), fontsize=5.6, color=INK)
        axes.text(x + _WIDE, line, aside, fontsize=5.6, color=SOFT, ha="right")
        axes.text(x, line + 0.12, cut(exhibit.prompt, 56), fontsize=5.2, color=SOFT)
    axes.set(xlim=(0.0, size[0]), ylim=(size[1], 0.0))
    return figure
