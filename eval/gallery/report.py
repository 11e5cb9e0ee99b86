"""The report: one file with figures, tables and sound, for an appendix or a hand-in."""

from __future__ import annotations

import base64
import io
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from audio_chain import __version__
from audio_chain.files import write_whole
from audio_chain.page import MAX_EMBEDDED_BYTES, data_address
from audio_chain.picture import tick_seconds
from audio_chain.progress import Progress, silent
from eval.gallery import pages, rendering
from eval.gallery.drawing import SCALE, check_matplotlib, check_suffix
from eval.gallery.exhibits import names
from eval.gallery.facts import Facts, Field, Group, Value, differing, facts_of, fields_of, written
from eval.gallery.site import Shown, compress, summary, ticks

SUFFIXES: Final = (".html", ".pdf")

_LEFT, _WIDTH, _TOP, _HEIGHT = 52.0, 940.0, 6.0, 180.0  # of the picture in a figure
_MOST_TICKS: Final = 11
_HEADINGS: Final[Mapping[Group, str]] = {
    "parameters": "Parameters",
    "brief": "Briefs",
    "heard": "Tempo and key, asked and heard",
    "scores": "Scores",
}
_NOT_IN_TABLES: Final = ("parameters.created", "parameters.format", "brief.description")
_IN_CAPTION: Final = ("guidance", "temperature", "steps", "top_k", "top_p", "seed")


@dataclass(frozen=True)
class Tables:
    """What a report says in tables.

    Parameters
    ----------
    common : tuple of (label, value)
        What all tracks have alike.
    differing : mapping of str to tuple of Field
        What they differ in, by the heading of a table.
    facts : tuple of Facts
        For each track.
    """

    common: tuple[tuple[str, str], ...]
    differing: Mapping[str, tuple[Field, ...]]
    facts: tuple[Facts, ...]


def check_report(path: Path) -> None:
    """Raise ``ChainError`` if no report can be made there."""
    check_suffix(path, "a report", SUFFIXES)
    if path.suffix.lower() == ".pdf":
        check_matplotlib("a report as PDF")


def build_report(
    shows: Sequence[Shown],
    path: Path,
    *,
    title: str = "Generated music",
    progress: Progress = silent,
) -> Path:
    """Write a report.

    Parameters
    ----------
    shows : sequence of Shown
        In this order.
    path : Path
        .html has the sound in it, as mp3; .pdf has none, and needs matplotlib.
    title : str
    progress : Progress
        In tracks.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    ChainError
        Unknown suffix, no such folder, matplotlib is missing, or a track can't be read.
    """
    check_report(path)
    if path.suffix.lower() == ".pdf":
        from eval.gallery.paper import draw_paper

        return draw_paper(shows, path, title=title, progress=progress)
    write_whole(path, io.BytesIO(_html(shows, title, progress)))
    return path


def tables_of(shows: Sequence[Shown]) -> Tables:
    """Tell what tracks have in common from what they differ in."""
    facts = tuple(facts_of(show.exhibit, show.rendering) for show in shows)
    fields = [field for field in fields_of(facts) if field.key not in _NOT_IN_TABLES]
    columns = differing(fields, facts) if len(shows) > 1 else ()
    tables = {
        heading: tuple(field for field in columns if field.group == group)
        for group, heading in _HEADINGS.items()
    }
    common = tuple(
        (field.label, written(facts[0][field.key])) for field in fields if field not in columns
    )
    return Tables(common, {heading: some for heading, some in tables.items() if some}, facts)


def sentence(text: str) -> str:
    """`text` with a full stop, if it has no end of its own."""
    text = text.rstrip()
    return text if not text or text[-1] in ".!?…。" else f"{text}."


def caption_settings(facts: Facts) -> str:
    """Model, sampler and seed in a line."""
    parts = [str(facts.get("parameters.model", ""))]
    for name in _IN_CAPTION:
        value = facts.get(f"parameters.{name}", "")
        if value != "" and not (name == "top_p" and value == 0):
            parts.append(f"{name.replace('_', '-')} {written(value)}")
    return ", ".join(part for part in parts if part) + "."


def second_ticks(seconds: float, most: int = _MOST_TICKS) -> list[float]:
    """Round times from 0 to the end, at most so many."""
    step = tick_seconds(seconds, most)
    return [tick * step for tick in range(int(seconds / step + 1e-6) + 1)]


def _html(shows: Sequence[Shown], title: str, progress: Progress) -> bytes:
    tables = tables_of(shows)
    figures = []
    for show, name, facts in zip(
        shows, names([show.exhibit for show in shows]), tables.facts, strict=True
    ):
        figures.append(_figure(show, name, facts))
        progress(len(figures), len(shows))
    return pages.fill(
        "report.html",
        style="report.css",
        title=title,
        summary=summary(shows),
        made=f"{datetime.now():%Y-%m-%d}",
        version=__version__,
        common=tables.common,
        tables=[_table(heading, fields, tables) for heading, fields in tables.differing.items()],
        figures=figures,
        scale=SCALE,
        floor=f"{rendering.FLOOR_DB:.0f}",
        top=f"{rendering.TOP_DB:.0f}",
        outline=rendering.OUTLINE,
        ticks=[
            {"label": tick["label"], "y": round(_TOP + _HEIGHT * (1.0 - tick["at"]), 1)}
            for tick in ticks()
        ],
    )


def _table(heading: str, fields: Sequence[Field], tables: Tables) -> dict[str, Any]:
    def cell(value: Value) -> dict[str, Any]:
        return {"text": written(value), "number": not isinstance(value, str)}

    rows = [[cell(facts.get(field.key, "")) for field in fields] for facts in tables.facts]
    columns = [
        {"label": field.label, "number": any(row[place]["number"] for row in rows)}
        for place, field in enumerate(fields)
    ]
    return {"heading": heading, "columns": columns, "rows": rows}


def _figure(show: Shown, name: str, facts: Facts) -> dict[str, Any]:
    drawn, exhibit = show.rendering, show.exhibit
    times = second_ticks(drawn.seconds)
    return {
        "name": name,
        "prompt": sentence(exhibit.prompt),
        "settings": caption_settings(facts),
        "said": exhibit.said,
        "command": exhibit.command,
        "picture": data_address("image/webp", drawn.picture),
        "sound": _sound(exhibit.track),
        "wave": _wave_path(drawn.outline),
        "seconds": [
            {
                "x": round(_LEFT + _WIDTH * time / max(drawn.seconds, 1e-9), 1),
                "label": f"{time:g} s" if time == times[-1] else f"{time:g}",
                "anchor": "end" if time > 0.97 * drawn.seconds and time else "middle",
            }
            for time in times
        ],
    }


def _sound(track: Path) -> str:
    """The track as a data address; "" if it is too long for one."""
    if track.suffix.lower() == ".mp3":
        content = track.read_bytes()
    else:
        with tempfile.TemporaryDirectory(prefix="audio-chain-") as folder:
            content = compress(track, Path(folder) / "track.mp3").read_bytes()
    return "" if len(content) > MAX_EMBEDDED_BYTES else data_address("audio/mpeg", content)


def _wave_path(outline: str) -> str:
    """The outline of a wave as an SVG path, 1 unit a part wide, from -127 to 127 high."""
    steps = np.frombuffer(base64.b64decode(outline), np.int8).reshape(-1, 2).tolist()
    high = [f"{place} {-top}" for place, (_, top) in enumerate(steps)]
    low = [f"{place} {-bottom}" for place, (bottom, _) in reversed(list(enumerate(steps)))]
    return f"M{'L'.join(high + low)}Z"
