"""Plots of the fine-tuning study: what ranks and amounts of music gain and forget."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from eval.plotting import COLOURS, FAINT, save, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

IMAGES: Final = Path(__file__).parents[1] / "docs" / "images"

_SWEEPS: Final = {"rank": "rank", "minutes": "minutes of music"}
_MEASURES: Final = {
    "FAD to held-out songs": "FAD to the style",
    "CLAP score, ordinary prompts": "CLAP score, ordinary prompts",
}


def draw(results: Mapping[str, Any], path: Path) -> Path:
    """Draw both sweeps as far as there are runs: after, and the model before it.

    Parameters
    ----------
    results : mapping
        What the study writes.
    path : Path
        Of the SVG.
    """
    import matplotlib.pyplot as plt

    with styled():
        figure, axes = plt.subplots(
            len(_MEASURES), len(_SWEEPS), figsize=(8, 5.4), squeeze=False, sharey="row"
        )
        for across, (kind, label) in enumerate(_SWEEPS.items()):
            found = sweep(results["runs"], kind)
            for down, (measure, name) in enumerate(_MEASURES.items()):
                panel = axes[down][across]
                _panel(panel, found, measure)
                if not down and "codec_floor" in results:
                    floor = results["codec_floor"]["fad"]["value"]
                    panel.axhline(floor, color=COLOURS[2], ls=":", label="the codec alone")
                if not across:
                    panel.set_ylabel(name)
                panel.set_ylim(bottom=0)
            axes[-1][across].set_xlabel(label)
        axes[0][0].legend(fontsize=8)
        figure.tight_layout()
        return save(figure, path)


def sweep(runs: Mapping[str, Any], kind: str) -> list[tuple[float, Mapping[str, Any]]]:
    """Runs of one sweep by what was varied, the smallest first."""
    named = [name.split("-", 1) for name in runs if name.startswith(f"{kind}-")]
    found = [(float(value), runs[f"{kind}-{value}"]) for _, value in named]
    return sorted(found, key=lambda pair: pair[0])


def _panel(axes: Axes, found: Sequence[tuple[float, Mapping[str, Any]]], measure: str) -> None:
    axes.set_xscale("log", base=2)
    if not found:
        return
    places = [value for value, _ in found]
    rows = [
        next(row for row in run["measured"]["rows"] if row["measure"] == measure)
        for _, run in found
    ]
    for side, colour, name in (("before", COLOURS[5], "base"), ("after", COLOURS[0], "adapted")):
        values = [row[side]["value"] for row in rows]
        bounds = [[_bound(row[side], end) for row in rows] for end in (0, 1)]
        away = [
            [abs(value - bound) for value, bound in zip(values, ends, strict=True)]
            for ends in bounds
        ]
        style = "--" if side == "before" else "-"
        axes.errorbar(
            places, values, away, color=colour, marker="o", ms=4, capsize=3, ls=style, label=name,
            ecolor=FAINT if side == "before" else colour,
        )  # fmt: skip
    axes.set_xticks(places, [f"{place:g}" for place in places])
    axes.minorticks_off()


def _bound(estimate: Mapping[str, Any], end: int) -> float:
    """An end of an interval; the value itself where there is none."""
    bound = estimate["interval"][end]
    return float(estimate["value"] if bound is None or math.isnan(bound) else bound)
