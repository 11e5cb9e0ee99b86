"""Checkpoints of backends: found or fetched, read as tensors only, the last one kept."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from audio_chain.errors import ChainError, UsageError

T = TypeVar("T")


class LastUsed(Generic[T]):
    """Keeps the last thing that was loaded, and lets go of it before it loads another."""

    def __init__(self) -> None:
        self._kept: list[tuple[object, T]] = []

    def get(self, key: object, load: Callable[[], T]) -> T:
        """Return what belongs to `key`, loaded first unless it was asked for the last time too."""
        if not self._kept or self._kept[0][0] != key:
            self.forget()  # two may not fit into memory
            self._kept.append((key, load()))
        return self._kept[0][1]

    def forget(self) -> None:
        """Let go of it."""
        self._kept.clear()


def checkpoint(name: str, files: Sequence[str], backend: str) -> Path:
    """Return the folder of a checkpoint: a local one, or the hub's, fetched if it isn't here.

    Parameters
    ----------
    name : str
        A folder, or ``org/name`` on the hub.
    files : sequence of str
        What it consists of.
    backend : str
        Whose format that is, for messages.

    Raises
    ------
    UsageError
        A file is missing.
    ChainError
        The hub doesn't give it.
    """
    folder = Path(name) if Path(name).is_dir() else _fetched(name, files)
    for file in files:
        if not (folder / file).is_file():
            raise UsageError(f"{folder} lacks {file}: it is no checkpoint of {backend}'s")
    return folder


def _fetched(repo: str, files: Sequence[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repo, allow_patterns=[*files, "README.md"]))
    except LocalEntryNotFoundError as error:
        raise ChainError(
            f"{repo} is not in the hub's cache and the hub isn't to be asked or can't be reached: "
            "run the same command once with a network"
        ) from error
    except (HfHubHTTPError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ChainError(f"cannot fetch {repo} from the hub: {reason}") from error


@contextmanager
def only_tensors() -> Iterator[None]:
    """Make every ``torch.load`` in the block refuse all but tensors and plain values.

    audiocraft's checkpoints only exist as pickles. torch reads those with an unpickler of its own
    that knows tensors, numbers, strings and containers, and calls nothing else
    (``weights_only=True``). A library that asks for more doesn't get it.

    Raises
    ------
    ChainError
        A checkpoint holds something else.
    """
    import torch

    load = torch.load

    def guarded(*args: Any, **kwargs: Any) -> Any:
        kwargs["weights_only"] = True
        return load(*args, **kwargs)

    torch.load = guarded
    try:
        yield
    except pickle.UnpicklingError as error:
        raise ChainError(
            "the checkpoint holds Python objects besides tensors, which can run code when they "
            "are loaded: it is not used; convert it where you trust it"
        ) from error
    finally:
        torch.load = load
