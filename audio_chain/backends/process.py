"""A worker's process: its messages as they come, and its end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any, Final

_GRACE_S: Final = 2.0


class RunningProcess:
    """A process, its folder for arrays, and its messages as they come."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.messages: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        assert process.stdout is not None
        threading.Thread(
            target=_listen, args=(process.stdout, self.messages), name="worker", daemon=True
        ).start()

    def stop(self) -> None:
        """End the process and its children, and remove its folder. Does nothing the second time."""
        if self.process.poll() is None:
            self._signal_all(signal.SIGTERM)
            try:
                self.process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                self._signal_all(getattr(signal, "SIGKILL", signal.SIGTERM))
                self.process.wait()
        if self.process.stdin is not None:
            with suppress(OSError):
                self.process.stdin.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _signal_all(self, number: signal.Signals) -> None:
        """Signal the process and its children; only while it is known to be there."""
        if os.name == "nt":
            self.process.terminate()
        else:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)


def _listen(stream: IO[bytes], messages: SimpleQueue[dict[str, Any] | None]) -> None:
    """Pass on messages, and None at their end."""
    with stream, suppress(OSError, ValueError):
        for line in stream:
            messages.put(json.loads(line))
    messages.put(None)
