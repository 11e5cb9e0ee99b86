"""The parent's side of a worker: started on demand, asked one thing at a time, then stopped."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from types import TracebackType
from typing import Any, Final, NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from audio_chain.backends.process import RunningProcess
from audio_chain.backends.serve import PROTOCOL
from audio_chain.errors import ChainError, UsageError
from audio_chain.progress import Progress, silent

PATIENCE_S: Final = 600.0
"""Seconds without a word from a task after which it counts as hung."""

_HEARTBEAT_S: Final = 1.0
_LOG_BYTES: Final = 1 << 20
_MEMORY: Final = ("MemoryError", "OutOfMemoryError")
_INCOMPLETE: Final = ("ImportError", "ModuleNotFoundError")

# -I: neither PYTHONPATH nor the user's site-packages nor the working folder may interfere. Our
# own package comes last, behind all that the environment has.
_START: Final = (
    "import sys; sys.path += sys.argv[3:]; from pathlib import Path; "
    "from audio_chain.backends.serve import main; main(sys.argv[1], Path(sys.argv[2]))"
)
_ROOT: Final = Path(__file__).resolve().parents[2]


class BackendError(ChainError):
    """A backend that isn't installed, can't be, or failed. The message is one line."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What a task answered: plain values and arrays by name."""

    values: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]


class Worker:
    """A process that does the tasks of one module with one Python.

    It starts with the first `call` and stays, with what it has loaded, until `close`, the end of
    this object or of this process. It also ends when a call is abandoned (an exception in
    `progress`, Ctrl-C) or runs out of patience; the next call then starts another. So tasks are
    told everything they need each time, and keep what was expensive only to be faster.

    Parameters
    ----------
    name : str
        For messages.
    python : path
        The interpreter of the worker's environment.
    module : str
        Where its tasks are; see `audio_chain.backends.serve`.
    log : path
        Where its standard error goes, and with it all that libraries print.
    variables : mapping, optional
        Environment variables to set besides ours.
    folders : sequence of path
        Where its modules are looked for besides the environment and our own package.
    """

    def __init__(
        self,
        name: str,
        python: Path,
        module: str,
        *,
        log: Path,
        variables: Mapping[str, str] | None = None,
        folders: Sequence[Path] = (),
    ) -> None:
        self.name = name
        self._python = python
        self._module = module
        self._log = log
        self._variables = dict(variables or {})
        self._folders = [str(path) for path in (_ROOT, *folders)]
        self._running: RunningProcess | None = None
        self._calls = 0
        self._lock = threading.Lock()

    def call(
        self,
        task: str,
        values: Mapping[str, Any] | None = None,
        *,
        arrays: Mapping[str, NDArray[Any]] | None = None,
        progress: Progress = silent,
        patience: float = PATIENCE_S,
    ) -> Answer:
        """Have a task done and wait for the answer. Threads take turns.

        Parameters
        ----------
        task : str
            Its name in the module.
        values : mapping
            Anything that JSON can hold.
        arrays : mapping of str to ndarray
            Handed over as files.
        progress : Progress
            Told what the task reports, and the same again while it is silent, so that an
            exception raised by it is always in time to stop the task.
        patience : float
            Seconds without a word about this task after which the worker is stopped; starting
            has `PATIENCE_S`.

        Raises
        ------
        UsageError
            The task says that the request is wrong.
        BackendError
            The worker can't be started, failed, ended or hung; its log tells more.
        """
        with self._lock:
            running = self._started(progress)
            self._calls += 1
            paths = self._saved(arrays or {}, running.folder)
            asked = {"task": task, "values": dict(values or {}), "arrays": paths}
            try:
                self._send(running, {"id": self._calls, **asked})
                reply = self._reply(running, self._calls, progress, patience)
            except BaseException:  # abandoned: what it is doing is of no use to anybody
                self._stop()
                raise
            _remove(paths)
            if "error" in reply:
                self._fail(reply)
            return Answer(reply["values"], _loaded(reply["arrays"]))

    def close(self) -> None:
        """Stop the process, if it runs."""
        with self._lock:
            self._stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _started(self, progress: Progress) -> RunningProcess:
        """Return the process, started first if there is none or it has ended meanwhile."""
        if self._running is not None and self._running.process.poll() is None:
            return self._running
        self._stop()
        folder = Path(tempfile.mkdtemp(prefix="audio-chain-"))
        try:
            process = self._start(folder)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise BackendError(
                f"{self.name} can't be started ({error.strerror or error}): run "
                f"`audio-chain backends check {self.name}`"
            ) from error
        self._running = RunningProcess(process, folder)
        weakref.finalize(self, self._running.stop)
        try:
            ready = self._reply(self._running, None, progress, PATIENCE_S)
            if "error" in ready:
                self._fail(ready)
            if ready.get("ready") != PROTOCOL:
                raise BackendError(f"{self.name} doesn't speak as expected; see {self._log}")
        except BaseException:
            self._stop()
            raise
        return self._running

    def _start(self, folder: Path) -> subprocess.Popen[bytes]:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        old = self._log.exists() and self._log.stat().st_size > _LOG_BYTES
        # a group of its own: the terminal's Ctrl-C doesn't reach it, and its children end with it
        with self._log.open("wb" if old else "ab") as log:
            return subprocess.Popen(
                [self._python, "-I", "-c", _START, self._module, str(folder), *self._folders],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
                env={**os.environ, **self._variables},
                start_new_session=os.name != "nt",
            )

    def _send(self, running: RunningProcess, request: Mapping[str, Any]) -> None:
        line = json.dumps(request).encode("ascii") + b"\n"
        assert running.process.stdin is not None
        with suppress(OSError):  # it has ended, and `_reply` will say how
            view = memoryview(line)
            while view:
                view = view[running.process.stdin.write(view) :]

    def _reply(
        self, running: RunningProcess, call: int | None, progress: Progress, patience: float
    ) -> dict[str, Any]:
        """Wait for the last word of a call, or the first of a new worker (`call` is None)."""
        deadline = time.monotonic() + patience
        last = (0.0, 0.0)
        while True:
            try:
                message = running.messages.get(timeout=_HEARTBEAT_S)
            except Empty:
                if time.monotonic() > deadline:
                    self._hung(running, patience)
                progress(*last)
                continue
            if message is None:
                self._ended(running)
            if message.get("id") != call:
                continue
            if "progress" not in message:
                return message
            deadline = time.monotonic() + patience
            last = (message["progress"][0], message["progress"][1])
            progress(*last)

    def _ended(self, running: RunningProcess) -> NoReturn:
        code = running.process.wait()
        how = f"with exit code {code}"
        if code < 0:
            how = f"by a signal ({signal.strsignal(-code)})"
            how += ", perhaps for want of memory" if -code == signal.SIGKILL else ""
        raise BackendError(f"{self.name} ended {how}; its last words are in {self._log}")

    def _hung(self, running: RunningProcess, patience: float) -> NoReturn:
        if hasattr(signal, "SIGUSR1"):  # where it hangs goes into the log
            running.process.send_signal(signal.SIGUSR1)
            time.sleep(_HEARTBEAT_S)
        raise BackendError(
            f"{self.name} said nothing for {patience:g} s and was stopped; where it hung is in "
            f"{self._log}"
        )

    def _fail(self, reply: Mapping[str, Any]) -> NoReturn:
        kind = reply["kind"]
        said = " ".join(str(reply["error"]).split())[:300]
        if kind == "UsageError":
            raise UsageError(f"{self.name}: {said}")
        if kind == "ChainError":
            raise BackendError(f"{self.name}: {said}")
        if kind in _MEMORY:
            raise BackendError(f"{self.name} ran out of memory: ask for less at a time ({said})")
        if kind in _INCOMPLETE:
            raise BackendError(
                f"the environment of {self.name} is damaged ({said}): run `audio-chain backends "
                f"install {self.name} --again`"
            )
        raise BackendError(f"{self.name} failed: {kind}: {said}; the traceback is in {self._log}")

    def _saved(self, arrays: Mapping[str, NDArray[Any]], folder: Path) -> dict[str, str]:
        paths = {}
        for count, (name, array) in enumerate(arrays.items()):
            path = folder / f"call-{self._calls}-{count}.npy"
            try:
                np.save(path, array, allow_pickle=False)
            except OSError as error:
                raise BackendError(
                    f"can't hand {array.nbytes / 1e6:.0f} MB to {self.name} in {folder} "
                    f"({error.strerror or error}): free some space, or set TMPDIR to another folder"
                ) from error
            paths[name] = str(path)
        return paths

    def _stop(self) -> None:
        if self._running is not None:
            self._running.stop()
            self._running = None


def _loaded(paths: Mapping[str, str]) -> dict[str, NDArray[Any]]:
    arrays = {name: np.load(path, allow_pickle=False) for name, path in paths.items()}
    _remove(paths)
    return arrays


def _remove(paths: Mapping[str, str]) -> None:
    for path in paths.values():
        with suppress(OSError):
            Path(path).unlink()
