"""A value that takes long to make, made in the background before it is wanted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, Generic, TypeVar

T = TypeVar("T")

THREAD: Final = "audio-chain-later"
"""Name of the threads."""


class Later(Generic[T]):
    """What `make` returns, made once: ahead of time by `begin`, or when `get` asks for it.

    Parameters
    ----------
    make : callable
        Runs in a thread of its own.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._future: Future[T] | None = None

    def begin(self) -> Future[T]:
        """Start making the value unless that has begun or is done."""
        if self._future is None:
            self._future = Future()
            # a daemon: a program that is interrupted doesn't wait for a model to load
            threading.Thread(
                target=self._fill, args=(self._future,), name=THREAD, daemon=True
            ).start()
        return self._future

    def get(self) -> T:
        """Wait for the value.

        An exception of `make` comes out here, and the next call tries again.
        """
        future = self.begin()
        try:
            return future.result()
        except BaseException:
            self._future = None
            raise

    def forget(self) -> None:
        """Let go of the value, so that its memory can be freed."""
        self._future = None

    def _fill(self, future: Future[T]) -> None:
        try:
            future.set_result(self._make())
        except BaseException as error:  # raised where the value is wanted
            future.set_exception(error)
