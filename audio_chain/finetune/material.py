"""The songs of a folder, each with the words that somebody has written for it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from audio_chain.audio_files import audio_files
from audio_chain.captions import (
    BESIDE,
    CAPTION_FIELDS,
    FILE_FIELDS,
    field_of,
    file_key,
    read_table,
    table_rows,
)
from audio_chain.errors import UsageError
from audio_chain.files import read_json, shown

EDITABLE: Final = "captions.jsonl"
"""In the adapter's folder: what was prepared, and may be edited before training."""

LONGEST: Final = 2000
"""Characters of a caption that are kept; models read some 60 words."""


@dataclass(frozen=True)
class Song:
    """An audio file, and its caption.

    Attributes
    ----------
    path : Path
    file : str
        Its path from the folder, with slashes.
    caption : str
        "" where nobody has written one.
    facts : mapping
        What stands beside it in the editable table: ``from``, and what was measured.
    """

    path: Path
    file: str
    caption: str
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Dropped:
    """Something that is not learnt from, and why.

    Attributes
    ----------
    file : str
    reason : str
        For people, after the file's name.
    begin_s, seconds : float or None
        Which stretch; None for all of the file.
    """

    file: str
    reason: str
    begin_s: float | None = None
    seconds: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {name: value for name, value in vars(self).items() if value is not None}


def find_songs(
    folder: Path, out: Path, table: Path | None = None, *, edited: bool = True
) -> tuple[list[Song], list[Dropped]]:
    """Find audio and captions.

    A caption is the first that there is of: the song's row in ``captions.jsonl`` of `out`, where
    it was written before and perhaps edited; its row in `table`, or in a ``captions.jsonl`` or
    ``captions.csv`` of the folder; ``song.txt`` or ``song.json`` beside ``song.mp3``.

    Parameters
    ----------
    folder, out : Path
    table : Path, optional
    edited : bool
        Whether the first of these is looked at: it tells of the songs to learn from, and others
        may have the same names.

    Returns
    -------
    songs : list of Song
        By name; those in `out` are not among them.
    dropped : list of Dropped
        Captions whose file isn't there, and captions that can't be read.

    Raises
    ------
    UsageError
        There is no folder or no audio, or a table can't be read.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{shown(folder)} is a file; give the folder that holds your music")
    inside = file_key(out)
    paths = [path for path in audio_files(folder) if inside not in file_key(path).parents]
    if not paths:
        raise UsageError(f"there are no audio files in {shown(folder)} but those of an adapter")
    tables = [table] if table else [folder / name for name in BESIDE if (folder / name).is_file()]
    rows: dict[Path, tuple[str, str]] = {}
    for one in reversed(tables):
        rows |= {path: (text, one.name) for path, text in read_table(one, folder).items()}
    kept = _edited(out / EDITABLE, folder) if edited else {}
    songs, dropped = [], []
    for path in paths:
        file = path.relative_to(folder).as_posix()
        caption, facts = kept.get(file_key(path), ("", {}))
        try:
            if not caption:
                caption, origin = rows.get(file_key(path)) or _beside(path)
                facts = {"from": origin}
        except UsageError as error:
            dropped.append(Dropped(file, f"its caption can't be read: {error}"))
        songs.append(Song(path, file, " ".join(caption.split())[:LONGEST], facts))
    here = {file_key(path) for path in paths}
    dropped += [
        Dropped(_named(path, folder), f"has a caption in {origin}, but there is no such file")
        for path, (_, origin) in rows.items()
        if path not in here
    ]
    return songs, dropped


def written(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Rows of the editable table, as JSON lines."""
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return "".join(lines).encode("utf-8", "backslashreplace")


def _edited(table: Path, folder: Path) -> dict[Path, tuple[str, dict[str, Any]]]:
    """Captions and the columns beside them of a table that was written before, by file."""
    found = {}
    for number, row in table_rows(table) if table.is_file() else ():
        place = f"{shown(table)}, row {number}"
        path = file_key(folder / field_of(row, FILE_FIELDS, place))
        others = {
            name: value
            for name, value in row.items()
            if name not in (*FILE_FIELDS, *CAPTION_FIELDS)
        }
        found[path] = (field_of(row, CAPTION_FIELDS, place), {"from": table.name, **others})
    return found


def _beside(path: Path) -> tuple[str, str]:
    """The caption in the text or JSON file beside a song, and that file's name."""
    text, fields = path.with_suffix(".txt"), path.with_suffix(".json")
    if text.is_file():
        try:
            return text.read_text(encoding="utf-8-sig"), text.name
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"can't read {shown(text)}: {error}") from error
    if fields.is_file():
        return field_of(read_json(fields, "caption"), CAPTION_FIELDS, shown(fields)), fields.name
    return "", ""


def _named(path: Path, folder: Path) -> str:
    base = file_key(folder)
    return path.relative_to(base).as_posix() if base in path.parents else str(path)
