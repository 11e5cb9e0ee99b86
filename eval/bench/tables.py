"""A benchmark's results as a Markdown table for people and as tidy CSV for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Final

from eval.adherence.errors import EstimatorError
from eval.adherence.findings import RULES
from eval.bench.figures import Contestant, Figure
from eval.bench.report import Report
from eval.bootstrap import Estimate

COLUMNS: Final = (
    "model", "revision", "settings", "suite", "seconds", "seeds", "clips", "used", "broken",
    "measure", "unit", "better", "value", "low", "high", "count", "embedding", "embedding_revision",
    "reference", "note",
)  # fmt: skip

_BY_CLAP: Final = ("CLAP score", "CLAP score, captions shuffled", "own caption beats another")
_BY_REFERENCE: Final = ("FAD", "FAD-infinity", "KAD")


def number(value: Estimate | None, unit: str) -> str:
    """A figure with its interval, as people write it.

    Examples
    --------
    >>> number(Estimate(0.824, 0.751, 0.88, 60), "share")
    '82 % (75 to 88), 60 clips'
    """
    if value is None or value.value != value.value:
        return "-"
    if value.low != value.low or value.count == 1:
        return f"{_plain(value.value, unit)}, {_clips(value.count)}"
    if unit == "share":
        inner = f"{100 * value.value:.0f} % ({100 * value.low:.0f} to {100 * value.high:.0f})"
    else:
        low, high = (_plain(x, unit).removesuffix(" LUFS") for x in (value.low, value.high))
        inner = f"{_plain(value.value, unit)} ({low} to {high})"
    return f"{inner}, {_clips(value.count)}"


def percent(value: Estimate | None) -> str:
    """A share as a percentage; "" for none."""
    return "" if value is None or value.value != value.value else f"{100 * value.value:.1f} %"


def estimator(known: EstimatorError | None) -> str:
    """How a measure does where the truth is known, in a cell."""
    if known is None:
        return ""
    parts = []
    if known.right:
        parts.append(f"{percent(known.right)} where it is right")
    if known.wrong:
        parts.append(f"{percent(known.wrong)} where it is wrong")
    return ", ".join(parts)


def rows(lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table of cells; the first line is its head."""
    head, *body = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    drawn = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in drawn)


def markdown(report: Report) -> str:
    """The whole report in Markdown."""
    contestants = report.contestants
    parts = [f"# Benchmark: {report.questions.suite.name}"]
    parts.append("\n".join(f"- {name}: {text}" for name, text in report.facts().items()))
    parts.append(rows(_main_table(contestants)))
    parts.append(
        "Where it is right: the mean score that each estimator gives to pieces that are as asked; "
        "where it is wrong: to pieces that are not (another piece's facts, or spoiled sound). "
        "A model can't be told apart from a perfect one beyond the first, and scores the second "
        "without listening."
    )
    parts.append(
        "## Tolerances\n\n" + "\n".join(f"- {name}: {rule}" for name, rule in RULES.items())
    )
    parts.append("## By group\n\n" + rows(_group_table(contestants)))
    if notes := list(_notes(contestants)):
        parts.append("## Notes\n\n" + "\n".join(f"- {note}" for note in notes))
    if broken := [
        f"- {report.name(bad.path)}: {bad.reason}"
        for one in contestants
        for bad in one.scores.broken
    ]:
        parts.append("## Broken clips, left out\n\n" + "\n".join(broken))
    return "\n\n".join(parts) + "\n"


def comma_separated(report: Report) -> str:
    """A line for each model and measure."""
    suite = report.questions.suite.name
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for one in report.contestants:
        scores = one.scores
        shared = {
            "model": one.label,
            "revision": scores.weights.revision,
            "settings": " ".join(f"{k}={v}" for k, v in scores.contender.settings.items()),
            "suite": suite,
            "seconds": f"{report.seconds:g}",
            "seeds": " ".join(map(str, report.seeds)),
            "clips": len(scores.entries),
            "used": scores.used,
            "broken": len(scores.broken),
        }
        for figure in one.figures:
            writer.writerow(shared | _csv_figure(figure) | _csv_origin(figure, report))
    return text.getvalue()


def _main_table(contestants: Sequence[Contestant]) -> list[list[str]]:
    lines = [["", *(one.label for one in contestants), "estimator on known pieces"]]
    lines.append(["revision", *(one.scores.weights.revision for one in contestants), ""])
    counts = (
        f"{one.scores.used} / {len(one.scores.entries)} / {len(one.scores.broken)}"
        for one in contestants
    )
    lines.append(["clips used / made / broken", *counts, ""])
    for row, figure in enumerate(contestants[0].figures):
        better = {"higher": " ↑", "lower": " ↓", "": ""}[figure.better]
        cells = (number(one.figures[row].value, one.figures[row].unit) for one in contestants)
        rate = contestants[0].rates.get(figure.measure)
        known = estimator(rate.estimator) if rate else ""
        lines.append([figure.measure + better, *cells, known])
    return lines


def _group_table(contestants: Sequence[Contestant]) -> list[list[str]]:
    head = ["prompts"]
    for one in contestants:
        head += [f"{one.label}: CLAP score", f"{one.label}: what was asked"]
    lines = [head]
    for group in dict.fromkeys(name for one in contestants for name in one.groups):
        line = [group]
        for one in contestants:
            values = one.groups.get(group, {})
            line += [number(values.get("clap"), "cosine"), number(values.get("asked"), "share")]
        lines.append(line)
    return lines


def _notes(contestants: Sequence[Contestant]) -> list[str]:
    return [
        f"{one.label}, {figure.measure}: {figure.note}"
        for one in contestants
        for figure in one.figures
        if figure.note
    ]


def _plain(value: float, unit: str) -> str:
    if unit == "share":
        return f"{100 * value:.0f} %"
    return f"{value:.1f} LUFS" if unit == "LUFS" else f"{value:.3f}"


def _clips(count: int) -> str:
    return f"{count} clip" if count == 1 else f"{count} clips"


def _csv_figure(figure: Figure) -> dict[str, object]:
    value, low, high = (None, None, None)
    if figure.value:
        known = figure.value.to_dict()
        value, (low, high) = known["value"], known["interval"]
    return {
        "measure": figure.measure,
        "unit": figure.unit,
        "better": figure.better,
        "value": value,
        "low": low,
        "high": high,
        "count": figure.value.count if figure.value else 0,
        "note": figure.note,
    }


def _csv_origin(figure: Figure, report: Report) -> dict[str, str]:
    judges = report.judges
    if figure.measure in _BY_CLAP:
        origin, reference = judges.clap.origin, ""
    elif figure.measure in _BY_REFERENCE:
        origin, reference = judges.embedder.origin, judges.reference.name
    else:
        return {"embedding": "", "embedding_revision": "", "reference": ""}
    return {
        "embedding": origin.embedding,
        "embedding_revision": origin.revision,
        "reference": reference,
    }
