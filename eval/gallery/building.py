"""From run folders to what is shown: every track drawn, several at a time, broken ones left out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from audio_chain.errors import ChainError
from audio_chain.progress import Progress, silent
from eval.gallery.collecting import collect
from eval.gallery.exhibits import Exhibit, LeftOut
from eval.gallery.rendering import render
from eval.gallery.site import Shown


@dataclass(frozen=True)
class Prepared:
    """The tracks that can be shown, and what had to be left out."""

    shows: tuple[Shown, ...]
    left_out: tuple[LeftOut, ...]


def prepare(runs: Sequence[Path], *, measure: bool = True, progress: Progress = silent) -> Prepared:
    """Find the tracks of `runs` and draw them.

    Parameters
    ----------
    runs : sequence of Path
        As for `collect`.
    measure : bool
        Look for tempo and key too.
    progress : Progress
        In tracks.

    Raises
    ------
    ChainError
        As `collect`; or not one track can be drawn.
    """
    found = collect(runs)
    shows: list[Shown] = []
    left_out = list(found.left_out)
    for done, result in enumerate(_rendered(found.exhibits, measure), 1):
        (left_out if isinstance(result, LeftOut) else shows).append(result)  # type: ignore[arg-type]
        progress(done, len(found.exhibits))
    if not shows:
        raise ChainError(f"no track can be shown; the first: {left_out[0].reason}")
    return Prepared(tuple(shows), tuple(left_out))


def _rendered(exhibits: Sequence[Exhibit], measure: bool) -> Iterator[Shown | LeftOut]:
    """In order. Threads do: decoding, transforms and encoding all let go of the interpreter."""

    def one(exhibit: Exhibit) -> Shown | LeftOut:
        try:
            return Shown(exhibit, render(exhibit.track, measure=measure))
        except ChainError as error:
            return LeftOut(exhibit.track, str(error))

    pool = ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 8))
    try:
        yield from pool.map(one, exhibits)
    finally:
        pool.shutdown(cancel_futures=True)
