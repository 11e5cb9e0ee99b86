"""One song: its codes and its caption, found where they were kept, or made and kept."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Protocol

from audio_chain.clip import Clip
from audio_chain.errors import ChainError
from audio_chain.files import open_file, shown, write_whole
from audio_chain.finetune import coding
from audio_chain.finetune.coding import Coded, Slicing
from audio_chain.finetune.material import Song
from audio_chain.finetune.trainee import Coder
from audio_chain.run import to_json

HEARD_S: Final = 30.0
"""Of a song's middle: what its caption is measured on."""

Row = dict[str, Any]
"""A row of the editable table: ``file``, ``caption``, ``from``, and what was measured."""


class Captioner(Protocol):
    """Writes captions for songs that have none.

    Attributes
    ----------
    name : str
        Captions are kept by it.
    """

    name: str

    def describe(self, clip: Clip) -> dict[str, Any]:
        """Facts of a clip for JSON, ``caption`` among them."""
        ...


class SongReader:
    """Reads a song; its sound is decoded only if something isn't kept.

    Parameters
    ----------
    song : Song
        Kept as an attribute.
    coder, captioner, slicing
        What makes codes and captions.
    cache : Path
        Keeps them by the content of the file.
    """

    def __init__(
        self, song: Song, coder: Coder, captioner: Captioner, slicing: Slicing, cache: Path
    ) -> None:
        self.song, self._cache = song, cache
        self._coder, self._captioner, self._slicing = coder, captioner, slicing

    @cached_property
    def digest(self) -> str:
        """Hash of the file; `AudioError` if it can't be read."""
        with open_file(self.song.path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @cached_property
    def _clip(self) -> Clip:
        return coding.decoded(self.song.path, self._coder)

    def coded(self) -> Coded:
        """The song in pieces.

        Raises
        ------
        AudioError
            It can't be decoded.
        ChainError
            The codes can't be kept.
        """
        path = coding.kept_at(self._cache, self.digest, self._coder, self._slicing)
        coded = coding.load(path)
        if coded is None:
            coded = coding.code(self._clip, self._coder, self._slicing)
            keep(path, lambda: coding.packed(coded))
        return coded

    def row(self) -> Row:
        """The song's row for the editable table; raises what `coded` does."""
        if self.song.caption:
            return {"file": self.song.file, "caption": self.song.caption, **self.song.facts}
        path = self._cache / "captions" / self._captioner.name / f"{self.digest}.json"
        try:
            facts = dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            middle = max(0.0, (self._clip.seconds - HEARD_S) / 2)
            facts = self._captioner.describe(self._clip.cropped(middle, middle + HEARD_S))
            keep(path, lambda: to_json(facts))
        return {"file": self.song.file, **facts, "from": "measured"}


def keep(path: Path, content: Callable[[], bytes]) -> None:
    """Keep something in the cache; `ChainError` if it can't be."""
    with _cache_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, io.BytesIO(content()))


@contextmanager
def _cache_errors(folder: Path) -> Iterator[None]:
    """Say that the cache is at fault, not the song."""
    try:
        yield
    except (OSError, ChainError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ChainError(
            f"can't keep what was prepared in {shown(folder)}: {reason}; set AUDIO_CHAIN_CACHE to "
            "a folder that you can write to"
        ) from error
