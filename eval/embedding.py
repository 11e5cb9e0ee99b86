"""Embeddings of many files: each made once, kept by what is in the file and what made it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from audio_chain.audio import stream
from audio_chain.errors import ChainError
from audio_chain.files import open_file, shown, write_whole
from audio_chain.progress import Progress, silent
from audio_chain.weights import cache_dir

if TYPE_CHECKING:
    from audio_chain.clip import Clip
    from eval.embedders.embedder import Embedder

SILENCE: Final = 1e-4
"""Peak up to which a file counts as silent: -80 dBFS, three steps of 16 bits."""

_SUFFIX: Final = ".npy"


@dataclass(frozen=True, eq=False)
class Embedded:
    """A file and its embeddings, (windows, dimensions)."""

    path: Path
    windows: NDArray[np.float32]


@dataclass(frozen=True)
class Broken:
    """A file that can't be embedded, and why, in one line."""

    path: Path
    reason: str


def embed_files(
    embedder: Embedder,
    paths: Sequence[Path],
    *,
    cache: Path | None = None,
    progress: Progress = silent,
) -> Iterator[Embedded | Broken]:
    """Embed files, or find what was made of the same content before.

    A file is known again by the hash of its content, whatever it is called and wherever it is,
    for as long as the embedder's `origin` is the same. Kept embeddings that are damaged are made
    anew. Files are decoded block by block: the length of a file costs no memory but that of its
    embeddings.

    Parameters
    ----------
    embedder : Embedder
        What embeds.
    paths : sequence of Path
        Audio files of any format, rate and number of channels.
    cache : Path, optional
        Folder that keeps embeddings; ``embeddings`` in `audio_chain.weights.cache_dir` if not
        given. Nothing is ever written beside the audio.
    progress : Progress
        Told files.

    Yields
    ------
    Embedded or Broken
        One for each path, in their order. Broken are files that can't be read or decoded, and
        silent ones.

    Raises
    ------
    ChainError
        The cache can't be written to.
    """
    folder = _folder(cache or cache_dir() / "embeddings", embedder)
    progress(0, len(paths))
    for done, path in enumerate(paths, 1):
        try:
            yield Embedded(path, _embeddings(embedder, path, folder))
        except _CacheError as error:
            raise ChainError(str(error)) from error
        except ChainError as error:
            yield Broken(path, str(error))
        progress(done, len(paths))


class _CacheError(ChainError):
    """The cache can't be written to: not the fault of the file at hand."""


def _embeddings(embedder: Embedder, path: Path, folder: Path) -> NDArray[np.float32]:
    with open_file(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    kept = folder / digest[:2] / f"{digest}{_SUFFIX}"
    windows = _read(kept, embedder.dimensions)
    if windows is None:
        windows = _embed(embedder, path)
        _write(kept, windows)
    return windows


def _embed(embedder: Embedder, path: Path) -> NDArray[np.float32]:
    loudest = 0.0

    def heard(clips: Iterable[Clip]) -> Iterator[Clip]:
        nonlocal loudest
        for clip in clips:
            loudest = max(loudest, float(np.abs(clip.samples).max(initial=0.0)))
            yield clip

    with closing(stream(path, rate=embedder.rate, mono=True)) as clips:
        windows = embedder.embed_stream(heard(clips))
    if loudest <= SILENCE:
        raise ChainError(f"{shown(path)} is silent: no sample is above -80 dBFS")
    return windows


def _folder(cache: Path, embedder: Embedder) -> Path:
    """Folder of one origin: its name for people, and a hash of all of it."""
    origin = embedder.origin
    facts = (origin.embedding, origin.revision, origin.rate, origin.window_seconds)
    key = repr((*facts, origin.hop_seconds, embedder.dimensions))
    name = "".join(char if char.isalnum() or char in "-." else "-" for char in origin.embedding)
    return cache / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def _read(path: Path, dimensions: int) -> NDArray[np.float32] | None:
    """Return kept embeddings; None if there are none, or they are damaged."""
    try:
        windows = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    whole = (
        isinstance(windows, np.ndarray)
        and windows.dtype == np.float32
        and windows.ndim == 2
        and windows.shape[0] > 0
        and windows.shape[1] == dimensions
        and bool(np.isfinite(windows).all())
    )
    return windows if whole else None


def _write(path: Path, windows: NDArray[np.float32]) -> None:
    content = io.BytesIO()
    np.save(content, windows, allow_pickle=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except (OSError, ChainError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _CacheError(
            f"can't keep embeddings in {shown(path.parent)}: {reason}; set AUDIO_CHAIN_CACHE to a "
            "folder that you can write to"
        ) from error
