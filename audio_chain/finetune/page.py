"""A page that shows a training while it goes on: the loss, samples, and what was measured."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any, Final

from audio_chain.finetune.state import History, Point
from audio_chain.page import data_address

PAGE: Final = "index.html"

_WIDTH, _HEIGHT = 720, 240
_LEFT, _BOTTOM, _TOP = 52, 28, 10


@dataclass
class TrainingPage:
    """What the page tells; every text is escaped, and the page asks nobody for anything.

    Attributes
    ----------
    title, subtitle : str
    facts : mapping of str to str
        Of the training.
    samples : dict of str to Path
        MP3 files by what they are called.
    measured : sequence of sequence of str
        A table's rows, its head first.
    """

    title: str
    subtitle: str
    facts: Mapping[str, Any]
    samples: dict[str, Path] = field(default_factory=dict)
    measured: Sequence[Sequence[str]] = ()

    def render(self, history: History, steps: int) -> bytes:
        """Write the page as it is now, HTML in UTF-8."""
        template = (resources.files("audio_chain") / "templates" / "finetune.html").read_text(
            "utf-8"
        )
        best = history.best
        state = (
            f"step {history.step} of at most {steps}; best validation loss {best.loss:.3f} at "
            f"step {best.step}"
        )
        page = Template(template).substitute(
            title=_text(self.title),
            subtitle=_text(self.subtitle),
            state=_text(state),
            curve=curve(history.points, steps),
            samples="".join(_sample(name, path) for name, path in self.samples.items()),
            facts="".join(
                f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>"
                for name, value in self.facts.items()
            ),
            measured=_table(self.measured),
        )
        return page.encode("utf-8", "replace")


def curve(points: Sequence[Point], steps: int) -> str:
    """Losses over steps as an SVG: validation as a line with dots, training as a line."""
    values = [point.loss for point in points]
    values += [point.train for point in points if point.train is not None]
    low, high = min(values), max(values)
    margin = max(0.05 * (high - low), 1e-3)
    low, high = low - margin, high + margin

    def place(step: int, value: float) -> tuple[float, float]:
        across = _LEFT + (_WIDTH - _LEFT - 10) * step / max(1, steps)
        down = _TOP + (_HEIGHT - _TOP - _BOTTOM) * (high - value) / (high - low)
        return round(across, 1), round(down, 1)

    dots = [place(point.step, point.loss) for point in points]
    learnt = [place(point.step, point.train) for point in points if point.train is not None]
    marks = "".join(
        f'<text x="{_LEFT - 8}" y="{place(0, value)[1] + 4}" text-anchor="end">{value:.2f}</text>'
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - 10}" y1="{place(0, value)[1]}" '
        f'y2="{place(0, value)[1]}"/>'
        for value in (high - margin, (high + low) / 2, low + margin)
    )
    ends = "".join(
        f'<text x="{place(step, low)[0]}" y="{_HEIGHT - 8}" text-anchor="{anchor}">{step}</text>'
        for step, anchor in ((0, "start"), (steps, "end"))
    )
    circles = "".join(f'<circle cx="{x}" cy="{y}" r="3"/>' for x, y in dots)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="Loss over steps">'
        f'{marks}{ends}<polyline class="train" points="{_joined(learnt)}"/>'
        f'<polyline class="validation" points="{_joined(dots)}"/>{circles}</svg>'
    )


def _joined(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in places)


def _sample(name: str, path: Path) -> str:
    address = data_address("audio/mpeg", path.read_bytes())
    return (
        f'<p><span>{_text(name)}</span><audio controls preload="none" src="{address}"></audio></p>'
    )


def _table(rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return "<p>Not measured yet.</p>"
    head, *body = rows
    cells = "".join(f"<th>{_text(cell)}</th>" for cell in head)
    lines = "".join(
        "<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in body
    )
    return f"<table><tr>{cells}</tr>{lines}</table>"


def _text(value: object) -> str:
    return html.escape(str(value), quote=True)
