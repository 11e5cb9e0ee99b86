"""The cache folder: each entry is built once, under a lock, and appears whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from audio_chain.weights.sources import MANIFEST, WeightsError

logger = logging.getLogger(__name__)

_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


def cache_dir() -> Path:
    """Folder of all that is fetched or built: ``AUDIO_CHAIN_CACHE``, or the platform's own."""
    if chosen := os.environ.get("AUDIO_CHAIN_CACHE"):
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return platformdirs.user_cache_path("audio-chain", appauthor=False)


def offline_by_environment() -> bool:
    """Whether ``AUDIO_CHAIN_OFFLINE`` forbids the network."""
    return os.environ.get("AUDIO_CHAIN_OFFLINE", "") not in ("", "0")


def sha256_of(path: Path) -> str:
    """Hash a file, in hexadecimal, without holding it in memory."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def entry(kind: str, name: str, key: str) -> Path:
    """Path of the cached folder of that kind for `name`, one for each `key`."""
    if not _PLAIN_NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot name a folder of the cache")
    digest = hashlib.sha256(key.encode()).hexdigest()[:12]
    return cache_dir() / kind / f"{name}-{digest}"


def is_full(error: OSError) -> bool:
    """Whether the disk or the user's share of it is used up."""
    return error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def disk_error(error: OSError, folder: Path) -> WeightsError:
    """Say what went wrong on the disk, and what to do about it."""
    reason = error.strerror or str(error)
    if is_full(error):
        return WeightsError(
            f"no space left for weights in {folder}: free some, or set AUDIO_CHAIN_CACHE to a "
            "folder on a larger disk"
        )
    return WeightsError(
        f"cannot write weights to {folder} ({reason}): set AUDIO_CHAIN_CACHE to a folder that "
        "you can write to"
    )


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn the operating system's errors of work in `folder` into `WeightsError`."""
    try:
        yield
    except ConnectionError:  # not the disk's: a progress bar that writes to a closed pipe
        raise
    except OSError as error:
        raise disk_error(error, folder) from error


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Hold the lock of a cache entry; the system drops it should the process be killed."""
    from filelock import FileLock, Timeout

    lock = FileLock(target.with_name(f".{target.name}.lock"))
    with disk_errors(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0.5)
        except Timeout:
            logger.warning("waiting for another process that is preparing %s", target.name)
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def build_once(target: Path, origin: Mapping[str, Any], build: Callable[[Path], None]) -> Path:
    """Return the cache entry `target`, built first if it isn't there whole.

    Parameters
    ----------
    target : Path
        The entry's folder, as from `entry`.
    origin : mapping
        What the entry is made of, kept in its manifest for people to read.
    build : callable
        Fills the empty folder that it is given. If it fails, nothing is left of its work.

    Raises
    ------
    WeightsError
        The cache can't be written to, or there is no space left.
    """
    if not missing_from(target):
        return target
    with locked(target):
        if not missing_from(target):  # another process was faster
            return target
        staging = target.with_name(f"{target.name}.tmp")
        try:
            with disk_errors(target.parent):
                remove_tree(staging)  # left by a process that was killed
                staging.mkdir()
            build(staging)
            with disk_errors(target.parent):
                _write_manifest(staging, origin)
                remove_tree(target)  # damaged, or the check above would have returned it
                os.replace(staging, target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return target


def missing_from(target: Path) -> str:
    """Name what a cache entry lacks, judged by the sizes of its files; "" if it is whole."""
    try:
        files = read_manifest(target)
        for name, facts in files.items():
            if (target / name).stat().st_size != facts["size"]:
                return name
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return MANIFEST
    return ""


def check_hashes(target: Path) -> None:
    """Read every file of a cache entry again and compare it with the manifest.

    Raises
    ------
    WeightsError
        A file is missing or has changed; it is named.
    """
    if lacking := missing_from(target):
        raise WeightsError(f"{target / lacking} is missing or incomplete: remove {target}")
    for name, facts in read_manifest(target).items():
        found = sha256_of(target / name)
        if found != facts["sha256"]:
            raise WeightsError(
                f"{target / name} has changed on disk: its sha256 is {found}, expected "
                f"{facts['sha256']}; remove {target}"
            )


def read_manifest(target: Path) -> dict[str, dict[str, Any]]:
    """Read ``{file name: {"size": bytes, "sha256": digest}}`` of a cache entry."""
    document = json.loads((target / MANIFEST).read_text(encoding="utf-8"))
    files: dict[str, dict[str, Any]] = document["files"]
    return files


def _write_manifest(folder: Path, origin: Mapping[str, Any]) -> None:
    files = {
        path.relative_to(folder).as_posix(): {
            "size": path.stat().st_size,
            "sha256": sha256_of(path),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    document = json.dumps({"origin": origin, "files": files}, indent=1)
    (folder / MANIFEST).write_text(document + "\n", encoding="utf-8")


def remove_tree(path: Path) -> None:
    """Remove a folder if it is there."""
    if path.exists():
        shutil.rmtree(path)


def remove_entry(target: Path) -> None:
    """Remove a cache entry, whole or damaged, when nobody is building it."""
    if target.exists():
        with locked(target), disk_errors(target.parent):
            remove_tree(target)


def bytes_in(folder: Path) -> int:
    """Sum the sizes of all files below a folder, links followed."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def derived(name: str, key: str, build: Callable[[Path], None]) -> Path:
    """Return a cached folder made from other weights, for instance a converted checkpoint.

    It is built at most once for each `key`, whatever the number of processes that ask.

    Parameters
    ----------
    name : str
        Letters, digits, dots, dashes: the folder's name begins with it.
    key : str
        Everything the result depends on: the source's hash, the conversion's version.
    build : callable
        Fills the empty folder that it is given; its own exceptions pass through, and then
        nothing is kept.

    Returns
    -------
    Path
        The folder. Treat it as read-only.

    Raises
    ------
    WeightsError
        The cache can't be written to, or there is no space left.
    """
    return build_once(entry("derived", name, key), {"name": name, "key": key}, build)
