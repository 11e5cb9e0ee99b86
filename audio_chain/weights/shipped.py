"""Weights that are part of the package, each folder with a list of its files' hashes."""

from __future__ import annotations

import functools
import os
from importlib import resources
from pathlib import Path
from typing import Final

from audio_chain.weights.cache import sha256_of
from audio_chain.weights.sources import Shipped, WeightsError, check_inside

SUMS: Final = "SHA256SUMS"
"""Name of the list, in the format of the ``sha256sum`` program."""


def shipped_path(source: Shipped) -> Path:
    """Return where the installed package keeps the folder, whether it is there or not."""
    root = Path(str(resources.files("audio_chain.nano")))
    return root / "weights" / source.folder


def shipped_folder(source: Shipped) -> Path:
    """Return the folder, its hashes checked the first time a process asks.

    Raises
    ------
    WeightsError
        A file is missing or changed; it is named.
    """
    return _checked(shipped_path(source))


@functools.cache
def _checked(folder: Path) -> Path:
    check_sums(folder)
    return folder


def write_sums(folder: Path) -> Path:
    """Write `folder`'s ``SHA256SUMS``: the last step of a script that makes shipped weights.

    Everything below the folder is listed but Markdown and hidden files, so that a model card
    can be edited. Returns the path of the list.
    """
    lines = [
        f"{sha256_of(path)}  {path.relative_to(folder).as_posix()}\n"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != SUMS and not _unlisted(path.relative_to(folder))
    ]
    if not lines:
        raise WeightsError(f"{folder} holds no files to list in {SUMS}")
    target = folder / SUMS
    temporary = folder / f".{SUMS}.tmp"
    temporary.write_text("".join(lines), encoding="utf-8", newline="\n")
    os.replace(temporary, target)
    return target


def _unlisted(relative: Path) -> bool:
    return relative.suffix == ".md" or any(part.startswith(".") for part in relative.parts)


def check_sums(folder: Path) -> None:
    """Compare the files of a folder with its ``SHA256SUMS``.

    Raises
    ------
    WeightsError
        The list or a file is missing, or a file has changed; it is named.
    """
    for name, expected in read_sums(folder).items():
        path = folder / name
        if not path.is_file():
            raise WeightsError(f"{path} is missing from the installed package: reinstall it")
        found = sha256_of(path)
        if found != expected:
            raise WeightsError(
                f"{path} is damaged: its sha256 is {found}, expected {expected}; reinstall "
                "audio-chain"
            )


def read_sums(folder: Path) -> dict[str, str]:
    """Read a folder's ``SHA256SUMS`` as ``{file name: sha256}``.

    Raises
    ------
    WeightsError
        There is no list, or it has a line that is not a hash and a name.
    """
    path = folder / SUMS
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise WeightsError(
            f"the weights that belong in {folder} are not there ({path.name}: "
            f"{error.strerror}): reinstall audio-chain"
        ) from error
    sums = {}
    for line in lines:
        digest, _, name = line.partition("  ")
        try:
            sums[check_inside(name)] = digest
        except ValueError as error:
            raise WeightsError(f"{path} has a bad line: {line!r}; reinstall audio-chain") from error
    return sums
