"""A folder of music as captioned pieces to learn from, and a report of what was left out."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from audio_chain.errors import AudioError, UsageError
from audio_chain.files import make_folder, shown, write_whole
from audio_chain.finetune import material
from audio_chain.finetune.coding import Coded, Slicing
from audio_chain.finetune.material import Dropped, Song
from audio_chain.finetune.reading import Captioner, Row, SongReader
from audio_chain.finetune.splitting import split
from audio_chain.finetune.takes import Take, repeated
from audio_chain.finetune.trainee import Coder, Piece
from audio_chain.progress import Progress, silent
from audio_chain.run import to_json
from audio_chain.weights import cache_dir

REPORT: Final = "preparation.json"

FEWEST_S: Final = 20.0
"""Seconds of usable sound below which there is nothing to learn from."""


@dataclass(frozen=True)
class Preparation:
    """How a folder is prepared.

    Attributes
    ----------
    slicing : Slicing
    phrase : str
        Words that every caption ends with, for calling the style up later.
    validation : float
        Share of the sound that is kept aside.
    seed : int
        Of that choice.
    """

    slicing: Slicing = field(default_factory=Slicing)
    phrase: str = ""
    validation: float = 0.1
    seed: int = 0

    def caption(self, words: str) -> str:
        """A caption as it is learnt."""
        return f"{words.rstrip(' .')}, {self.phrase}" if self.phrase else words


@dataclass(frozen=True, eq=False)
class Prepared:
    """What there is to learn from.

    Attributes
    ----------
    train, validation : tuple of Piece
    songs : mapping of str to Path
        The files that the validation pieces are from.
    report : dict
        For JSON: what was used, and what was left out and why.
    """

    train: tuple[Piece, ...]
    validation: tuple[Piece, ...]
    songs: Mapping[str, Path]
    report: dict[str, Any]


def prepare(
    folder: Path,
    out: Path,
    coder: Coder,
    captioner: Captioner,
    *,
    preparation: Preparation | None = None,
    table: Path | None = None,
    held_out: Path | None = None,
    cache: Path | None = None,
    progress: Progress = silent,
) -> Prepared:
    """Prepare a folder; stopped at any time, the same call goes on.

    Writes ``captions.jsonl``, which may be edited before the next call, and ``preparation.json``
    to `out`. Codes and measured captions are kept in the cache by the content of the files.

    Parameters
    ----------
    folder : Path
        Audio of any format, with captions or without: see `find_songs`.
    out : Path
        The adapter's folder.
    coder : Coder
        Of the model to be fine-tuned.
    captioner : Captioner
        For songs without a caption.
    preparation : Preparation, optional
    table : Path, optional
        Captions, as CSV or JSON lines.
    held_out : Path, optional
        A folder of songs to validate with; a share of `folder` if not given.
    cache : Path, optional
        ``finetune`` in `cache_dir` if not given.
    progress : Progress
        Told songs.

    Raises
    ------
    ChainError
        There is nothing to learn from, or nothing can be written.
    """
    settings = preparation or Preparation()
    cache = cache or cache_dir() / "finetune"

    def read(where: Path, table: Path | None, edited: bool) -> _Folder:
        songs, dropped = material.find_songs(where, out, table, edited=edited)
        readers = [SongReader(song, coder, captioner, settings.slicing, cache) for song in songs]
        return _read(readers, settings, dropped, progress)

    here = read(folder, table, True)
    aside = read(held_out, None, False) if held_out else None
    takes = [*(aside.takes if aside else ()), *here.takes]
    again = repeated(takes)
    dropped = [*here.dropped, *(aside.dropped if aside else ()), *dict.fromkeys(again.values())]
    pieces = [piece for take in here.takes for piece in take.pieces if id(piece) not in again]
    seconds = sum(piece.seconds for piece in pieces)
    if seconds < FEWEST_S or len(pieces) < 2:
        raise UsageError(_too_little(folder, seconds, dropped))
    if aside:
        train = tuple(pieces)
        validation = tuple(
            piece for take in aside.takes for piece in take.pieces if id(piece) not in again
        )
        if not validation:
            raise UsageError(_too_little(held_out or folder, 0.0, aside.dropped))
    else:
        train, validation = split(pieces, settings.seed, settings.validation)
    report = {
        "folder": str(folder.absolute()),
        "held_out": str(held_out.absolute()) if held_out else None,
        "settings": asdict(settings),
        "coder": coder.name,
        "found": {"files": here.found, "seconds": round(sum(t.seconds for t in here.takes), 2)},
        "train": _summary(train),
        "validation": _summary(validation),
        "captions": dict(Counter(row["from"] for row in here.rows)),
        "dropped": [one.to_dict() for one in dropped],
    }
    _write(out, here.rows, report)
    return Prepared(train, validation, aside.paths if aside else here.paths, report)


@dataclass(frozen=True, eq=False)
class _Folder:
    """The songs of a folder that could be used, and the rest."""

    found: int
    takes: tuple[Take, ...]
    rows: tuple[Row, ...]
    paths: dict[str, Path]
    dropped: tuple[Dropped, ...]


def _read(
    readers: Sequence[SongReader],
    settings: Preparation,
    dropped: Sequence[Dropped],
    progress: Progress,
) -> _Folder:
    left_out = list(dropped)
    rows: list[Row] = []
    takes: list[Take] = []
    files: dict[str, Song] = {}
    progress(0, len(readers))
    for done, reader in enumerate(readers, 1):
        song = reader.song
        try:
            if same := files.get(reader.digest):
                raise AudioError(f"is the same file as {same.file}")
            coded = reader.coded()
            if not coded.cuts:
                raise AudioError(_nothing(coded, settings.slicing))
            row = reader.row()
        except AudioError as error:
            left_out.append(Dropped(song.file, _without_path(str(error), song.path)))
        else:
            files[reader.digest] = song
            rows.append(row)
            caption = settings.caption(row["caption"])
            pieces = tuple(
                Piece(song.file, cut.begin_s, cut.seconds, caption, codes)
                for cut, codes in zip(coded.cuts, coded.codes, strict=True)
            )
            takes.append(Take(song.file, coded.seconds, pieces, coded.prints))
        progress(done, len(readers))
    return _Folder(
        len(readers),
        tuple(takes),
        tuple(rows),
        {song.file: song.path for song in files.values()},
        tuple(left_out),
    )


def _nothing(coded: Coded, slicing: Slicing) -> str:
    if coded.seconds < slicing.least:
        return f"is {coded.seconds:.1f} s long; pieces are at least {slicing.least:g} s"
    return f"is silent, or never sounds for {slicing.least:g} s"


def _without_path(message: str, path: Path) -> str:
    """A message without the file's name, which stands beside it."""
    return message.removeprefix(f"{shown(path)} ").removeprefix(f"{shown(path)}: ")


def _too_little(folder: Path, seconds: float, dropped: Sequence[Dropped]) -> str:
    why = f"; {dropped[0].file}: {dropped[0].reason}" if dropped else ""
    more = f", and {len(dropped) - 1} more were left out" if len(dropped) > 1 else ""
    return (
        f"{shown(folder)} has {seconds:.1f} s of sound to learn from, and it takes "
        f"{FEWEST_S:g} s at least, better minutes{why}{more}"
    )


def _summary(pieces: Sequence[Piece]) -> dict[str, Any]:
    return {
        "files": len({piece.file for piece in pieces}),
        "pieces": len(pieces),
        "seconds": round(sum(piece.seconds for piece in pieces), 2),
    }


def _write(out: Path, rows: Sequence[Row], report: dict[str, Any]) -> None:
    make_folder(out)
    write_whole(out / material.EDITABLE, io.BytesIO(material.written(rows)))
    write_whole(out / REPORT, io.BytesIO(to_json(report)))
