"""`audio-chain gallery`, `report` and `plot`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from audio_chain.errors import ChainError

if TYPE_CHECKING:
    from audio_chain.progress import Progress
    from eval.gallery.building import Prepared
    from eval.gallery.exhibits import LeftOut

T = TypeVar("T")


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the three commands."""
    gallery = commands.add_parser("gallery", help="make a web page of runs to look at and hear")
    gallery.set_defaults(command=_gallery)
    _add_runs(gallery)
    gallery.add_argument(
        "-o", "--out", type=Path, required=True, metavar="SITE", help="folder: new, or a gallery"
    )
    gallery.add_argument("--title", default="Gallery", help="(%(default)s)")
    gallery.add_argument(
        "--audio",
        choices=("original", "mp3", "ogg"),
        default="original",
        help="copy the tracks, or compress them (%(default)s)",
    )
    gallery.add_argument(
        "--sheet", type=Path, metavar="FILE", help="a contact sheet too: .png or .pdf"
    )

    report = commands.add_parser("report", help="make one file of runs, for an appendix")
    report.set_defaults(command=_report)
    _add_runs(report)
    report.add_argument(
        "-o", "--out", type=Path, required=True, metavar="FILE", help="report.html or report.pdf"
    )
    report.add_argument("--title", default="Generated music", help="(%(default)s)")

    plot = commands.add_parser("plot", help="draw pictures of audio files")
    plot.set_defaults(command=_plot)
    plot.add_argument("files", nargs="+", type=Path, metavar="FILE", help="audio of any kind")
    plot.add_argument(
        "--kind",
        choices=("mel", "linear", "chroma", "waveform"),
        default="mel",
        help="(%(default)s)",
    )
    plot.add_argument(
        "-o",
        "--out",
        type=Path,
        metavar="OUT",
        help="a .png, .svg or .pdf file; or a folder for PNGs (default: this folder)",
    )
    plot.add_argument("--json", action="store_true", help="the result as JSON on stdout")


def _add_runs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUNS", help="folders to search for run.json"
    )
    parser.add_argument("--no-measure", action="store_true", help="don't look for tempo and key")
    parser.add_argument("--json", action="store_true", help="the result as JSON on stdout")


def _gallery(arguments: argparse.Namespace) -> int:
    from eval.gallery.site import build_site, check_target

    check_target(arguments.out)
    if arguments.sheet is not None:
        from eval.gallery.sheet import check_sheet

        check_sheet(arguments.sheet)
    prepared = _prepare(arguments)

    def build(progress: Progress) -> Path:
        done = 0

        def tick() -> None:
            nonlocal done
            done += 1
            progress(done, len(prepared.shows))

        return build_site(
            prepared.shows,
            arguments.out,
            title=arguments.title,
            sound=arguments.audio,
            tick=tick,
        )

    made = [_shown("the gallery", build)]
    if arguments.sheet is not None:
        from eval.gallery.sheet import draw_sheet

        made.append(
            _shown(
                "the contact sheet",
                lambda progress: draw_sheet(prepared.shows, arguments.sheet, arguments.title),
            )
        )
    return _tell(arguments, made, len(prepared.shows), prepared.left_out)


def _report(arguments: argparse.Namespace) -> int:
    from eval.gallery.report import build_report, check_report

    check_report(arguments.out)
    prepared = _prepare(arguments)
    made = _shown(
        "the report",
        lambda progress: build_report(
            prepared.shows, arguments.out, title=arguments.title, progress=progress
        ),
    )
    return _tell(arguments, [made], len(prepared.shows), prepared.left_out)


def _plot(arguments: argparse.Namespace) -> int:
    from eval.gallery.exhibits import LeftOut
    from eval.gallery.plot import draw_plot, plot_paths

    targets = plot_paths(arguments.files, arguments.kind, arguments.out)

    def draw(progress: Progress) -> tuple[list[Path], list[LeftOut]]:
        made, left_out = [], []
        for done, (file, target) in enumerate(targets, 1):
            try:
                made.append(draw_plot(file, target, arguments.kind))
            except ChainError as error:
                if len(targets) == 1:
                    raise
                left_out.append(LeftOut(file, str(error)))
            progress(done, len(targets))
        return made, left_out

    made, left_out = _shown("the pictures", draw)
    _tell(arguments, made, len(made), left_out)
    return 1 if left_out else 0


def _prepare(arguments: argparse.Namespace) -> Prepared:
    """Find and draw the tracks; say what is left out."""
    from audio_chain.events import Notice
    from audio_chain.terminal.bars import display
    from eval.gallery.building import prepare
    from eval.gallery.hearing import can_hear

    measure = not arguments.no_measure
    notes = []
    if measure and not can_hear():
        measure = False
        notes.append('tempo and key are not measured: pip install "audio-chain[eval]"')
    prepared = _shown(
        "the pictures",
        lambda progress: prepare(arguments.runs, measure=measure, progress=progress),
    )
    with display() as shown:
        for note in notes:
            shown.show(Notice(note))
    return prepared


def _shown(detail: str, work: Callable[[Progress], T]) -> T:
    """Do the work with a bar on a terminal."""
    from audio_chain.events import StageFinished, staged
    from audio_chain.terminal.bars import display

    with display() as shown:
        for event in staged("finish", work, clock={}, detail=detail):
            shown.show(event)
    assert isinstance(event, StageFinished)
    result: T = event.result
    return result


def _tell(
    arguments: argparse.Namespace, made: Iterable[Path], count: int, left_out: Iterable[LeftOut]
) -> int:
    """Print what was made, and a line for each thing that was left out."""
    from audio_chain.terminal import printable

    left_out = list(left_out)
    for one in left_out:
        print(f"audio-chain: left out: {printable(one.reason)}", file=sys.stderr)
    if left_out:
        print(f"audio-chain: {len(left_out)} left out, {count} shown", file=sys.stderr)
    if arguments.json:
        result = {
            "event": "finished",
            "made": [str(path) for path in made],
            "shown": count,
            "left_out": [{"path": str(one.path), "reason": one.reason} for one in left_out],
        }
        print(json.dumps(result))
    else:
        for path in made:
            print(path)
    return 0
