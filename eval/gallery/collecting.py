"""Everything in some folders that can be shown."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audio_chain.errors import ChainError, UsageError
from audio_chain.files import shown
from audio_chain.run import MANIFEST
from eval.gallery.benchmarks import is_description, read_clip
from eval.gallery.exhibits import Exhibit, LeftOut
from eval.gallery.runs import read_run
from eval.gallery.scores import ScoreFiles

_PARTIAL: Final = ".partial"


@dataclass(frozen=True)
class Collection:
    """What was found in run folders."""

    exhibits: tuple[Exhibit, ...]
    left_out: tuple[LeftOut, ...]


def collect(runs: Sequence[Path]) -> Collection:
    """Find the tracks of all runs, and the clips of all benchmarks, in `runs`.

    Parameters
    ----------
    runs : sequence of Path
        Folders, searched through for ``run.json`` and ``clips`` of benchmarks (unfinished
        ``.partial`` runs are passed over), or such files. What is found twice is shown once.

    Returns
    -------
    Collection
        In the order of `runs`, within a folder by path.

    Raises
    ------
    UsageError
        One of `runs` doesn't exist, or there is no run in any of them.
    ChainError
        There are runs, but not one track can be shown.
    """
    exhibits: list[Exhibit] = []
    left_out: list[LeftOut] = []
    seen: set[Path] = set()
    for root in runs:
        scores = ScoreFiles(root)
        for manifest in _manifests(root):
            if (real := manifest.resolve()) in seen:
                continue
            seen.add(real)
            for found in _read(manifest, scores):
                (left_out if isinstance(found, LeftOut) else exhibits).append(found)  # type: ignore[arg-type]
        left_out += (LeftOut(path, reason) for path, reason in scores.unreadable)
    if not seen:
        where = ", ".join(shown(path) for path in runs)
        raise UsageError(f"no {MANIFEST} in {where}; give run folders, as audio-chain makes them")
    if not exhibits:
        raise ChainError(
            f"none of the {len(seen)} runs can be shown; the first: {left_out[0].reason}"
        )
    return Collection(tuple(exhibits), tuple(left_out))


def _manifests(root: Path) -> Iterator[Path]:
    """Every ``run.json`` in `root`, by path; `root` itself if it is a file."""
    if root.is_file():
        yield root
        return
    if not root.is_dir():
        raise UsageError(f"there is no folder {shown(root)}; give run folders")
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = sorted(name for name in subfolders if not name.endswith(_PARTIAL))
        if MANIFEST in files:
            yield Path(folder) / MANIFEST
        paths = (Path(folder) / name for name in sorted(files))
        yield from (path for path in paths if is_description(path))


def _read(manifest: Path, scores: ScoreFiles) -> Iterator[Exhibit | LeftOut]:
    if not is_description(manifest):
        yield from read_run(manifest, scores)
        return
    try:
        yield read_clip(manifest, scores)
    except ChainError as error:
        yield LeftOut(manifest, str(error))
