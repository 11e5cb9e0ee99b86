"""Run folders, and what was asked of the tracks in them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from audio_chain.brief import Brief, stated_bpm, stated_key
from audio_chain.errors import ChainError
from audio_chain.loudness import TARGET_LUFS
from audio_chain.manifest import Record
from audio_chain.run import MANIFEST
from eval.adherence.asked import Asked


@dataclass(frozen=True)
class Track:
    """A track of a run, and what was asked of it.

    Attributes
    ----------
    path : Path
    model : str
        What made it.
    asked : Asked
        Of a run without a brief, the tempo and key that its prompt states.
    """

    path: Path
    model: str
    asked: Asked


@dataclass(frozen=True)
class Unreadable:
    """A file that can't be used, and why, in one line."""

    path: Path
    reason: str


def tracks(folder: Path) -> Iterator[Track | Unreadable]:
    """Find the tracks of all runs in a folder, which can be a run's own.

    Yields
    ------
    Track or Unreadable
        In the order of the runs' names; a run whose ``run.json`` is damaged is one `Unreadable`.
    """
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.endswith(".partial"))
        if MANIFEST in files:
            manifest = Path(place) / MANIFEST
            try:
                yield from _of_run(manifest)
            except ChainError as error:
                yield Unreadable(manifest, str(error))


def _of_run(manifest: Path) -> list[Track]:
    record = Record.read(manifest)
    loudness = TARGET_LUFS if record.settings.get("loudness") else None
    if record.brief is not None:
        asked = Asked.of(Brief.from_dict(record.brief), loudness=loudness)
    else:
        asked = Asked(
            bpm=stated_bpm(record.prompt), key=stated_key(record.prompt), loudness=loudness
        )
    model = record.models.get("generate", "unknown")
    return [Track(manifest.parent / track.file, model, asked) for track in record.tracks]
