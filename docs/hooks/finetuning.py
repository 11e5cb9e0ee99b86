"""Tables of the fine-tuning study and of the speed of fine-tuning."""

from __future__ import annotations

from typing import Any

from docs.hooks.results import estimate, plain, table


def study(found: Any) -> str:
    """The run on record, before and after."""
    run = found["runs"]["main"]
    cells = []
    for row in run["measured"]["rows"]:
        ratio = row["ratio"]
        change = "" if ratio is None else f"{100 * (ratio['value'] - 1):+.0f} %"
        sides = (estimate(row[side], digits=3) for side in ("before", "after"))
        cells.append([row["measure"], *sides, change, row["better"]])
    recipe, best = run["recipe"], run["best"]
    spent = run["processor_seconds"]
    return "\n\n".join(
        [
            table(["measure", "before", "after", "change", "better"], cells),
            f"Rank {recipe['rank']}, {run['parameters']:,} parameters, {run['minutes']:.1f} "
            f"minutes of music, batches of {recipe['batch']}, stopped after {run['steps']} "
            f"steps, the best at {best['step']}: validation loss {run['first']['loss']:.3f} "
            f"before, {best['loss']:.3f} after."
            + (f" {spent / 60:.1f} minutes of one processor." if spent else ""),
        ]
    )


def sweeps(found: Any) -> str:
    """Ranks and amounts of music beside each other, one row a run."""
    cells = []
    for name, run in found["runs"].items():
        rows = {row["measure"]: row for row in run["measured"]["rows"]}
        fad, clap = rows["FAD to held-out songs"], rows["CLAP score, ordinary prompts"]
        cells.append(
            [
                name.replace("-", " "),
                str(run["recipe"]["rank"]),
                plain(run["minutes"], 1),
                plain(run["best"]["loss"], 3),
                *(plain(fad[side]["value"], 3) for side in ("before", "after")),
                *(plain(clap[side]["value"], 3) for side in ("before", "after")),
            ]
        )
    head = ["run", "rank", "minutes", "validation loss", "FAD before", "FAD after"]
    return table([*head, "CLAP score before", "CLAP score after"], cells)


def speed(found: Any) -> str:
    """Steps a second and peak memory, ours beside transformers' with peft."""
    cells = [
        [name, plain(row["steps_a_second"]), plain(row["peak_gb"], 2)]
        for name, row in found["rows"].items()
    ]
    return table(["", "steps a second", "peak memory, GB"], cells)
