"""Scores from files beside the runs, whatever program wrote them.

A ``scores.json`` in a run's folder, or in a folder above it, is read as one of

- an object of scores, for all tracks in and below its folder: ``{"clap": 0.31}``
- an object of such objects by track, as a path from its folder: ``{"track.flac": {"clap": 0.31}}``
- a list of rows that name their track: ``[{"file": "a/track.flac", "clap": 0.31}]``

and the last two also within ``{"tracks": ...}`` or ``{"clips": ...}``. Scores can be grouped:
``{"tempo": {"found": 71}}`` is the score "tempo found". The nearest file wins.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from audio_chain.errors import ChainError
from audio_chain.files import shown

Score = float | bool | str

SCORES: Final = "scores.json"

_NAMING: Final = ("file", "path", "track", "clip", "audio")
"""Keys by which a row says what it is about."""

_GROUPS: Final = ("tracks", "clips", "files", "rows", "results")
_MAX_TEXT: Final = 80
_MAX_DEPTH: Final = 4


class ScoreFiles:
    """The score files of one folder that the user named, each read once.

    Parameters
    ----------
    root : Path
        No file above this folder is looked at.

    Attributes
    ----------
    unreadable : list of (Path, str)
        Files that are no such JSON, and why.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.parent if root.is_file() else root
        self._tables: dict[Path, dict[str, dict[str, Score]]] = {}
        self.unreadable: list[tuple[Path, str]] = []

    def of(self, track: Path) -> dict[str, Score]:
        """The scores of a track; empty if there are none."""
        scores: dict[str, Score] = {}
        for folder in track.parents:
            name = track.relative_to(folder).as_posix()
            table = self._table(folder)
            scores = table.get("", {}) | table.get(name, {}) | scores
            if folder == self._root:
                break
        return scores

    def _table(self, folder: Path) -> dict[str, dict[str, Score]]:
        """Scores by track; those for all tracks under ""."""
        if folder not in self._tables:
            self._tables[folder] = {}
            path = folder / SCORES
            if path.is_file():
                try:
                    self._tables[folder] = read_scores(path)
                except ChainError as error:
                    self.unreadable.append((path, str(error)))
        return self._tables[folder]


def read_scores(path: Path) -> dict[str, dict[str, Score]]:
    """Read a score file: the scores by track, as a path from its folder, or "" for all.

    What isn't a score (a list, a long text) is passed over.

    Raises
    ------
    ChainError
        It can't be read, or is not JSON.
    """
    import json

    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ChainError(f"can't read the scores {shown(path)}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise ChainError(f"the scores {shown(path)} are not JSON: {reason}") from None
    table: dict[str, dict[str, Score]] = {}
    for name, scores in _rows(content):
        key = _relative(name, path.parent)
        table[key] = table.get(key, {}) | dict(_flat(scores))
    return table


def _rows(content: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(content, list):
        for row in content:
            if isinstance(row, dict):
                name = next((row[key] for key in _NAMING if isinstance(row.get(key), str)), None)
                rest = {key: value for key, value in row.items() if key not in _NAMING}
                if name:
                    yield name, rest
    elif isinstance(content, dict):
        general: dict[str, Any] = {}
        for key, value in content.items():
            if key in _GROUPS and isinstance(value, list | dict):
                yield from _rows(value)
            elif isinstance(value, dict) and Path(key).suffix:
                yield key, value
            else:
                general[key] = value
        yield "", general


def _relative(name: str, folder: Path) -> str:
    """A track's name in a table, whether it was given from the folder on or in full."""
    if not name:
        return ""
    path = Path(name)
    try:
        return path.relative_to(folder.resolve()).as_posix() if path.is_absolute() else str(path)
    except ValueError:
        return path.name


def _flat(
    scores: Mapping[str, Any], prefix: str = "", depth: int = 0
) -> Iterator[tuple[str, Score]]:
    for key, value in scores.items():
        name = f"{prefix} {key}".strip().replace("_", " ")
        if isinstance(value, dict) and depth < _MAX_DEPTH:
            yield from _flat(value, name, depth + 1)
        elif isinstance(value, bool) or (isinstance(value, str) and len(value) <= _MAX_TEXT):
            yield name, value
        elif isinstance(value, int | float) and math.isfinite(value):
            yield name, float(value)
