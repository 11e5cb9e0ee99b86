"""Weights on the Hugging Face hub, through its own client and its own cache.

The client's cache (``HF_HOME``) is used as it is, so models that other programs have fetched are
not fetched again. It resumes, locks and replaces atomically by itself.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any, Final

from audio_chain.progress import Progress
from audio_chain.weights import cache
from audio_chain.weights.contents import check_weights
from audio_chain.weights.sources import Hub, WeightsError

_CHUNK: Final = 1 << 20
_ANSWER_SECONDS: Final = 20.0


def cached_snapshot(source: Hub) -> Path | None:
    """Return the folder in the hub's cache if all that `source` wants is in it."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = snapshot_download(
            source.repo,
            revision=source.revision,
            allow_patterns=list(source.patterns),
            local_files_only=True,
        )
        check_weights(Path(folder))
    except (LocalEntryNotFoundError, WeightsError):  # absent, or half of it
        return None
    return Path(folder)


def hub_folder(source: Hub, *, offline: bool, progress: Progress) -> Path:
    """Return the folder with the files of `source`, downloaded first where needed.

    What is cached is used without asking the hub, a branch too: to move on to a branch's newest
    commit, remove the cached one.

    Raises
    ------
    WeightsError
        Not cached and offline, the hub can't be reached or refuses, the revision has no weights
        that are safe to load, or the disk is full.
    """
    if (cached := cached_snapshot(source)) is not None:
        return cached
    if offline:
        command = f"audio-chain models fetch {source.name}" if source.name else ""
        remedy = f"run `{command}` once" if command else "run the same command once"
        raise WeightsError(
            f"{source.repo} is not in the hub's cache and the network is not to be used: {remedy} "
            "with a network"
        )
    from huggingface_hub import HfApi, snapshot_download

    try:
        # fails at once where there is no network; the download itself would retry for 25 s
        HfApi().repo_info(source.repo, revision=source.revision, timeout=_ANSWER_SECONDS)
        folder = snapshot_download(
            source.repo,
            revision=source.revision,
            allow_patterns=list(source.patterns),
            tqdm_class=_bar_class(progress),
        )
    # the client lets exceptions of its HTTP library through, and which one that is has changed
    except Exception as error:
        raise _one_line(source, error) from error
    check_weights(Path(folder))
    return Path(folder)


def _bar_class(progress: Progress) -> type[Any]:
    """Make the client's progress bars report to `progress` instead of drawing."""
    from tqdm.auto import tqdm  # type: ignore[import-untyped,unused-ignore]

    # bytes received and bytes put in place are two bars: the one that is ahead is the news
    most = {"done": 0.0, "total": 0.0}

    class ReportingBar(tqdm):  # type: ignore[misc,type-arg,unused-ignore]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)
            kwargs |= {"disable": False, "file": io.StringIO(), "mininterval": 1e9}
            super().__init__(*args, **kwargs)

        def update(self, n: float | None = 1) -> None:
            super().update(n)
            if self.unit == "B" and self.total:
                most["done"] = max(most["done"], self.n)
                most["total"] = max(most["total"], self.total, most["done"])
                progress(most["done"], most["total"])

    return ReportingBar


def _one_line(source: Hub, error: Exception) -> WeightsError:
    from huggingface_hub.errors import (
        GatedRepoError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    page = f"https://huggingface.co/{source.repo}"
    if isinstance(error, GatedRepoError):
        return WeightsError(
            f"{source.repo} is gated: accept its licence at {page}, then run `hf auth login`"
        )
    if isinstance(error, RepositoryNotFoundError):
        return WeightsError(f"the hub has no {source.repo} that you may read: see {page}")
    if isinstance(error, RevisionNotFoundError):
        return WeightsError(f"{source.repo} has no revision {source.revision}: see {page}")
    if isinstance(error, OSError) and cache.is_full(error):
        return WeightsError(f"no space left for {source.repo} in the hub's cache: set HF_HOME")
    if isinstance(error, PermissionError):
        return WeightsError(f"cannot write the hub's cache ({error}): set HF_HOME")
    cause = error.__cause__ if isinstance(error, LocalEntryNotFoundError) else None
    reason = " ".join(str(cause or error).split())[:200]
    return WeightsError(f"cannot fetch {source.repo} from the hub: {reason}")


def verify_snapshot(folder: Path) -> None:
    """Compare each file with the hash that the hub's cache names it by.

    Large files are kept under their sha256, small ones under git's hash of a blob. Where the
    system has no symbolic links the names are not kept, and presence is all that is checked.

    Raises
    ------
    WeightsError
        A file has changed; it is named.
    """
    check_weights(folder)
    for path in sorted(folder.rglob("*")):
        expected = path.resolve().name
        if path.is_symlink() and _cache_hash(path, expected) != expected:
            raise WeightsError(f"{path} has changed on disk: remove {path.resolve()} and fetch it")


def _cache_hash(path: Path, expected: str) -> str:
    if len(expected) == 64:
        return cache.sha256_of(path)
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def remove_snapshot(folder: Path) -> None:
    """Remove a snapshot from the hub's cache, and the files that no other snapshot uses."""
    from huggingface_hub import scan_cache_dir

    scan_cache_dir(folder.parents[2]).delete_revisions(folder.name).execute()
