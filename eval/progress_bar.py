"""A progress bar for one piece of work, where there is a terminal to draw it on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from audio_chain.progress import Progress, silent
from audio_chain.terminal import printable


@contextmanager
def progress_bar(title: str) -> Iterator[Progress]:
    """Show a bar on standard error while the block runs; nothing at all in a pipe.

    Yields
    ------
    Progress
        To be told how far the work is.
    """
    if not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    with Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bars:
        task = bars.add_task(printable(title), total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total or None)
