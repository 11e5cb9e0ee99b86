"""Captions of audio files in tables: CSV, or JSON lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from audio_chain.errors import UsageError
from audio_chain.files import shown

FILE_FIELDS: Final = ("file", "path", "filename")
CAPTION_FIELDS: Final = ("caption", "prompt", "text", "description")
"""What columns of a table of captions may be called; the first that is there counts."""

BESIDE: Final = ("captions.jsonl", "captions.csv")
"""Tables that are taken where the audio is without being named."""


def read_table(table: Path, base: Path) -> dict[Path, str]:
    """Read captions by file from CSV or, by its suffix, JSON lines.

    Raises
    ------
    UsageError
        It can't be read, lacks a column, or gives a file two captions.
    """
    captions: dict[Path, str] = {}
    for number, row in table_rows(table):
        place = f"{shown(table)}, row {number}"
        path = file_key(base / field_of(row, FILE_FIELDS, place))
        if path in captions:
            raise UsageError(f"{place}: {shown(path)} has a caption already")
        captions[path] = field_of(row, CAPTION_FIELDS, place)
    return captions


def table_rows(table: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Rows of a table with their numbers; `UsageError` if it can't be read."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            if table.suffix.lower() not in (".jsonl", ".ndjson", ".json"):
                yield from enumerate(csv.DictReader(file), 1)
                return
            yield from _json_rows(table, file)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"can't read the captions {shown(table)}: {reason}") from error


def _json_rows(table: Path, lines: Iterable[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise UsageError(f"{shown(table)}, row {number} is not a JSON object on one line")
        yield number, row


def field_of(row: Mapping[str, Any], names: tuple[str, ...], place: str) -> str:
    """The first of a row's fields that is there; `UsageError` naming the place if none is."""
    for name in names:
        if isinstance(value := row.get(name), str) and value.strip():
            return value.strip()
    raise UsageError(f"{place} has no {' or '.join(names)}")


def file_key(path: Path) -> Path:
    """The one path of a file, however it is written."""
    return path.absolute().resolve()
