"""Which caption belongs to which audio file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from audio_chain.audio_files import audio_files
from audio_chain.captions import BESIDE, file_key, read_table
from audio_chain.errors import UsageError
from audio_chain.files import shown
from audio_chain.manifest import Record
from audio_chain.run import MANIFEST
from eval.embedding import Broken


@dataclass(frozen=True)
class Captioned:
    """Audio files with their captions, and those without one, with the reason."""

    pairs: tuple[tuple[Path, str], ...]
    left_out: tuple[Broken, ...]


def captioned_files(where: Path, table: Path | None = None) -> Captioned:
    """Find audio and its captions.

    With `table` a file's caption is its row there. Without, it is the first that there is of: the
    prompt in the ``run.json`` of the run folder that it is a track of; its row in a
    ``captions.jsonl`` or ``captions.csv`` of `where`; a text file of the same name beside it.

    Parameters
    ----------
    where : Path
        As for `audio_files`; a folder may hold many run folders.
    table : Path, optional
        CSV with a header, or JSON lines: a file, by its path from `where`, and its caption in
        each row.

    Raises
    ------
    UsageError
        There is no audio, no caption for any of it, or a table can't be read; what is wrong is
        named.
    """
    paths = audio_files(where)
    base = where if where.is_dir() else where.parent
    if table is not None:
        rows, place = read_table(table, base), f" in {shown(table)}"
    else:
        tables = [base / name for name in BESIDE if (base / name).is_file()]
        rows, place = read_table(tables[0], base) if tables else {}, ""
    pairs, left_out = [], []
    for path in paths:
        try:
            found = rows.get(file_key(path), "")
            if table is None:
                found = _of_run(path) or found or _beside(path)
            reason = "" if found.strip() else f"there is no caption for {shown(path)}{place}"
        except UsageError as error:
            reason = str(error)
        if reason:
            left_out.append(Broken(path, reason))
        else:
            pairs.append((path, " ".join(found.split())))
    if table is not None:
        here = {file_key(path) for path in paths}
        left_out += [
            Broken(path, f"{shown(path)} has a caption{place} but is not among the files")
            for path in rows
            if path not in here
        ]
    if not pairs:
        raise UsageError(
            f"there is no caption for any of the {len(paths)} files of {shown(where)}: give a "
            "table with --captions, or put a .txt of the same name beside each file"
        )
    return Captioned(tuple(pairs), tuple(left_out))


def _of_run(path: Path) -> str:
    """Prompt of the run that a file is a track of; "" if it is none."""
    manifest = path.parent / MANIFEST
    if not manifest.is_file():
        return ""
    record = Record.read(manifest)
    return record.prompt if path.name in {track.file for track in record.tracks} else ""


def _beside(path: Path) -> str:
    text = path.with_suffix(".txt")
    try:
        return text.read_text(encoding="utf-8-sig") if text.is_file() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"can't read the caption {shown(text)}: {error}") from error
