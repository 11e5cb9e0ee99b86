"""A run and its folder: whole under its own name, or plainly unfinished under another."""

from __future__ import annotations

import io
import itertools
import json
import re
import shlex
import shutil
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from audio_chain.errors import ChainError, UsageError
from audio_chain.files import shown, write_whole

if TYPE_CHECKING:
    from audio_chain.audio import Clip
    from audio_chain.brief import Brief
    from audio_chain.request import MemoRequest
    from audio_chain.transcribe import Transcript

RUNS: Final = Path("runs")
"""Where run folders go by default, in the current folder."""

TRANSCRIPT: Final = "transcript.json"
BRIEF: Final = "brief.json"
MANIFEST: Final = "run.json"
PAGE: Final = "index.html"

_PARTIAL: Final = ".partial"


@dataclass(frozen=True, eq=False)
class Run:
    """What one pass through the chain made. The files are in `folder`.

    Parameters
    ----------
    folder : Path
        Complete: it got this name when everything was in it.
    request : MemoRequest
        As it was asked, with the seed that was drawn.
    transcript, brief
        ``None`` where the chain was entered after that stage.
    prompt, negative : str
        What the generator was given.
    clips : tuple of Clip
        The finished sound, one for each of the request's seeds.
    tracks, pictures : tuple of Path
        Audio files and their spectrograms, in the order of `clips`.
    page : Path
        A web page of the run that needs nothing else.
    manifest : Path
        ``run.json``: enough to repeat the run.
    seconds : mapping of str to float
        How long each stage took; ``finish`` up to the writing of page and manifest.
    """

    folder: Path
    request: MemoRequest
    transcript: Transcript | None
    brief: Brief | None
    prompt: str
    negative: str
    clips: tuple[Clip, ...]
    tracks: tuple[Path, ...]
    pictures: tuple[Path, ...]
    page: Path
    manifest: Path
    seconds: Mapping[str, float]

    @property
    def clip(self) -> Clip:
        """The first clip: the only one unless more were asked for."""
        return self.clips[0]

    @property
    def track(self) -> Path:
        """The first audio file."""
        return self.tracks[0]


def slug(text: str, longest: int = 40) -> str:
    """Make `text` safe in a file name anywhere: ``a-z``, ``0-9`` and single dashes.

    Examples
    --------
    >>> slug("Müde & glücklich (take 2)"), slug("../../etc/passwd"), slug("音楽")
    ('mude-glucklich-take-2', 'etc-passwd', 'run')
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    return words[:longest].rstrip("-") or "run"


def to_json(value: Any) -> bytes:
    r"""Indented JSON as UTF-8; a file name's undecodable bytes become ``\udc..`` escapes."""
    return json.dumps(value, indent=2, ensure_ascii=False).encode("utf-8", "backslashreplace")


class RunFolder:
    """The folder of a run while it is made. As a context, it cleans up after a failure.

    Everything goes to ``NAME.partial``, which `publish` renames to ``NAME``. After a failure the
    partial folder is kept only if the transcript or the brief in it can be used to go on, and
    then the exception gets a note that says how.

    Parameters
    ----------
    target : Path or None
        The folder to make: new, or empty. Default: ``runs/<time>-<slug of title>``.
    title : str
        What the run is about, for the default name.

    Raises
    ------
    UsageError
        `target` is there already, with something in it.
    ChainError
        The folder can't be made.
    """

    def __init__(self, target: Path | None, title: str) -> None:
        wanted = target or RUNS / f"{datetime.now():%Y%m%d-%H%M%S}-{slug(title)}"
        with _disk_errors(wanted):
            if target is not None:
                _check_free(target)
            self._made = _make_parents(wanted)
            self.target, self.path = _make_partial(wanted, is_fixed=target is not None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None or not self.path.exists():
            return
        if (self.path / BRIEF).exists():
            kept = shlex.quote(str(self.path / BRIEF))
            error.add_note(f"the brief is kept: go on with --brief {kept}")
        elif (self.path / TRANSCRIPT).exists():
            error.add_note(f"the transcript is kept: {self.path / TRANSCRIPT}")
        else:
            shutil.rmtree(self.path, ignore_errors=True)
            for folder in self._made:
                try:
                    folder.rmdir()
                except OSError:  # somebody else put something in it
                    break

    def write(self, name: str, content: bytes) -> Path:
        """Write a file whole, or fail with one clear line."""
        path = self.path / name
        write_whole(path, io.BytesIO(content))
        return path

    def write_json(self, name: str, value: Any) -> Path:
        """Write plain values, indented."""
        return self.write(name, to_json(value) + b"\n")

    def publish(self) -> Path:
        """Give the folder its name, now that everything is in it."""
        with _disk_errors(self.target):
            _check_free(self.target)
            if self.target.exists():
                self.target.rmdir()  # empty: not every system renames over a folder
            return self.path.rename(self.target)


@contextmanager
def _disk_errors(target: Path) -> Iterator[None]:
    """Turn the operating system's errors with a folder into one clear line."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise ChainError(
            f"can't make the folder {shown(target)}: {reason}; choose another with -o"
        ) from error


def _check_free(target: Path) -> None:
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise UsageError(f"{shown(target)} is there already; choose a new folder with -o")


def _make_parents(target: Path) -> list[Path]:
    """Make the folders that `target` goes into; return the new ones, innermost first."""
    missing = [folder for folder in target.parents if not folder.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    return missing


def _make_partial(wanted: Path, *, is_fixed: bool) -> tuple[Path, Path]:
    """Make the partial folder of `wanted`, or where that is taken, of another name.

    A fixed name is kept and its partial folder numbered; else both get a number. Holding
    ``NAME.partial`` reserves ``NAME``.
    """
    for number in itertools.count(1):
        suffix = f"-{number}" if number > 1 else ""
        target = wanted if is_fixed else wanted.with_name(wanted.name + suffix)
        partial = target.with_name(target.name + _PARTIAL + (suffix if is_fixed else ""))
        try:
            partial.mkdir()
        except FileExistsError:
            continue
        if is_fixed or not target.exists():
            return target, partial
        partial.rmdir()
    raise AssertionError("there are always more numbers")
