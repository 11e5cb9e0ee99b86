"""Steps a second of fine-tuning in one process and in several, and whether they learn the same.

    python -m benchmarks.finetune_parallel [--shapes small] [--batch 16] [--processes 2]

The same training of random codes, first alone, then with every batch shared by processes on GPUs
of their own, which ``accelerate launch`` starts (``torchrun`` on a CPU). Random weights, without
dropout, whose chance is each process's own. Writes ``docs/results/finetune-parallel.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import torch

from audio_chain import models
from audio_chain.devices import pick
from audio_chain.finetune.musicgen import MusicgenTrainee
from audio_chain.finetune.preparing import Prepared
from audio_chain.finetune.recipe import Recipe
from audio_chain.finetune.team import join_team
from audio_chain.finetune.training import train
from audio_chain.manifest import describe_platform, installed_versions
from benchmarks.finetune import Words, model_of, pieces_of
from training.results import RESULTS, write_results

_TOLD: Final = "FOUND "
_LAUNCHERS: Final = {
    "cuda": ("accelerate.commands.launch", "--multi_gpu", "--num_machines", "1",
             "--mixed_precision", "no", "--dynamo_backend", "no", "--num_processes"),
    "cpu": ("torch.distributed.run", "--standalone", "--nproc_per_node"),
}  # fmt: skip


def learn(options: argparse.Namespace) -> None:
    """Train as one of the processes; the first tells what it found."""
    team = join_team(options.device)
    device = team.device or pick(options.device)
    model = model_of(options.shapes)
    for module in model.modules():
        if isinstance(getattr(module, "dropout", None), float):
            module.dropout = 0.0
    if device.startswith("cuda"):
        model.decoder.to(torch.bfloat16)
    card = models.CATALOGUE["facebook/musicgen-small"]
    trainee = MusicgenTrainee(card, model.to(device), Words(), "random")
    torch.manual_seed(1)
    pieces = tuple(pieces_of(4 * options.batch, options.seconds, model))
    recipe = Recipe(
        batch=options.batch, steps=options.steps, every=options.steps, sample_every=0,
        caption_dropout=0.0, learning_rate=1e-3,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        prepared = Prepared(pieces, pieces[: options.batch], {}, {})
        trained = train(trainee, prepared, recipe, Path(folder), team=team)
    if team.leads:
        peak = trained.peak_bytes
        found = {
            "processes": team.size,
            "steps_a_second": trained.steps_a_second,
            "peak_gb": None if peak is None else round(peak / 1e9, 2),
            "loss_before": trained.history.points[0].loss,
            "loss_after": trained.history.points[-1].loss,
        }
        print(_TOLD + json.dumps(found), flush=True)
    team.part()


def launched(processes: int, options: argparse.Namespace) -> dict[str, Any]:
    """Run `learn` in so many processes."""
    kind = "cuda" if pick(options.device).startswith("cuda") else "cpu"
    launcher = ("-m", *_LAUNCHERS[kind], str(processes)) if processes > 1 else ()
    command = [sys.executable, *launcher, "-m", "benchmarks.finetune_parallel", "--learn"]
    for name in ("shapes", "batch", "seconds", "steps", "device"):
        command += [f"--{name}", str(getattr(options, name))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith(_TOLD))
    found: dict[str, Any] = json.loads(line.removeprefix(_TOLD))
    return found


def main() -> None:
    """Train alone and together, print and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--shapes", default="small")
    parser.add_argument("--batch", type=int, default=16, help="of all processes together")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--learn", action="store_true", help="be one of the processes")
    parser.add_argument("--output", type=Path, default=RESULTS / "finetune-parallel.json")
    options = parser.parse_args()
    if options.learn:
        learn(options)
        return
    rows = []
    for processes in (1, options.processes):
        rows.append(launched(processes, options))
        print(
            f"processes {processes}: {rows[-1]['steps_a_second']:.3f} steps/s, "
            f"loss {rows[-1]['loss_before']:.4f} -> {rows[-1]['loss_after']:.4f}",
            flush=True,
        )
    ratio = rows[1]["steps_a_second"] / rows[0]["steps_a_second"]
    print(f"{ratio:.2f} times as fast")
    record = {
        "command": f"python -m benchmarks.finetune_parallel --shapes {options.shapes} "
        f"--batch {options.batch} --seconds {options.seconds:g} --steps {options.steps} "
        f"--processes {options.processes}",
        "batch": options.batch,
        "seconds": options.seconds,
        "steps": options.steps,
        "shapes": options.shapes,
        "device": pick(options.device),
        "ratio": round(ratio, 2),
        "rows": rows,
        "platform": describe_platform(),
        "versions": installed_versions(("torch", "transformers", "peft", "accelerate")),
    }
    write_results(options.output, record)


if __name__ == "__main__":
    main()
