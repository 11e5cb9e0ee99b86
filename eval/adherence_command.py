"""`audio-chain eval adherence DIR`: did tracks do what was asked?"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from audio_chain.errors import ChainError, UsageError
from audio_chain.files import shown
from audio_chain.terminal import printable

if TYPE_CHECKING:
    from eval.adherence.findings import Adherence
    from eval.adherence.folders import Track, Unreadable

_DESCRIPTION: Final = """\
Measure tempo, key, genre, instruments, silence, clipping, drones, repetition and loudness against
what was asked. DIR is a run folder, a folder of them, or the folder of `audio-chain eval bench`.
What does not apply is said, not scored; every estimator's own error stands beside its figure.
"""


def add(actions: argparse._SubParsersAction[Any]) -> None:
    """Add the command to ``audio-chain eval``."""
    parser = actions.add_parser(
        "adherence",
        help="did tracks keep the tempo, key and instruments that were asked?",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=run)
    parser.add_argument("folder", type=Path, metavar="DIR", help="runs, or a benchmark")
    parser.add_argument("--clips", action="store_true", help="each clip's findings as well")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; return the exit code."""
    from eval.adherence.summary import summarize
    from eval.needs import check_installed

    check_installed("adherence", "librosa")
    wanted, broken = find(arguments.folder)
    measured = measure_all(wanted, broken)
    for bad in broken:
        print(printable(f"left out: {bad.path}: {bad.reason}"), file=sys.stderr)
    if not measured:
        raise ChainError(f"none of the tracks of {shown(arguments.folder)} can be measured")
    models = list(dict.fromkeys(track.model for track, _ in measured))
    rates = {
        model: summarize([found for track, found in measured if track.model == model])
        for model in models
    }
    if arguments.json:
        results = {
            "used": len(measured),
            "broken": [{"file": str(bad.path), "reason": bad.reason} for bad in broken],
            "models": {
                model: {name: rate.to_dict() for name, rate in of_model.items()}
                for model, of_model in rates.items()
            },
            "clips": [
                {"file": str(track.path), "model": track.model, "findings": found.to_dict()}
                for track, found in measured
            ],
        }
        print(json.dumps(results, ensure_ascii=False, allow_nan=False))
        return 0
    if arguments.clips:
        print("\n".join(_clip_lines(measured)))
    print("\n".join(_lines(rates, len(measured), len(broken))))
    return 0


def find(folder: Path) -> tuple[list[Track], list[Unreadable]]:
    """Find tracks in a folder of runs or of a benchmark.

    Raises
    ------
    UsageError
        There is no such folder, or neither in it.
    """
    from eval.adherence.folders import Track, Unreadable, tracks
    from eval.bench.store import CLIPS, Entry, entries

    if not folder.is_dir():
        raise UsageError(f"there is no folder {shown(folder)}; give run folders or a benchmark's")
    found: list[Track] = []
    broken: list[Unreadable] = []
    for one in tracks(folder):
        if isinstance(one, Track):
            found.append(one)
        else:
            broken.append(one)
    for entry in entries(folder):
        if isinstance(entry, Entry):
            found.append(Track(entry.path, entry.model, entry.asked))
        else:
            broken.append(Unreadable(folder / CLIPS, str(entry)))
    if not found and not broken:
        raise UsageError(
            f"{shown(folder)} holds neither runs (run.json) nor a benchmark ({CLIPS}/); give "
            "another folder"
        )
    return found, broken


def measure_all(wanted: list[Track], broken: list[Unreadable]) -> list[tuple[Track, Adherence]]:
    """Measure tracks; those that can't be are added to `broken`."""
    from audio_chain.audio import decode
    from eval.adherence.folders import Unreadable
    from eval.adherence.measuring import measure
    from eval.progress_bar import progress_bar

    measured = []
    with progress_bar("listening") as progress:
        for done, track in enumerate(wanted, 1):
            try:
                measured.append((track, measure(decode(track.path), track.asked)))
            except ChainError as error:
                broken.append(Unreadable(track.path, str(error)))
            progress(done, len(wanted))
    return measured


def _clip_lines(measured: list[tuple[Track, Adherence]]) -> list[str]:
    lines = []
    for track, found in measured:
        lines.append(printable(str(track.path)))
        for name, finding in found.findings.items():
            score = "n/a " if finding.score is None else f"{finding.score:.2f}"
            asked = f"asked {finding.asked}; " if finding.asked else ""
            note = f" ({finding.note})" if finding.note else ""
            lines.append(printable(f"  {name:<12} {score}  {asked}{finding.found}{note}"))
    return [*lines, ""]


def _lines(rates: dict[str, Any], used: int, left_out: int) -> list[str]:
    from eval.adherence.errors import shipped_errors
    from eval.bench.tables import estimator, number

    lines = []
    for model, by_measure in rates.items():
        lines += [
            printable(model),
            f"  {'measure':<12} {'score (95 %)':<32} estimator, where known",
        ]
        for name, rate in by_measure.items():
            score = number(rate.score, "share")
            if rate.score.count == 0 and rate.level is not None:
                score = number(rate.level, "LUFS")
            lines.append(f"  {name:<12} {score:<32} {estimator(rate.estimator)}".rstrip())
            near = [f"{count} are the {note} key" for note, count in rate.near.items()]
            said = [f"{count} n/a: {note}" for note, count in rate.unscored.items()]
            lines += [printable(f"  {'':<12} {text}") for text in (*near, *said)]
        lines.append("")
    known = shipped_errors().measured_on
    return [*lines, f"{used} clips used, {left_out} left out; estimators measured on {known}"]
