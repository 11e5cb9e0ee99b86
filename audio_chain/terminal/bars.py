"""Progress bars on standard error: one line a stage, with the time that is left."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from audio_chain.events import Event, Notice, StageFinished, StageProgress, StageStarted
from audio_chain.terminal import printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_TITLES: Final = {
    "fetch": "fetching",
    "transcribe": "listening",
    "rewrite": "writing the brief",
    "generate": "playing",
    "finish": "finishing",
}


class Quiet(AbstractContextManager["Quiet"]):
    """Shows nothing but notices: for pipes and files."""

    def show(self, event: Event) -> None:
        """Take an event."""
        if isinstance(event, Notice):
            print(f"audio-chain: note: {printable(event.text)}", file=sys.stderr)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to clean up."""


class Bars(Quiet):
    """Shows a bar for the stage at work and a line for each that is done, on a terminal."""

    def __init__(self) -> None:
        self._progress = _new_progress()
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def show(self, event: Event) -> None:
        """Take an event."""
        if isinstance(event, StageStarted):
            title = _TITLES[event.stage] + (f" {event.detail}" if event.detail else "")
            self._task = self._progress.add_task(printable(title), total=event.total)
        elif isinstance(event, StageProgress) and self._task is not None:
            self._progress.update(self._task, completed=event.done, total=event.total or None)
        elif isinstance(event, StageFinished) and self._task is not None:
            self._progress.update(self._task, completed=1.0, total=1.0)
            if outcome := _outcome(event):
                self._say(outcome)
        elif isinstance(event, Notice):
            self._say(f"note: {event.text}")

    def _say(self, text: str) -> None:
        self._progress.console.print(printable(text), markup=False, highlight=False)


def _outcome(event: StageFinished) -> str:
    """What a stage found out, for somebody who watches."""
    if event.stage == "transcribe":
        return f"heard: {event.result.text}"
    if event.stage == "rewrite":
        brief = event.result
        bpm = f", {brief.tempo_bpm} bpm" if brief.tempo_bpm else ""
        return f"brief: {brief.genre}, {brief.mood}, {brief.tempo}{bpm}: {brief.description}"
    return ""


def _new_progress() -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=28),
        TaskProgressColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("took"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )


def display() -> Quiet:
    """Bars on a terminal, nothing but notices in a pipe."""
    return Bars() if sys.stderr.isatty() else Quiet()
