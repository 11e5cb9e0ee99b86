"""The two sides of a comparison: sound or saved statistics, whatever the user names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

from audio_chain.audio_files import audio_files
from audio_chain.errors import ChainError, UsageError
from audio_chain.files import shown
from audio_chain.progress import Progress, silent
from eval.collection import SAMPLE_VALUES, Collection, Collector
from eval.embedders import Embedder
from eval.embedding import Broken, Embedded, embed_files
from eval.gaussian import Gaussian

READY_MADE: Final = {"factory": "factory-clap-nano.npz"}
"""Reference statistics that are shipped, by the name they are asked for."""


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two sets that a distance is measured between.

    Attributes
    ----------
    name : str
        What the user called it.
    gaussian : Gaussian
        Its statistics.
    collection : Collection or None
        Its sound's embeddings; None for saved statistics.
    broken : tuple of Broken
        Files that were left out.
    """

    name: str
    gaussian: Gaussian
    collection: Collection | None = None
    broken: tuple[Broken, ...] = ()

    def require_sound(self) -> Collection:
        """Give its sound's embeddings.

        Raises
        ------
        UsageError
            There are but statistics.
        """
        if self.collection is None:
            raise UsageError(
                f"{shown(self.name)} is saved statistics, and these options need its sound: give "
                "the folder they were made from, or leave out --infinity, --per-song, --kernel "
                "and --engine"
            )
        return self.collection

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        files = {} if self.collection is None else {"files": self.collection.files}
        left_out = [{"file": str(one.path), "reason": one.reason} for one in self.broken]
        return {
            "name": self.name,
            **files,
            "windows": self.gaussian.count,
            "left_out": left_out,
            "note": self.gaussian.note,
        }

    def __str__(self) -> str:
        parts = [f"{self.gaussian.count} windows"]
        if self.collection is not None:
            used, left = self.collection.files, len(self.broken)
            parts.append(f"{used} of {used + left} files" if left else f"{used} files")
        if self.gaussian.note:
            parts.append(self.gaussian.note)
        return f"{self.name} ({', '.join(parts)})"


def saved_side(where: str) -> Side | None:
    """Load statistics if `where` names some: one of `READY_MADE` or an ``.npz`` file."""
    if where in READY_MADE:
        place = resources.files("eval") / "references" / READY_MADE[where]
        with resources.as_file(place) as path:
            return Side(where, Gaussian.load(path))
    if where.lower().endswith(".npz"):
        return Side(where, Gaussian.load(Path(where).expanduser()))
    return None


def sound_files(where: str) -> list[Path]:
    """List the files of a folder or a list, or one file; `UsageError` if there are none."""
    return audio_files(Path(where).expanduser())


def embed_side(
    where: str,
    paths: Sequence[Path],
    embedder: Embedder,
    *,
    whole: bool = False,
    seed: int = 0,
    heard: Callable[[Embedded], None] | None = None,
    cache: Path | None = None,
    progress: Progress = silent,
) -> Side:
    """Embed a set of audio files.

    Parameters
    ----------
    where : str
        What the user called the set.
    paths : sequence of Path
        Its files, as from `sound_files`.
    embedder : Embedder
    whole : bool
        Keep the windows of all files, however many.
    seed : int
        Of the choice which files' windows are kept otherwise.
    heard : callable, optional
        Told every file.
    cache : Path, optional
        As for `embed_files`.
    progress : Progress
        Told files.

    Raises
    ------
    ChainError
        None of the files can be used.
    """
    most = None if whole else SAMPLE_VALUES
    collector = Collector(embedder.dimensions, most_values=most, seed=seed)
    broken = []
    for one in embed_files(embedder, paths, cache=cache, progress=progress):
        if isinstance(one, Broken):
            broken.append(one)
            continue
        collector.add(one.windows)
        if heard is not None:
            heard(one)
    if len(broken) == len(paths):
        raise ChainError(
            f"none of the {len(paths)} files of {shown(where)} can be used; "
            f"the first: {broken[0].reason}"
        )
    collection = collector.finish(embedder.origin)
    return Side(where, collection.gaussian, collection, tuple(broken))
