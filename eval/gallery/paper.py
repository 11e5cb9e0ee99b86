"""The report as a PDF: A4 pages of text, tables and figures, drawn with matplotlib."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from audio_chain import __version__
from audio_chain.files import write_whole
from audio_chain.progress import Progress
from eval.gallery.drawing import A4, INK, LINE, SCALE, SOFT, cut, drawing_style, pixels, tidy
from eval.gallery.exhibits import names
from eval.gallery.facts import Facts, Field, written
from eval.gallery.report import Tables, caption_settings, second_ticks, sentence, tables_of
from eval.gallery.site import Shown, summary, ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARGIN: Final = 0.85  # inches
_WIDE: Final = A4[0] - 2 * _MARGIN
_PICTURE: Final = 1.45
_AXIS: Final = 0.42  # left of a picture, for its frequencies
_EM: Final = 0.0075  # mean width of a letter of DejaVu Sans, inches for each point of its size
_CELL_EM: Final = 0.0083  # the same in short texts, that may have more wide ones
_LEADING: Final = 0.0195  # inches for each point
_MAX_CELL: Final = 26  # letters
_CAPTION, _SMALL = 8.5, 7.0  # points
_DPI: Final = 120


def draw_paper(shows: Sequence[Shown], path: Path, *, title: str, progress: Progress) -> Path:
    """Write the report `path`, a PDF; see `build_report`."""
    from matplotlib.backends.backend_pdf import PdfPages

    tables = tables_of(shows)
    content = io.BytesIO()
    about = {"Title": tidy(title), "Creator": f"audio-chain {__version__}", "CreationDate": None}
    labels = names([show.exhibit for show in shows])
    with drawing_style(), PdfPages(content, metadata=about) as pdf:
        paper = _Paper(pdf)
        paper.write(title, size=18)
        paper.write(f"{summary(shows)}. {datetime.now():%Y-%m-%d}.", colour=SOFT)
        paper.skip(0.2)
        if tables.common:
            paper.heading("The same for all")
            paper.write("; ".join(f"{label}: {text}" for label, text in tables.common) + ".")
            paper.skip(0.2)
        for number, (heading, columns) in enumerate(_parts(tables), 1):
            paper.heading(f"Table {number}. {heading}")
            paper.table(columns, [_row(*one, columns) for one in _rows(labels, tables)])
            paper.skip(0.25)
        paper.heading("Figures")
        paper.write(SCALE, colour=SOFT)
        for number, (show, label, facts) in enumerate(
            zip(shows, labels, tables.facts, strict=True), 1
        ):
            paper.figure(show, number, label, facts)
            progress(number, len(shows))
        paper.close()
    write_whole(path, content)
    return path


def _rows(labels: Sequence[str], tables: Tables) -> Iterator[tuple[int, str, Facts]]:
    return zip(range(1, len(labels) + 1), labels, tables.facts, strict=True)


def _row(number: int, label: str, facts: Facts, columns: Sequence[Field]) -> list[str]:
    cells = [written(facts.get(field.key, "")) for field in columns]
    return [str(number), cut(label, _MAX_CELL), *(cut(cell, _MAX_CELL) for cell in cells)]


def _parts(tables: Tables) -> Iterator[tuple[str, list[Field]]]:
    """The tables, each in as many parts as its columns need beside number and name."""
    room = int(_WIDE / (_CELL_EM * _SMALL)) - 6 - _MAX_CELL
    for heading, fields in tables.differing.items():
        part: list[Field] = []
        used = 0
        for field in fields:
            longest = max(len(tidy(written(facts.get(field.key, "")))) for facts in tables.facts)
            width = min(max(longest, _heading_width(field)), _MAX_CELL) + 2
            if part and used + width > room:
                yield heading, part
                part, used = [], 0
            part.append(field)
            used += width
        yield heading, part


def _heading_width(field: Field) -> int:
    """In letters, once it is broken into lines."""
    return max(map(len, _broken(field)), default=0)


def _broken(field: Field) -> list[str]:
    return textwrap.wrap(tidy(field.label), 14)


class _Paper:
    """Pages that fill from the top; coordinates are inches from the upper left."""

    def __init__(self, pdf: Any) -> None:
        self._pdf = pdf
        self._axes: Axes
        self._y = 0.0
        self._number = 0
        self._begin()

    def write(self, text: str, *, size: float = _CAPTION, colour: str = INK) -> None:
        """Text over the whole width, broken into lines."""
        for line in textwrap.wrap(tidy(text), int(_WIDE / (_EM * size))):
            self._need(_LEADING * size)
            self._y += _LEADING * size
            self._axes.text(_MARGIN, self._y, line, fontsize=size, color=colour)

    def heading(self, text: str) -> None:
        """A heading, never alone at the foot of a page."""
        self._need(0.9)
        self.write(text, size=11)
        self.skip(0.06)

    def skip(self, inches: float) -> None:
        """Leave room."""
        self._y += inches

    def table(self, columns: Sequence[Field], rows: Sequence[Sequence[str]]) -> None:
        """A table whose head is repeated on each page."""
        heads = [["No."], ["Clip"]]
        heads += [_broken(field) or [""] for field in columns]
        letters = [
            max(len(text) for text in [*head, *(row[place] for row in rows)])
            for place, head in enumerate(heads)
        ]
        left = _MARGIN + np.cumsum([0, *(count + 2 for count in letters[:-1])]) * _CELL_EM * _SMALL
        step = _LEADING * _SMALL

        def head() -> None:
            deepest = max(map(len, heads))
            for place, lines in enumerate(heads):
                for line, text in enumerate(lines, 1 + deepest - len(lines)):
                    self._cell(left[place], self._y + line * step, text)
            self._y += deepest * step + 0.04
            self._line(INK)

        head()
        for row in rows:
            if self._need(step + 0.05):
                head()
            self._y += step + 0.02
            for place, text in enumerate(row):
                self._cell(left[place], self._y, text)
            self._y += 0.04
            self._line(LINE)

    def figure(self, show: Shown, number: int, label: str, facts: Facts) -> None:
        """A spectrogram with axes, and its caption."""
        exhibit = show.exhibit
        caption = f"Figure {number}. {label}. {sentence(exhibit.prompt)} {caption_settings(facts)}"
        said = f"Said: {exhibit.said}" if exhibit.said else ""
        lines = (len(caption) + len(said)) * _EM * _CAPTION / _WIDE + 3
        self._need(_PICTURE + 0.55 + lines * _LEADING * _CAPTION)
        self._y += 0.22
        self._picture(show)
        self._y += _PICTURE + 0.2
        self.write(caption)
        if said:
            self.write(said, colour=SOFT)
        self.write(exhibit.command, size=_SMALL, colour=SOFT)

    def close(self) -> None:
        """Write the last page."""
        self._axes.text(A4[0] / 2, A4[1] - 0.45, str(self._number), color=SOFT, ha="center")
        self._pdf.savefig(self._axes.figure, dpi=_DPI)

    def _begin(self) -> None:
        from matplotlib.figure import Figure

        self._axes = Figure(A4).add_axes((0.0, 0.0, 1.0, 1.0))
        self._axes.set_axis_off()
        self._axes.set(xlim=(0.0, A4[0]), ylim=(A4[1], 0.0))
        self._axes.set_autoscale_on(False)
        self._y = _MARGIN
        self._number += 1

    def _need(self, inches: float) -> bool:
        """Start a page if this doesn't fit; say whether one was started."""
        if self._y + inches <= A4[1] - _MARGIN:
            return False
        self.close()
        self._begin()
        return True

    def _cell(self, x: float, y: float, text: str) -> None:
        self._axes.text(x, y, text, fontsize=_SMALL, color=INK)

    def _line(self, colour: str) -> None:
        self._axes.plot([_MARGIN, A4[0] - _MARGIN], [self._y] * 2, color=colour, linewidth=0.5)

    def _picture(self, show: Shown) -> None:
        left, top, right = _MARGIN + _AXIS, self._y, A4[0] - _MARGIN
        bottom, seconds = top + _PICTURE, show.rendering.seconds
        self._axes.imshow(
            pixels(show.rendering),
            extent=(left, right, bottom, top),
            aspect="auto",
            interpolation="bilinear",
        )
        self._axes.set(xlim=(0.0, A4[0]), ylim=(A4[1], 0.0))
        style: dict[str, Any] = {"fontsize": 6.5, "color": SOFT}
        for tick in ticks():
            y = bottom - _PICTURE * tick["at"]
            self._axes.plot([left - 0.04, left], [y, y], color=SOFT, linewidth=0.5)
            self._axes.text(left - 0.07, y, tick["label"], ha="right", va="center", **style)
        times = second_ticks(seconds)
        for time in times:
            x = left + (right - left) * time / max(seconds, 1e-9)
            text = f"{time:g} s" if time == times[-1] else f"{time:g}"
            self._axes.plot([x, x], [bottom, bottom + 0.04], color=SOFT, linewidth=0.5)
            self._axes.text(x, bottom + 0.14, text, ha="center", **style)
