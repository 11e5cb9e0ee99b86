"""Run a benchmark: generate what is missing, score, write tables and plots."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audio_chain.files import write_whole
from audio_chain.progress import Progress
from eval.adherence.listener import load_listener
from eval.bench.contenders import Contender, Weights, weights_of
from eval.bench.figures import contestant
from eval.bench.generating import generate, tasks
from eval.bench.plots import draw
from eval.bench.questions import Questions
from eval.bench.reference import FACTORY, load_reference
from eval.bench.report import Report
from eval.bench.scoring import Judges, score
from eval.bench.store import Entry, Store
from eval.bench.tables import comma_separated, markdown
from eval.embedders import Embedder, load_embedder, load_text_embedder

PLOTS: Final = "plots"

Bar = Callable[[str], AbstractContextManager[Progress]]
"""Shows the progress of a piece of work with a title."""


@dataclass(frozen=True)
class Settings:
    """What a benchmark is run with.

    Attributes
    ----------
    questions : Questions
    contenders : tuple of Contender
    folder : Path
        Where everything goes; what is in it already is used.
    seconds : float
    seeds : tuple of int
    clap, embedder : str
        For the CLAP score; for FAD and KAD.
    reference : str
        ``factory``, saved statistics, a folder, or a list of files.
    device : str
    offline : bool
    """

    questions: Questions
    contenders: tuple[Contender, ...]
    folder: Path
    seconds: float
    seeds: tuple[int, ...] = (0,)
    clap: str = "clap-nano"
    embedder: str = "clap-nano"
    reference: str = FACTORY
    device: str = "auto"
    offline: bool = False


def run(settings: Settings, bar: Bar) -> Report:
    """Run a benchmark.

    Clips are kept as they are made: after a stop the same call goes on. Tables and plots are
    written at the end, each whole.

    Parameters
    ----------
    settings : Settings
    bar : callable
        Shows progress.

    Raises
    ------
    ChainError
        A model can't be had, a clip is too long for it, the folder can't be written to ...
    """
    made = [_made(settings, contender, bar) for contender in settings.contenders]
    judges = _judges(settings, bar)
    contestants = []
    for contender, weights, entries in made:
        with bar(f"scoring {contender.label}") as progress:
            scores = score(contender, weights, entries, judges, progress=progress)
        contestants.append(contestant(scores))
    report = Report(
        folder=settings.folder,
        questions=settings.questions,
        seconds=settings.seconds,
        seeds=settings.seeds,
        judges=judges,
        contestants=tuple(contestants),
    )
    write(report)
    return report


def write(report: Report) -> None:
    """Write ``table.md``, ``table.json``, ``table.csv``, ``scores.json`` and the plots."""
    folder = report.folder
    texts = {
        "table.md": markdown(report),
        "table.csv": comma_separated(report),
        "table.json": _json(report.to_dict()),
        "scores.json": _json(report.score_rows()),
    }
    for name, text in texts.items():
        write_whole(folder / name, io.BytesIO(text.encode()))
    draw(report, folder / PLOTS)


def _made(
    settings: Settings, contender: Contender, bar: Bar
) -> tuple[Contender, Weights, Sequence[Entry]]:
    with bar(f"fetching {contender.label}") as progress:
        weights = weights_of(contender, offline=settings.offline, progress=progress)
    wanted = tasks(contender, weights, settings.questions, settings.seeds, settings.seconds)
    store = Store(settings.folder)
    with bar(f"playing {contender.label}") as progress:
        entries = list(
            generate(
                store,
                wanted,
                device=settings.device,
                offline=settings.offline,
                progress=progress,
            )
        )
    return contender, weights, entries


def _judges(settings: Settings, bar: Bar) -> Judges:
    device, offline = settings.device, settings.offline
    with bar(f"fetching {settings.clap}") as progress:
        clap = load_text_embedder(settings.clap, device=device, offline=offline, progress=progress)
    embedder: Embedder = clap
    if settings.embedder != settings.clap:
        with bar(f"fetching {settings.embedder}") as progress:
            embedder = load_embedder(
                settings.embedder, device=device, offline=offline, progress=progress
            )
    with bar(f"reading {settings.reference}") as progress:
        reference = load_reference(settings.reference, embedder, progress=progress)
    return Judges(clap, embedder, reference, load_listener())


def _json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
