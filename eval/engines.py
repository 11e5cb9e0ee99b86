"""Other people's Fréchet audio distance, to hold ours against.

The engine is `frechet-audio-distance`, the package that people cite and compare with. It can't
live in our environment; ``audio-chain backends install frechet-audio-distance`` makes it one.
What it gets wrong is not repeated here, but made an error:

* Its ``score`` answers -1 to every exception. -1 is no distance.
* It goes on without the files after the first that can't be embedded, and says so on a terminal
  only.
* Its PANNs puts vectors end to end instead of one above the other, so that the Gaussian it
  compares is of one number: three files of 2048 dimensions become 6144 samples of one. That path
  is not offered.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from audio_chain.errors import UsageError
from audio_chain.progress import Progress, silent

if TYPE_CHECKING:
    from audio_chain.backends.worker import Worker

PEER: Final = "frechet-audio-distance"

PATIENCE_S: Final = 3600.0
"""Seconds that its square root of a matrix may take: 2048 dimensions take a minute or more."""


@dataclass(frozen=True)
class PeerScore:
    """What the peer's whole run came to.

    Attributes
    ----------
    value : float
        The distance.
    seconds : float
        Reading, embedding and comparing, without starting up and loading the model.
    processor_seconds : float
        The same in time of processors, of all its threads: what a busy machine leaves comparable.
    files : int
        That were embedded, of both folders.
    peak_megabytes : float
        The most memory that its process has had, all that it imports included.
    """

    value: float
    seconds: float
    processor_seconds: float
    files: int
    peak_megabytes: float


def peer_frechet(
    reference: NDArray[Any], generated: NDArray[Any], *, progress: Progress = silent
) -> float:
    """Squared Fréchet distance of two sets of embeddings, as frechet-audio-distance computes it.

    Parameters
    ----------
    reference, generated : ndarray, shape (windows, dimensions)
        The same number of dimensions, at least two windows each.

    Raises
    ------
    UsageError
        The arrays aren't such, or the distance came out as no number.
    BackendError
        The package isn't installed or fails.
    """
    return timed_peer_frechet(reference, generated, progress=progress)[0]


def timed_peer_frechet(
    reference: NDArray[Any], generated: NDArray[Any], *, progress: Progress = silent
) -> tuple[float, float]:
    """As `peer_frechet`, and the seconds of its statistics and distance alone."""
    for name, array in (("reference", reference), ("generated", generated)):
        if array.ndim != 2 or len(array) < 2 or not np.isfinite(array).all():
            raise UsageError(
                f"the {name} embeddings must be at least two rows of numbers, not {array.shape}"
            )
    if reference.shape[1] != generated.shape[1]:
        raise UsageError(
            f"embeddings of {reference.shape[1]} and {generated.shape[1]} dimensions can't be "
            "compared"
        )
    answer = _worker().call(
        "frechet",
        arrays={"reference": reference, "generated": generated},
        progress=progress,
        patience=PATIENCE_S,
    )
    return answer.values["value"], answer.values["seconds"]


def peer_score(
    reference: Path, generated: Path, *, embedder: str = "clap-nano", progress: Progress = silent
) -> PeerScore:
    """Run frechet-audio-distance's ``score`` over two folders, with an embedder of ours inside.

    Its own embedders are downloaded when they are made. Reading, resampling (resampy), mixing,
    keeping and comparing are all its own.

    Parameters
    ----------
    reference, generated : path
        Folders with audio files that libsndfile reads, and nothing else.
    embedder : str
        As for `eval.embedders.load_embedder`.
    progress : Progress
        Told files.

    Raises
    ------
    UsageError
        There is no such folder, or the peer failed; the message says why.
    BackendError
        The package isn't installed or fails.
    """
    for folder in (reference, generated):
        if not folder.is_dir():
            raise UsageError(f"there is no folder {str(folder)!r}")
    values = {
        "reference": str(reference.absolute()),
        "generated": str(generated.absolute()),
        "embedder": embedder,
    }
    answer = _worker().call("score", values, progress=progress, patience=PATIENCE_S)
    return PeerScore(**answer.values)


def close_peer() -> None:
    """Stop the peer's process; the next call starts another."""
    if _worker.cache_info().currsize:
        _worker().close()
    _worker.cache_clear()


@cache
def _worker() -> Worker:
    from audio_chain.backends.workers import open_worker

    return open_worker(PEER, offline=True)
