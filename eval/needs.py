"""Packages that only measuring needs: the extra ``eval``."""

from __future__ import annotations

from importlib.util import find_spec

from audio_chain.errors import ChainError


def check_installed(what: str, *packages: str) -> None:
    """Raise `ChainError` if `what` can't be done for want of a package."""
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        names = " and ".join(missing)
        raise ChainError(f'{what} needs {names}: pip install "audio-chain[eval]"')
