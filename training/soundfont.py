"""Fetch the soundfont that the data factory plays.

FluidR3Mono_GM.sf3 is a mono version by Michael Cowgill of Frank Wen's Fluid (R3), under the MIT
licence, packaged by Debian as ``fluidr3mono-gm-soundfont`` 2.315-7 (23.6 MB). It isn't part of
this repository. Data depend on every bit of it, so the file's hash is pinned.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from audio_chain.errors import ChainError
from audio_chain.weights import derived, offline_by_environment

SHA256: Final = "cda013d8c370a48ae8dad271e761078d2e77455488dabdedbfbe5fc76a38c682"
VARIABLE: Final = "AUDIO_CHAIN_SOUNDFONT"

_FILE: Final = "FluidR3Mono_GM.sf3"
_PACKAGE: Final = "fluidr3mono-gm-soundfont"
_IN_PACKAGE: Final = Path("usr/share", _PACKAGE, _FILE)
_INSTALLED: Final = (
    Path("/usr/share/sounds/sf3", _FILE),
    Path("/", _IN_PACKAGE),
    Path("/usr/share/soundfonts", _FILE),
)
_BY_HAND: Final = f"install Debian's package {_PACKAGE}, or set {VARIABLE} to a copy of its {_FILE}"


class SoundfontError(ChainError):
    """The soundfont can't be had, or isn't the one that the factory needs."""


def fetch_soundfont() -> Path:
    """Find the soundfont on this machine, or download it once.

    Looked for in turn: the file that ``AUDIO_CHAIN_SOUNDFONT`` names, where distributions install
    it, the cache; then Debian's package is downloaded with ``apt-get`` (no root needed) and
    unpacked into the cache.

    Returns
    -------
    Path
        The file, its hash checked.

    Raises
    ------
    SoundfontError
        The named file is missing or another one, or the download failed; says what to do.
    """
    if chosen := os.environ.get(VARIABLE):
        return _checked(Path(chosen).expanduser())
    for path in _INSTALLED:
        if path.is_file() and _sha256(path) == SHA256:
            return path
    return derived("soundfont", SHA256, _download) / _FILE


def _checked(path: Path) -> Path:
    if not path.is_file():
        raise SoundfontError(f"{VARIABLE} names {path}, which is not a file: {_BY_HAND}")
    if (found := _sha256(path)) != SHA256:
        raise SoundfontError(f"{path} has sha256 {found}, not {SHA256}: {_BY_HAND}")
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _download(folder: Path) -> None:
    """Put the soundfont into a folder."""
    if offline_by_environment():
        raise SoundfontError(f"AUDIO_CHAIN_OFFLINE is set and {_FILE} is not here: {_BY_HAND}")
    with tempfile.TemporaryDirectory() as name:
        here = Path(name)
        _run(["apt-get", "download", _PACKAGE], here)
        package = next(here.glob("*.deb"))
        _run(["dpkg-deb", "-x", package.name, "unpacked"], here)
        unpacked = here / "unpacked" / _IN_PACKAGE
        if _sha256(unpacked) != SHA256:
            raise SoundfontError(f"{package.name} holds another {_FILE}: {_BY_HAND} of 2.315-7")
        shutil.copyfile(unpacked, folder / _FILE)


def _run(command: Sequence[str], folder: Path) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise SoundfontError(f"no {command[0]} here to get {_FILE} with: {_BY_HAND}") from error
    except subprocess.CalledProcessError as error:
        reason = " ".join(error.stderr.split()) or f"exit code {error.returncode}"
        raise SoundfontError(f"{' '.join(command)} failed ({reason}): {_BY_HAND}") from error
