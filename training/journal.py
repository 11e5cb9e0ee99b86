"""Losses and figures of a training run: a line a record, to a file and to the screen."""

from __future__ import annotations

import json
import time
from pathlib import Path


class Journal:
    """Appends JSON lines to ``folder/log.jsonl``."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "log.jsonl"
        self._start = time.monotonic()

    def write(self, **record: object) -> None:
        """Add a record, stamped with the seconds since the journal was opened."""
        line = json.dumps({"t": round(time.monotonic() - self._start, 1), **record})
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        print(line, flush=True)
