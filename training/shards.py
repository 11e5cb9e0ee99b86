"""Training data on disk: shards of rendered pieces with their captions.

A shard is ``NNNNN.npy``, int16 (pieces, samples), beside ``NNNNN.json``, a list of the pieces'
attributes and captions. Shard k holds the pieces k * SIZE ... of one seed, whoever renders it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

SIZE: Final = 200
TRAIN_SEED: Final = 0
HELD_OUT_SEED: Final = 900_000
POLL: Final = 1.0
"""Seconds between looks at what has been emptied."""


def write_shard(folder: Path, number: int, seed: int, seconds: float) -> Path:
    """Render shard `number`, unless it is there already."""
    from training.factory.dataset import RATE, sample

    target = folder / f"{number:05d}.npy"
    if target.exists():
        return target
    audio = np.empty((SIZE, round(seconds * RATE)), np.int16)
    records = []
    for row in range(SIZE):
        piece = sample(number * SIZE + row, seed, seconds)
        audio[row] = piece.audio
        records.append({**asdict(piece.attributes), "captions": list(piece.captions)})
    (folder / f"{number:05d}.json").write_text(json.dumps(records))
    partial = target.with_suffix(".partial.npy")
    np.save(partial, audio)
    os.replace(partial, target)
    return target


def write_shards(
    folder: Path,
    count: int,
    seed: int,
    seconds: float = 10.0,
    processes: int | None = None,
    ahead: int | None = None,
) -> Iterator[Path]:
    """Render the shards 0 ... `count` - 1 in parallel, yielding each as it is done.

    With `ahead`, no more than about so many take up disk: it waits until others are emptied.
    """
    folder.mkdir(parents=True, exist_ok=True)
    most = count if ahead is None else ahead
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes or os.cpu_count(), mp_context=context) as pool:
        jobs = {pool.submit(write_shard, folder, n, seed, seconds) for n in range(min(count, most))}
        begun = len(jobs)
        while jobs or begun < count:
            if not jobs:
                time.sleep(POLL)
            done, jobs = wait(jobs, timeout=POLL, return_when=FIRST_COMPLETED)
            for job in done:
                yield job.result()
            full = sum(path.stat().st_size > 0 for path in folder.glob("?????.npy")) + len(jobs)
            free = max(0, min(most - full, count - begun))
            jobs |= {
                pool.submit(write_shard, folder, n, seed, seconds)
                for n in range(begun, begun + free)
            }
            begun += free


def read_shard(folder: Path, number: int) -> tuple[NDArray[np.int16], list[dict[str, Any]]]:
    """Audio (pieces, samples), memory-mapped, and the pieces' records.

    Waits for a shard that is still being rendered, so that training can start beside it.
    """
    while not (folder / f"{number:05d}.npy").exists():
        time.sleep(0.5)
    audio = np.load(folder / f"{number:05d}.npy", mmap_mode="r")
    return audio, json.loads((folder / f"{number:05d}.json").read_text())


def main() -> None:
    """Render shards from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shards", type=int, required=True, help=f"of {SIZE} pieces each")
    parser.add_argument("--seed", type=int, default=TRAIN_SEED)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--processes", type=int)
    parser.add_argument("--ahead", type=int, help="wait while so many are not emptied yet")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    shards = write_shards(
        options.folder,
        options.shards,
        options.seed,
        options.seconds,
        options.processes,
        options.ahead,
    )
    for done, _ in enumerate(shards, 1):
        if done % 20 == 0 or done == options.shards:
            print(f"{done}/{options.shards} shards", flush=True)


if __name__ == "__main__":
    main()
