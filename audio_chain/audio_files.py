"""Which audio files are meant by a folder, a list, or a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from audio_chain.errors import UsageError
from audio_chain.files import shown

SUFFIXES: Final = (
    *(".wav", ".flac", ".aif", ".aiff"),
    *(".mp3", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".wma", ".mka", ".weba"),
)
"""Names that a folder is searched for; any other file can be given by itself or in a list."""

_GLANCE: Final = 4096


def audio_files(where: Path) -> list[Path]:
    """List the audio files that a path stands for.

    Parameters
    ----------
    where : Path
        A folder, searched with all its folders but hidden ones and those of unfinished runs; a
        text file with one path a line, relative to the list's own folder; or an audio file.

    Returns
    -------
    list of Path
        Those of a folder sorted by name, those of a list in its order. Whether a file can be
        read shows when it is.

    Raises
    ------
    UsageError
        There is nothing there, or no audio file in it.
    """
    if where.is_dir():
        found = _in_folder(where)
        if not found:
            raise UsageError(f"there are no audio files in {shown(where)} ({', '.join(SUFFIXES)})")
        return found
    if not where.exists():
        raise UsageError(f"there is no file or folder {shown(where)}; check the path")
    if where.suffix.lower() in SUFFIXES or not _is_text(where):
        return [where]
    listed = [line.strip() for line in where.read_text(encoding="utf-8-sig").splitlines()]
    paths = [where.parent / Path(line).expanduser() for line in listed if line]
    if not paths:
        raise UsageError(f"the list {shown(where)} is empty; write one path on each line")
    return paths


def _in_folder(folder: Path) -> list[Path]:
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [
            name for name in folders if not name.startswith(".") and ".partial" not in name
        ]
        found += [
            Path(place, name)
            for name in names
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")
        ]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def _is_text(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(_GLANCE)
        text = path.read_text(encoding="utf-8-sig") if b"\0" not in start else "\0"
    except UnicodeDecodeError:
        return False
    except OSError as error:
        raise UsageError(f"can't read {shown(path)}: {error.strerror}") from error
    return "\0" not in text
