"""Train the nano models, all side by side: codec, decoder, diffusion, listener, rewriter.

    python -m training WORK --minutes 25

Each stage is a process of its own with a log in the work folder, and waits for what it needs: the
listener for its lessons, and they, codes and latents for rendered pieces and the codec; the decoder
for the codes, diffusion for the latents. The codec and the decoder share the first GPU, the others
take the last. Run again, all but the rewriter go on from their checkpoints.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import torch

from audio_chain import models
from audio_chain.errors import ChainError
from training.export import EXPORTS, WEIGHTS, export
from training.shards import HELD_OUT_SEED

STAGES: Final = tuple(EXPORTS)
HELD_OUT_SHARDS: Final = "2"
KEPT: Final = 60
"""Shards whose audio the codec and the listener learn from; of the others only codes stay."""

AHEAD: Final = KEPT + 240
"""Shards whose audio may be on disk at a time; one is 128 MB, and rendering may be the fastest."""

BUSY: Final = 8
"""Cores that rendering leaves to the other stages, where there are many."""

GOING_ON: Final = 6e-4
"""Highest learning rate of a model that has learned already: half of a new one's, or so."""


def commands(options: argparse.Namespace, gpus: int) -> dict[str, tuple[list[str], int]]:
    """Arguments for ``python -m``, and which GPU, of each stage that is wanted."""
    work: Path = options.work
    train, held = work / "data/train", work / "data/held"
    data = ["--data", str(train), "--held-out", str(held)]
    fast = ["--resume", "--compile"] if gpus else ["--resume"]
    codec = work / "codec/model" if "codec" in options.only else WEIGHTS / "spectral-codec-nano"
    shards, kept = str(options.shards), str(min(options.shards, KEPT))
    words = ["--text", str(options.text)]
    last = max(0, gpus - 1)
    rendering = ["--shards", shards, "--processes", str(max(2, (os.cpu_count() or 1) - BUSY))]
    if {"musicgen", "stable-audio"} & set(options.only):  # which empty what they have read
        rendering += ["--ahead", str(AHEAD)]
    held_out = ["--shards", HELD_OUT_SHARDS, "--seed", str(HELD_OUT_SEED), "--processes", "1"]
    given = ["--codec", str(codec), *words]
    coding = {
        name: [str(work / "codes" / name), "--data", str(audio), "--shards", count, *given]
        for name, audio, count in (("train", train, shards), ("held", held, HELD_OUT_SHARDS))
    }
    lessons = {
        name: [str(work / "lessons" / name), "--data", str(audio), "--shards", count, *words]
        for name, audio, count in (("train", train, kept), ("held", held, HELD_OUT_SHARDS))
    }
    listening = ["--lessons", lessons["train"][0], "--held-out", lessons["held"][0], "--resume"]
    listening += ["--shards", kept, *(["--bf16"] if gpus else [])]
    taught = ["--codes", coding["train"][0], "--held-out", coding["held"][0], *words]
    taught += ["--shards", kept, "--minutes", str(options.minutes)]
    if options.go_on:
        taught += ["--go-on", str(WEIGHTS / "musicgen-nano"), "--peak", str(GOING_ON)]
    vae = str(work / "stable-audio/vae")
    given_too = ["--vae", vae, *given, *([] if gpus else ["--states"])]
    encoding = {
        name: [str(work / "latents" / name), "--data", str(audio), "--shards", count, *given_too]
        for name, audio, count in (("train", train, shards), ("held", held, HELD_OUT_SHARDS))
    }
    diffused = ["--latents", encoding["train"][0], "--held-out", encoding["held"][0], *words]
    diffused += ["--shards", kept, "--minutes", str(options.minutes)]
    if options.go_on:
        diffused += ["--go-on", str(WEIGHTS / "stable-audio-nano"), "--peak", str(GOING_ON)]
    emptying = ["--keep", str(KEPT)]
    both = {"musicgen", "stable-audio"} <= set(options.only)
    adapter = ["--base", str(options.base), "--out", str(work / "rewriter")]
    plan: dict[str, tuple[list[str], int]] = {
        "held-out": (["training.shards", str(held), *held_out], 0),
        "train": (["training.shards", str(train), *rendering], 0),
        "codec": (["training.codec", str(work / "codec"), *data, *fast], 0),
        "held-out-codes": (["training.codes", *coding["held"]], last),
        "codes": (["training.codes", *coding["train"], *([] if both else emptying)], last),
        "musicgen": (["training.musicgen", str(work / "musicgen"), *taught, *fast], 0),
        "bottleneck": (["training.bottleneck", vae, "--data", str(train), *given[:2]], last),
        "held-out-latents": (["training.latents", *encoding["held"]], last),
        "latents": (
            ["training.latents", *encoding["train"], *emptying]
            + (["--after", coding["train"][0]] if both else []),
            last,
        ),
        "stable-audio": (
            # compiled, it ended in a segmentation fault (torch 2.11 on an H200)
            ["training.stable_audio", str(work / "stable-audio"), *diffused, "--resume"],
            last,
        ),
        "held-out-lessons": (["training.listening", *lessons["held"]], last),
        "lessons": (["training.listening", *lessons["train"]], last),
        "clap": (["training.clap", str(work / "clap"), *listening], last),
        "rewriter": (["training.rewriter.train", *adapter], last),
    }
    wanted = set(options.only)
    if "musicgen" in wanted:
        wanted |= {"held-out-codes", "codes"}
    if "stable-audio" in wanted:
        wanted |= {"held-out-latents", "latents"}
        if not options.go_on:  # else it is the shipped one
            wanted.add("bottleneck")
    if "clap" in wanted:
        wanted |= {"held-out-lessons", "lessons"}
    if wanted - {"rewriter"}:
        wanted |= {"held-out", "train"}
    return {name: entry for name, entry in plan.items() if name in wanted}


def run(plan: dict[str, tuple[list[str], int]], work: Path) -> None:
    """Start all stages and wait for them; if one fails, stop the others.

    Raises
    ------
    ChainError
        A stage failed; the message has the end of its log.
    """
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, (arguments, gpu) in plan.items():
            environment = {**os.environ, "CUDA_VISIBLE_DEVICES": str(gpu), "PYTHONUNBUFFERED": "1"}
            rendering = arguments[0] == "training.shards"
            environment["OMP_NUM_THREADS"] = "1" if rendering else str(BUSY // 2)
            with (work / f"{name}.log").open("ab") as log:
                running[name] = subprocess.Popen(
                    [sys.executable, "-m", *arguments], env=environment, stdout=log, stderr=log
                )
        while running:
            time.sleep(1)
            for name in [name for name, process in running.items() if process.poll() is not None]:
                code = running.pop(name).returncode
                if code:
                    tail = (work / f"{name}.log").read_text(errors="replace")[-2000:]
                    raise ChainError(f"training stage {name} ended with {code}:\n{tail}")
                print(f"{name} is done", flush=True)
    finally:
        for process in running.values():
            process.terminate()
            process.wait()


def main() -> None:
    """Train and export from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("work", type=Path, help="folder for data, checkpoints and logs")
    parser.add_argument("--only", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument(
        "--minutes", type=float, default=25, help="when decoder and diffusion are to be done"
    )
    parser.add_argument(
        "--go-on", action="store_true", help="start decoder and diffusion from those shipped"
    )
    parser.add_argument("--shards", type=int, default=1600, help="of 200 pieces to train on")
    parser.add_argument("--text", type=Path, help="sentence encoder; by default the catalogue's")
    parser.add_argument("--base", type=Path, help="GGUF of the rewriter's base model; likewise")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    if options.text is None:
        options.text = models.folders(models.CATALOGUE["minilm"])["minilm"]
    if options.base is None and "rewriter" in options.only:
        folder = models.folders(models.CATALOGUE["smollm2-135m"])["smollm2-135m"]
        options.base = next(folder.glob("*.gguf"))
    if options.go_on and "stable-audio" in options.only:
        shipped = WEIGHTS / "stable-audio-nano/vae"
        shutil.copytree(shipped, options.work / "stable-audio/vae", dirs_exist_ok=True)
    try:
        run(commands(options, torch.cuda.device_count()), options.work)
    except ChainError as error:
        sys.exit(str(error))
    for name in options.only:
        print(export(name, options.work / name))


if __name__ == "__main__":
    main()
