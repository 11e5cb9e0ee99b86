"""A benchmark's results as pictures: SVG, the same bytes for the same results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from eval.adherence.findings import RULES
from eval.bench.figures import Contestant
from eval.bench.report import Report
from eval.bootstrap import Estimate
from eval.plotting import COLOURS, INK, save, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw(report: Report, folder: Path) -> list[Path]:
    """Write all plots of a report; returns their files."""
    folder.mkdir(parents=True, exist_ok=True)
    with styled():
        plots = {
            "distances.svg": _distances(report),
            "adherence.svg": _adherence(report),
            "groups.svg": _groups(report),
        }
        return [save(figure, folder / name) for name, figure in plots.items()]


def _caption(report: Report) -> str:
    suite = report.questions.suite
    clips = ", ".join(
        f"{one.label} {one.scores.weights.revision}: {one.scores.used} clips"
        for one in report.contestants
    )
    seeds = ", ".join(map(str, report.seeds))
    return f"suite {suite.name}, {report.seconds:g} s, seed {seeds}; {clips}; bars: 95 %"


def _distances(report: Report) -> Figure:
    """CLAP score, FAD and KAD, each on its own scale."""
    import matplotlib.pyplot as plt

    names = {"CLAP score": "higher is better", "FAD": "lower is better", "KAD": "lower is better"}
    height = 1.5 + 0.35 * len(report.contestants)
    figure, axes = plt.subplots(1, len(names), figsize=(10, height), layout="constrained")
    for plot, (name, direction) in zip(axes, names.items(), strict=True):
        for row, one in enumerate(report.contestants):
            _point(plot, _figure(one, name), row, _colour(row))
            if name == "CLAP score":
                _mark(plot, _figure(one, "CLAP score, captions shuffled"), row)
        labels = [one.label for one in report.contestants] if plot is axes[0] else []
        _rows(plot, labels, len(report.contestants))
        plot.set_title(f"{name}: {direction}")
    axes[0].set_xlabel("cosine; | captions shuffled")
    for plot in axes[1:]:
        plot.set_xlabel(f"{report.judges.embedder.name}, to {_short(report.judges.reference.name)}")
    figure.suptitle(_caption(report), fontsize=8, x=0.01, ha="left")
    return figure


def _adherence(report: Report) -> Figure:
    """Each measure's rate beside what its estimator says where the truth is known."""
    import matplotlib.pyplot as plt

    names = [name for name in RULES if name != "loudness"]
    figure, plot = plt.subplots(figsize=(8, 1.4 + 0.45 * len(names)), layout="constrained")
    many = len(report.contestants)
    for row, name in enumerate(names):
        known = report.contestants[0].rates[name].estimator
        _mark(plot, known.right if known else None, row, "D")
        _mark(plot, known.wrong if known else None, row, "|")
        for number, one in enumerate(report.contestants):
            offset = 0.16 * (number - (many - 1) / 2)
            _point(plot, one.rates[name].score, row + offset, _colour(number))
    for number, one in enumerate(report.contestants):
        plot.plot([], [], "o-", color=_colour(number), label=one.label)
    plot.plot([], [], "D", color=INK, mfc="white", ls="", label="estimator, pieces as asked")
    plot.plot([], [], "|", color=INK, ms=10, ls="", label="estimator, pieces not as asked")
    plot.legend(loc="upper center", bbox_to_anchor=(0.5, -0.06), ncols=3, fontsize=9)
    _rows(plot, names, len(names))
    plot.set_xlim(-0.03, 1.03)
    plot.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    plot.set_title("Adherence: what was asked, and what is plainly wrong")
    figure.suptitle(_caption(report), fontsize=8, x=0.01, ha="left")
    return figure


def _groups(report: Report) -> Figure:
    """CLAP score by kind of prompt, or by genre."""
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(name for one in report.contestants for name in one.groups))
    figure, axes = plt.subplots(
        1, 2, figsize=(10, 1.2 + 0.3 * len(names)), layout="constrained", sharey=True
    )
    for plot, (measure, title) in zip(
        axes, (("clap", "CLAP score"), ("asked", "Share of what was asked")), strict=True
    ):
        many = len(report.contestants)
        for number, one in enumerate(report.contestants):
            for row, name in enumerate(names):
                offset = 0.16 * (number - (many - 1) / 2)
                value = one.groups.get(name, {}).get(measure)
                _point(plot, value, row + offset, _colour(number))
            plot.plot([], [], "o-", color=_colour(number), label=one.label)
        _rows(plot, names, len(names))
        plot.set_title(title)
    axes[1].set_xlim(-0.03, 1.03)
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9
    )
    figure.suptitle(_caption(report), fontsize=8, x=0.01, ha="left")
    return figure


def _figure(one: Contestant, measure: str) -> Estimate | None:
    return next((row.value for row in one.figures if row.measure == measure), None)


def _point(plot: Axes, value: Estimate | None, row: float, colour: str) -> None:
    if value is None or value.value != value.value:
        return
    if value.low == value.low and value.count > 1:
        plot.plot([value.low, value.high], [row, row], color=colour, lw=2, solid_capstyle="round")
    plot.plot(value.value, row, "o", color=colour, ms=6)


def _mark(plot: Axes, value: Estimate | None, row: float, marker: str = "|") -> None:
    if value is not None and value.value == value.value:
        size = 5 if marker == "D" else 12
        plot.plot(value.value, row, marker, color=INK, mfc="white", ms=size, zorder=3)


def _rows(plot: Axes, names: Sequence[str], count: int) -> None:
    plot.set_yticks(range(len(names)) if names else [], names or [])
    plot.set_ylim(count - 0.5, -0.5)
    plot.tick_params(axis="both", length=0)


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _short(name: str) -> str:
    return name.split(" (")[0]
