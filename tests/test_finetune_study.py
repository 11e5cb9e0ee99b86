"""The study of fine-tuning: its runs, and the plot of what they found."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from training.finetune_plots import draw, sweep
from training.finetune_study import KINDS, SUBJECTS, runs, share_clips


def found(fad: float, clap: float) -> dict[str, Any]:
    def row(measure: str, after: float) -> dict[str, Any]:
        sides = {
            side: {"value": value, "interval": [value - 0.05, None], "count": 8}
            for side, value in (("before", 0.9), ("after", after))
        }
        return {"measure": measure, **sides}

    rows = [row("FAD to held-out songs", fad), row("CLAP score, ordinary prompts", clap)]
    return {"measured": {"rows": rows}}


def test_sweeps_are_in_the_order_of_what_was_varied() -> None:
    results = {"rank-32": found(1, 1), "main": found(2, 2), "rank-8": found(3, 3)}
    assert [value for value, _ in sweep(results, "rank")] == [8, 32]
    assert sweep(results, "minutes") == []


def test_the_plot_shows_both_sweeps_and_is_the_same_twice(tmp_path: Path) -> None:
    results = {
        "codec_floor": {"fad": {"value": 0.4}},
        "runs": {
            "main": found(0.5, 0.4),
            **{f"rank-{rank}": found(0.5 + rank / 100, 0.4) for rank in (2, 8, 32)},
            **{f"minutes-{minutes}": found(0.5, 0.4) for minutes in (1, 5, 20)},
        },
    }
    first, second = (draw(results, tmp_path / name).read_bytes() for name in ("a.svg", "b.svg"))
    assert first == second
    text = first.decode()
    comments = re.findall("<!-- (.*?) -->", text)
    assert {"rank", "minutes of music", "FAD to the style", "the codec alone"} <= set(comments)
    assert [tick for tick in ("2", "8", "32", "1", "5", "20") if tick not in comments] == []
    without = draw({"runs": {"main": found(0.5, 0.4)}}, tmp_path / "c.svg").read_text()
    assert "the codec alone" not in without


def test_only_what_is_varied_differs_from_the_main_run() -> None:
    subject = SUBJECTS["musicgen-nano"]
    (main,) = runs("main", subject)
    (without,) = runs("keep", subject)
    assert main.recipe.keep > 0
    assert without.recipe.keep == 0
    assert (without.songs, without.plan) == (main.songs, main.plan)
    names = [run.name for kind in KINDS for run in runs(kind, subject)]
    assert len(set(names)) == len(names) == 8
    assert len({run.songs for run in runs("ranks", subject)}) == 1
    assert len({run.recipe for run in runs("minutes", subject)}) == 1


def test_what_the_base_plays_is_shared(tmp_path: Path) -> None:
    first, other = tmp_path / "first", tmp_path / "other"
    share_clips(first, other)
    assert not other.exists()
    clip = first / "clips" / "before" / "a.flac"
    clip.parent.mkdir(parents=True)
    clip.write_bytes(b"sound")
    share_clips(first, other)
    kept = other / "clips" / "before" / "a.flac"
    assert kept.read_bytes() == b"sound"
    kept.write_bytes(b"its own")
    share_clips(first, other)
    assert kept.read_bytes() == b"its own"
