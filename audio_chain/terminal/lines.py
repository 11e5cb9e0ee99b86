"""Events as JSON lines on standard output, for programs that watch a run."""

from __future__ import annotations

import json
from typing import Any

from audio_chain.errors import ChainError
from audio_chain.events import (
    ChainFinished,
    Event,
    Notice,
    StageFinished,
    StageProgress,
    StageStarted,
)
from audio_chain.run import Run
from audio_chain.terminal.bars import Quiet


class Lines(Quiet):
    """Writes one JSON object a line for each event; its ``event`` key says which."""

    def show(self, event: Event) -> None:
        """Take an event."""
        print(json.dumps(event_fields(event)), flush=True)


def event_fields(event: Event) -> dict[str, Any]:
    """Give an event as plain values."""
    match event:
        case StageStarted(stage, total, unit, detail):
            fields = {"stage": stage, "total": total, "unit": unit, "detail": detail}
            return {"event": "stage_started", **fields}
        case StageProgress(stage, done, total):
            return {"event": "stage_progress", "stage": stage, "done": done, "total": total}
        case StageFinished(stage, seconds, result):
            fields = {"stage": stage, "seconds": round(seconds, 3), "result": _plain(result)}
            return {"event": "stage_finished", **fields}
        case Notice(text):
            return {"event": "notice", "text": text}
        case ChainFinished(run):
            return {"event": "finished", **run_fields(run)}


def run_fields(run: Run) -> dict[str, Any]:
    """Give a run's paths and seeds as plain values."""
    return {
        "folder": str(run.folder),
        "tracks": [str(path) for path in run.tracks],
        "pictures": [str(path) for path in run.pictures],
        "page": str(run.page),
        "manifest": str(run.manifest),
        "prompt": run.prompt,
        "seeds": list(run.request.seeds),
        "seconds": dict(run.seconds),
    }


def error_fields(error: ChainError) -> dict[str, Any]:
    """Give a failure as plain values."""
    notes = getattr(error, "__notes__", [])
    return {"event": "failed", "message": str(error), "notes": notes, "exit": error.exit_code}


def _plain(result: Any) -> Any:
    """A stage's result where it is short enough for a line."""
    return result.to_dict() if hasattr(result, "to_dict") else None
