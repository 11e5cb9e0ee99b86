"""The worker's side: takes requests from standard input, answers on standard output.

One JSON object a line, in ASCII. The parent sends::

    {"id": 1, "task": "frechet", "values": {...}, "arrays": {"reference": "/…/1.npy"}}

and gets, in this order: ``{"ready": "…"}`` once; ``{"id": 1, "progress": [done, total]}`` any
number of times; then ``{"id": 1, "values": {...}, "arrays": {...}}`` or ``{"id": 1, "error":
"…", "kind": "…"}``. Arrays travel as ``.npy`` files in the worker's folder, never pickled.

What libraries print goes to the log: standard output is moved before any of them is imported.
When the parent is gone, however it went, standard input ends and so does the worker. (The kernel
could signal the parent's death too, but it means the thread that started the worker: our threads
come and go.)

Only the standard library is used here, NumPy where arrays travel.
"""

from __future__ import annotations

import faulthandler
import importlib
import io
import json
import os
import queue
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from audio_chain.errors import ChainError, UsageError
from audio_chain.progress import Progress

PROTOCOL: Final = "audio-chain worker 1"

_PROGRESS_S: Final = 0.05


@dataclass(frozen=True)
class Job:
    """What a task is asked.

    Parameters
    ----------
    values : mapping
        Plain values by name, as the parent gave them.
    arrays : mapping of str to ndarray
        Read-only arrays by name; their files are mapped, not read.
    progress : Progress
        To be told how far the task is. Every call is also a sign of life.
    """

    values: Mapping[str, Any]
    arrays: Mapping[str, Any]
    progress: Progress


@dataclass(frozen=True)
class Reply:
    """What a task answers: plain values and arrays by name."""

    values: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, Any] = field(default_factory=dict)


Task = Callable[[Job], Reply]
"""Modules of tasks have a mapping ``TASKS`` from name to such a function.

What it raises of our own errors is for the user as it is; everything else is a failure.
"""


def main(module: str, folder: Path) -> None:
    """Serve the tasks of `module`, with arrays in `folder`, until standard input ends."""
    channel = _Channel(folder)
    try:
        tasks: Mapping[str, Task] = importlib.import_module(module).TASKS
    except Exception as error:
        channel.send(_failure(error))
        return
    channel.send({"ready": PROTOCOL})
    while True:
        request = channel.requests.get()
        channel.send({"id": request["id"], **_answer(tasks, request, channel)})


class _Channel:
    """The parent's lines, with everything else kept away from them."""

    def __init__(self, folder: Path) -> None:
        # the terminal's Ctrl-C is the parent's to handle
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        faulthandler.enable()
        if hasattr(signal, "SIGUSR1"):
            faulthandler.register(signal.SIGUSR1, all_threads=True)
        self._folder = folder
        self._in: IO[bytes] = os.fdopen(os.dup(0), "rb")
        self._out: IO[bytes] = os.fdopen(os.dup(1), "wb", buffering=0)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(
                stream, io.TextIOWrapper
            ):  # any text can be printed, and is there at once
                stream.reconfigure(errors="backslashreplace", line_buffering=True)
        self.requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        threading.Thread(target=self._listen, name="parent", daemon=True).start()

    def send(self, message: Mapping[str, Any]) -> None:
        """Tell the parent something, in one write."""
        try:
            self._out.write(json.dumps(message).encode("ascii") + b"\n")
        except OSError:
            self._leave()

    def load(self, paths: Mapping[str, str]) -> dict[str, Any]:
        """Map the arrays of a request."""
        if not paths:
            return {}
        import numpy as np

        return {
            name: np.load(path, mmap_mode="r", allow_pickle=False) for name, path in paths.items()
        }

    def save(self, arrays: Mapping[str, Any], job: int) -> dict[str, str]:
        """Write the arrays of an answer."""
        if not arrays:
            return {}
        import numpy as np

        paths = {}
        for count, (name, array) in enumerate(arrays.items()):
            path = self._folder / f"answer-{job}-{count}.npy"
            np.save(path, array, allow_pickle=False)
            paths[name] = str(path)
        return paths

    def _listen(self) -> None:
        for line in self._in:
            self.requests.put(json.loads(line))
        self._leave()

    def _leave(self) -> None:
        """End at once, whatever the task is doing, and its children: nobody is left to hear."""
        shutil.rmtree(self._folder, ignore_errors=True)
        if os.name != "nt" and os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(0)


def _answer(
    tasks: Mapping[str, Task], request: Mapping[str, Any], channel: _Channel
) -> dict[str, Any]:
    told = 0.0

    def progress(done: float, total: float) -> None:
        nonlocal told
        now = time.monotonic()
        if done >= total or now - told >= _PROGRESS_S:
            told = now
            channel.send({"id": request["id"], "progress": [float(done), float(total)]})

    try:
        job = Job(request["values"], channel.load(request["arrays"]), progress)
        reply = tasks[request["task"]](job)
        return {
            "values": dict(reply.values),
            "arrays": channel.save(reply.arrays, request["id"]),
        }
    except Exception as error:
        return _failure(error)


def _failure(error: Exception) -> dict[str, Any]:
    """Say what it is about; the traceback of what wasn't foreseen goes into the log."""
    for kind in (UsageError, ChainError):
        if isinstance(error, kind):
            return {"error": str(error), "kind": kind.__name__}
    print(time.strftime("%Y-%m-%d %H:%M:%S"), file=sys.stderr)
    traceback.print_exception(error)
    sys.stderr.flush()
    return {"error": str(error), "kind": type(error).__name__}
