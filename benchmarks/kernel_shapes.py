"""Which division of work makes MusicGen's kernels fastest on this GPU?

    python -m benchmarks.kernel_shapes [--sizes small medium large] [--precision fp16] [--batch 1]

Times a step with other `TILE`, `PROGRAMS` and `WARPS` than `kernels.step` has, and prints the
fastest ten. The weights are random.
"""

from __future__ import annotations

import argparse
import itertools
from typing import Final

import torch

from audio_chain.generate.musicgen.checkpoint import Parts, assemble
from audio_chain.generate.musicgen.kernels import step
from benchmarks.gauges import Clock
from benchmarks.musicgen_loop import prepared
from benchmarks.random_musicgen import SHAPES, random_model, tokenizer

TILES: Final = (2048, 4096, 8192, 16384)
PROGRAMS: Final = (128, 192, 400)
WARPS: Final = (1, 2, 4, 8)
STEPS: Final = 200


def milliseconds(parts: Parts, batch: int) -> float:
    """Of a step, in kernels made anew."""
    loop, opened = prepared(parts, batch, STEPS)
    if loop.failure:
        raise SystemExit(f"error: {loop.failure}")
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
    options = parser.parse_args()
    device = torch.device("cuda")
    for size in options.sizes:
        model = random_model(size, device, torch.float16, whole=True)
        parts = assemble(
            model.config,
            model.state_dict(),
            tokenizer(),
            device,
            options.precision,
            max_frames=1500,
        )
        del model
        found = []
        for tile, programs, warps in itertools.product(TILES, PROGRAMS, WARPS):
            step.TILE, step.PROGRAMS, step.WARPS = tile, programs, warps  # type: ignore[misc]
            took = milliseconds(parts, options.batch)
            found.append((took, f"TILE {tile}, PROGRAMS {programs}, WARPS {warps}"))
        for took, what in sorted(found)[:10]:
            print(f"{size:<7} {took:.3f} ms a step: {what}", flush=True)


if __name__ == "__main__":
    main()
