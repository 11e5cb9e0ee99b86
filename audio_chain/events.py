"""A run as a stream of events, and how a backend's progress calls become one.

A front end iterates over events and draws them; it never has to know what runs in which thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, MutableMapping
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from audio_chain.progress import Progress

if TYPE_CHECKING:
    from audio_chain.run import Run

StageName = Literal["fetch", "transcribe", "rewrite", "generate", "finish"]
"""In this order; "fetch" comes once for each model whose weights are not here yet."""

Unit = Literal["bytes", "seconds", "steps"]

T = TypeVar("T")

_GRACE_S: Final = 2.0


@dataclass(frozen=True)
class StageStarted:
    """A stage begins. `total` is its amount of work in `unit`, if that is known beforehand."""

    stage: StageName
    total: float | None = None
    unit: Unit = "steps"
    detail: str = ""


@dataclass(frozen=True)
class StageProgress:
    """`done` of `total` is done, in the unit of the work. `total` may grow more exact."""

    stage: StageName
    done: float
    total: float


@dataclass(frozen=True)
class StageFinished:
    """A stage took `seconds` and made `result`.

    ``transcribe`` makes a `Transcript`, ``rewrite`` a `Brief`, ``generate`` a tuple of `Clip`,
    ``fetch`` a folder of weights, ``finish`` the `Run`.
    """

    stage: StageName
    seconds: float
    result: Any


@dataclass(frozen=True)
class Notice:
    """Something the person should know that doesn't stop the run: a licence, a length cut."""

    text: str


@dataclass(frozen=True)
class ChainFinished:
    """The run folder is complete and in place."""

    run: Run


Event = StageStarted | StageProgress | StageFinished | Notice | ChainFinished


class Cancelled(BaseException):
    """Raised in a backend by its progress callback once nobody listens any more.

    Not an ``Exception``, so that no backend takes it for a failure of its own.
    """


@dataclass(frozen=True)
class _Ended:
    error: BaseException | None = None


def staged(
    stage: StageName,
    work: Callable[[Progress], T],
    *,
    clock: MutableMapping[str, float],
    total: float | None = None,
    unit: Unit = "steps",
    detail: str = "",
) -> Generator[Event, None, T]:
    """Run `work` in a thread and yield its events; the generator returns its result.

    Exceptions of `work` come out of the generator. Closing the generator (the consumer stopped,
    or Ctrl-C) makes the next progress call in `work` raise `Cancelled`, and waits for that a
    moment; a thread deep inside native code is left to find out by itself.

    Parameters
    ----------
    stage, total, unit, detail
        As in `StageStarted`.
    work : callable
        Called with the progress callback to pass on.
    clock : mutable mapping
        The stage's seconds are added to its entry here.
    """
    inbox: SimpleQueue[StageProgress | _Ended] = SimpleQueue()
    unwanted = threading.Event()
    results: list[T] = []

    def progress(done: float, total: float) -> None:
        if unwanted.is_set():
            raise Cancelled
        inbox.put(StageProgress(stage, float(done), float(total)))

    def body() -> None:
        try:
            results.append(work(progress))
        except BaseException as error:  # handed over to the consumer
            inbox.put(_Ended(error))
        else:
            inbox.put(_Ended())

    yield StageStarted(stage, total, unit, detail)
    start = time.perf_counter()
    thread = threading.Thread(target=body, name=f"audio-chain {stage}", daemon=True)
    thread.start()
    try:
        while not isinstance(message := inbox.get(), _Ended):
            yield message
    finally:
        unwanted.set()
        thread.join(_GRACE_S)
    if message.error is not None:
        raise message.error
    seconds = time.perf_counter() - start
    clock[stage] = clock.get(stage, 0.0) + seconds
    yield StageFinished(stage, seconds, results[0])
    return results[0]
