"""Which division of work makes MusicGen's kernels fastest on this GPU?

    python -m benchmarks.kernel_shapes [--sizes small medium large] [--precision fp16] [--batch 1]
                                       [--output FILE]

Times a step with other `SHARE`, `BLOCK` and `PROGRAMS` than `kernels.division` has, whose own come
first, and prints the fastest ten. The weights are random. Compiling takes longer than timing, so
that other processes compile all kernels before.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch

from audio_chain.generate.musicgen.checkpoint import Parts, assemble
from audio_chain.generate.musicgen.kernels import division
from benchmarks.gauges import Clock
from benchmarks.musicgen_loop import prepared
from benchmarks.random_musicgen import SHAPES, random_model, tokenizer

SHARES: Final = (16, 32, 64)
BLOCKS: Final = (2, 4, 8)
PROGRAMS: Final = (132, 264)
STEPS: Final = 100
DEVICE: Final = torch.device("cuda")

COMPILERS: Final = min(15, os.cpu_count() or 1)
"""Processes; each has a context on the GPU."""


@dataclass(frozen=True)
class Rule:
    """Values of the constants."""

    share: int
    block: int
    programs: int

    def apply(self) -> None:
        """Make them those of this process."""
        division.SHARE, division.BLOCK = self.share, self.block  # type: ignore[misc]
        division.PROGRAMS = self.programs  # type: ignore[misc]


OWN: Final = Rule(division.SHARE, division.BLOCK, division.PROGRAMS)


def rules() -> list[Rule]:
    """All that are tried, the constants' own first."""
    every = [Rule(*values) for values in itertools.product(SHARES, BLOCKS, PROGRAMS)]
    return [OWN, *(rule for rule in every if rule != OWN)]


def random_parts(size: str, precision: str, layers: int | None = None) -> Parts:
    """A model of a size on the GPU; kernels don't depend on its layers."""
    if layers is not None:
        SHAPES[size] = SHAPES[size] | {"layers": layers}
    model = random_model(size, DEVICE, torch.float16, whole=False)
    parts: Parts = assemble(
        model.config, model.state_dict(), tokenizer(), DEVICE, precision, max_frames=1500
    )
    return parts


def compile_all(size: str, precision: str, batch: int, some: list[Rule]) -> None:
    """Run a step with each rule, for what Triton leaves on the disk."""
    parts = random_parts(size, precision, layers=1)
    for rule in some:
        rule.apply()
        prepared(parts, batch, STEPS)


def milliseconds(parts: Parts, batch: int, rule: Rule) -> float | None:
    """Of a step, or None where there are no kernels."""
    rule.apply()
    loop, opened = prepared(parts, batch, STEPS)
    if loop.failure:
        print(f"{rule} fails: {loop.failure}", flush=True)
        return None
    opened()
    loop.advance()

    def run() -> None:
        for _ in range(STEPS - 1):
            loop.advance()

    return 1e3 * Clock(parts.decoder.device)(run) / (STEPS - 1)


def main() -> None:
    """Time all, and print the best."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", nargs="+", choices=SHAPES, default=["small", "medium", "large"])
    parser.add_argument("--precision", default="fp16")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--output", type=Path, help="write what was found, as JSON")
    options = parser.parse_args()
    every = rules()
    with ProcessPoolExecutor(COMPILERS, multiprocessing.get_context("spawn")) as pool:
        # neighbours share most kernels
        several = -(-len(every) * len(options.sizes) // COMPILERS)
        compiling = [
            pool.submit(compile_all, size, options.precision, options.batch, some)
            for size in options.sizes
            for some in (every[begin : begin + several] for begin in range(0, len(every), several))
        ]
        for task in compiling:
            task.result()
    found: dict[str, list[dict[str, Any]]] = {}
    for size in options.sizes:
        parts = random_parts(size, options.precision)
        rows = []
        for rule in every:
            took = milliseconds(parts, options.batch, rule)
            if took is None:
                continue
            rows.append(asdict(rule) | {"ms_a_step": round(took, 4)})
            if rule == OWN:
                print(f"{size:<7} {took:.3f} ms a step as it is: {rule}", flush=True)
        found[size] = sorted(rows, key=lambda row: row["ms_a_step"])
        for row in found[size][:10]:
            rule = Rule(row["share"], row["block"], row["programs"])
            print(f"{size:<7} {row['ms_a_step']:.3f} ms a step: {rule}", flush=True)
        if options.output is not None:
            options.output.write_text(json.dumps({"own": asdict(OWN), "sizes": found}, indent=1))
        del parts
        torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
