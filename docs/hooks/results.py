"""Figures of ``docs/results/*.json`` for the pages, so that none is typed by hand.

A file that is not there yet is no error: a page then says so in a line. A figure that is missing
from a file that is there fails the build, since somebody renamed it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "docs" / "results"

ABSENT: Final = "not measured yet"
"""What stands where a figure will be."""


class MissingFigureError(Exception):
    """A page asks for a figure that its file doesn't have."""


@dataclass(frozen=True)
class Results:
    """The files of a folder, by name without suffix.

    Attributes
    ----------
    folder : Path
    """

    folder: Path = FOLDER

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return (self.folder / f"{name}.json").is_file()

    def read(self, name: str) -> Any:
        """The content of a file that is there."""
        return json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))

    def find(self, name: str, path: str) -> Any:
        """A value in a file, ``None`` where there is no file.

        Parameters
        ----------
        name : str
            Of the file.
        path : str
            Keys with slashes between them; numbers count in lists, from 0 or from the end.

        Raises
        ------
        MissingFigureError
            The file is there and has no such value.
        """
        if not self.has(name):
            return None
        value = self.read(name)
        for key in path.split("/"):
            try:
                value = value[int(key)] if isinstance(value, list) else value[key]
            except (KeyError, IndexError, ValueError, TypeError):
                raise MissingFigureError(f"docs/results/{name}.json has no {path!r}") from None
        return value


def plain(value: float | None, digits: int = 2, unit: str = "") -> str:
    """A number as people write it; "-" for none."""
    if value is None:
        return "-"
    return f"{value:,.{digits}f}" + (f" {unit}" if unit else "")


def percent(value: float | None, digits: int = 0) -> str:
    """A share as a percentage."""
    return "-" if value is None else f"{100 * value:.{digits}f} %"


def estimate(found: Any, *, digits: int = 2, unit: str = "", share: bool = False) -> str:
    """A figure with its 95 % interval, where it has one.

    Examples
    --------
    >>> estimate({"value": 0.87, "interval": [0.79, 0.93]}, digits=0, share=True)
    '87 % (79 to 93)'
    >>> estimate(6.514, unit="dB")
    '6.51 dB'
    """
    if not isinstance(found, dict):
        return percent(found, digits) if share else plain(found, digits, unit)
    value = found["value"] if "value" in found else found["share"]
    text = percent(value, digits) if share else plain(value, digits, unit)
    low, high = found.get("interval", (None, None))
    if value is None or low is None or high is None:
        return text
    times = 100 if share else 1
    return f"{text} ({times * low:.{digits}f} to {times * high:.{digits}f})"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in one) + " |" for one in lines
    )
