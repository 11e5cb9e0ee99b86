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
    gpu, spent = run["platform"].get("gpu"), run["processor_seconds"]
    took = f"{run['seconds']:.0f} seconds on an {gpu}" if gpu else ""
    if spent and not gpu:
        took = f"{spent / 60:.1f} minutes of one processor"
    floor = found.get("codec_floor")
    return "\n\n".join(
        [
            table(["measure", "before", "after", "change", "better"], cells),
            f"Rank {recipe['rank']}, {run['parameters']:,} parameters, {run['minutes']:.1f} "
            f"minutes of music, batches of {recipe['batch']}, stopped after {run['steps']} "
            f"steps, the best at {best['step']}: validation loss {run['first']['loss']:.3f} "
            f"before, {best['loss']:.3f} after."
            + (f" Training took {took}." if took else "")
            + (
                f" Real music of the style has FAD {estimate(floor['fad'], digits=3)} once it went "
                "through the codec: no adapter gets below that."
                if floor
                else ""
            ),
        ]
    )


def choice(found: Any) -> str:
    """The trials that the recipe was chosen by."""
    cells = []
    for run in found["runs"]:
        low, high = run["clap_interval"]
        cells.append(
            [
                run["method"],
                run["weights"],
                plain(run["keep"], 0),
                str(run["ordinary"]),
                str(run["minutes"]),
                str(run["steps"]),
                plain(run["validation_loss"], 3),
                f"{run['fad_change']:+.0f} %",
                f"{run['clap_change']:+.0f} % ({low:+.0f} to {high:+.0f})",
            ]
        )
    head = ["", "weights", "\\(\\lambda\\)", "ordinary pieces", "minutes of music", "steps"]
    return table([*head, "validation loss", "FAD to the style", "CLAP score, ordinary"], cells)


def sweeps(found: Any) -> str:
    """Without rehearsal, ranks and amounts of music beside the run on record, one row a run."""
    cells = []
    for name, run in found["runs"].items():
        rows = {row["measure"]: row for row in run["measured"]["rows"]}
        fad, clap = rows["FAD to held-out songs"], rows["CLAP score, ordinary prompts"]
        cells.append(
            [
                name.replace("-", " "),
                plain(run["recipe"]["keep"], 1),
                str(run["recipe"]["rank"]),
                plain(run["minutes"], 1),
                plain(run["best"]["loss"], 3),
                *(plain(fad[side]["value"], 3) for side in ("before", "after")),
                *(plain(clap[side]["value"], 3) for side in ("before", "after")),
                f"{100 * (clap['ratio']['value'] - 1):+.0f} %",
            ]
        )
    head = ["run", "keep", "rank", "minutes", "validation loss", "FAD before", "FAD after"]
    return table([*head, "CLAP score before", "CLAP score after", "change"], cells)


def speed(found: Any) -> str:
    """Steps a second and peak memory, ours beside transformers' with peft."""
    cells = [
        [name, plain(row["steps_a_second"]), plain(row["peak_gb"], 2)]
        for name, row in found["rows"].items()
    ]
    return table(["", "steps a second", "peak memory, GB"], cells)


def parallel(found: Any) -> str:
    """The same training in one process and in several."""
    cells = [
        [
            str(row["processes"]),
            plain(row["steps_a_second"], 2),
            plain(row["peak_gb"], 2),
            plain(row["loss_before"], 4),
            plain(row["loss_after"], 4),
        ]
        for row in found["rows"]
    ]
    head = ["processes", "steps a second", "peak memory, GB", "loss before", "loss after"]
    platform = found["platform"]
    where = platform.get("gpu") or f"{platform['cores']} cores"
    return table(head, cells) + f"\n\n{found['ratio']:.2f} times as fast. On {where}."
