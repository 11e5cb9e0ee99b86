"""Compiles MusicGen's kernels for a Hopper GPU, on any machine with Triton: what do they take?

    python -m benchmarks.kernels [--sizes small medium large]

Prints registers and spilled bytes of each; the exit code is 1 if any register is spilled.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from audio_chain.generate.musicgen.delay import FREE
from audio_chain.generate.musicgen.kernels.absorbed import SHORT
from audio_chain.generate.musicgen.kernels.attention import attend, attend_whole, join, remember
from audio_chain.generate.musicgen.kernels.division import Division, divided, group
from audio_chain.generate.musicgen.kernels.drawing import play
from audio_chain.generate.musicgen.kernels.embedding import embed
from audio_chain.generate.musicgen.kernels.hearing import CROWDED, SPLIT, pace
from audio_chain.generate.musicgen.kernels.many import BLOCK
from audio_chain.generate.musicgen.kernels.norms import normalize
from audio_chain.generate.musicgen.kernels.products import project, project_heard, project_self
from audio_chain.generate.musicgen.kernels.scaled import BLOCK as EIGHTS
from audio_chain.generate.musicgen.kernels.scaled import multiply_out
from audio_chain.generate.musicgen.kernels.step import MANY
from audio_chain.generate.musicgen.kernels.words import add_words, score_words
from benchmarks.random_musicgen import SHAPES

TARGET: Final = GPUTarget("cuda", 90, 32)

TYPES: Final = {
    **dict.fromkeys(
        [
            "x",
            "gain",
            "shift",
            "out",
            "query",
            "read",
            "keys",
            "values",
            "heard",
            "table",
            "places",
            "reads",
            "gives",
        ],
        "*fp16",
    ),
    **dict.fromkeys(
        ["peaks", "sums", "scores", "along", "aside", "logits", "guidance", "scale"], "*fp32"
    ),
    **dict.fromkeys(["tokens", "column", "seeds", "begin", "place", "sheet"], "*i64"),
    **dict.fromkeys(["outputs", "capacity", "width", "words", "steps", "stride"], "i32"),
    **dict.fromkeys(["factor", "temperature"], "fp32"),
    "mask": "*u8",
}
"""Of the kernels' arguments, as fp16 weights have them."""

Case = tuple[Any, dict[str, Any], dict[str, str], int]
"""A kernel, its constants, types other than `TYPES`, and warps."""


def cases(size: str, rows: int, scaled: bool) -> Iterator[Case]:
    """The kernels of a step of so many rows, with weights of 8 or 16 bits."""
    shape = SHAPES[size]
    width, ffn = shape["width"], shape["ffn"]
    types = {"weight": "*i8" if scaled else "*fp16"}
    several: dict[str, Any] = {"ROWS": rows, "GROUP": group(rows), "SCALED": scaled}
    for inputs, outputs, norm, activation, add in (
        (width, width, True, "none", False),
        (width, ffn, True, "gelu", False),
        (ffn, width, False, "none", True),
        (width, 4 * 2048, True, "none", False),
    ):
        division = divided(inputs, outputs)
        own: dict[str, Any] = {"INPUTS": inputs} | _sizes(division)
        own |= {"NORM": norm, "ACTIVATION": activation, "ADD": add}
        yield project, several | own, types, division.warps
    size_of_head = {"WIDTH": width, "SIZE": width // shape["heads"]}
    division = divided(width, 3 * width)
    yield project_self, several | size_of_head | _sizes(division), types, division.warps
    for splits in (1, 2, 6):
        division = divided(width, width, crowded=splits > MANY)
        own = size_of_head | _sizes(division) | {"SPLITS": splits}
        yield project_heard, several | own, types, division.warps


def _sizes(division: Division) -> dict[str, Any]:
    return {"PADDED": division.padded, "BLOCK": division.block}


def around_words(size: str, room: int) -> Iterator[Case]:
    """The kernels of attention to so many words that is absorbed."""
    width, heads = SHAPES[size]["width"], SHAPES[size]["heads"]
    words: dict[str, Any] = {"HEADS": heads, "WORDS": room}
    division = divided(width, heads * room)
    yield score_words, words | {"INPUTS": width} | _sizes(division), {}, division.warps
    padded = triton.next_power_of_2(heads)
    division = divided(padded * room, width, crowded=room > SHORT)
    own = {"WIDTH": width, "PADDED": padded, "BLOCK": division.block}
    yield add_words, words | own, {}, min(16, 2 * division.warps)


def between(size: str, rows: int) -> Iterator[Case]:
    """The kernels between cuBLAS's, of many rows."""
    width, heads = SHAPES[size]["width"], SHAPES[size]["heads"]
    own = {"WIDTH": width, "SIZE": width // heads, "BLOCK": BLOCK}
    yield remember, own, {}, 4
    for splits in (2, 6):
        yield join, own | {"SPLITS": splits, "ROWS": rows}, {}, 4
    padded = triton.next_power_of_2(width)
    yield normalize, {"WIDTH": width, "PADDED": padded}, {}, 4


def shared() -> Iterator[Case]:
    """The kernels that are the same for all sizes."""
    for masked, split, block, warps in ((False, SPLIT, SPLIT, 8), (True, 64, 64, 4)):
        own: dict[str, Any] = {"SIZE": 64, "SPLIT": split, "BLOCK": block, "MASKED": masked}
        yield attend, own, {}, warps
    for heads in (CROWDED - 1, CROWDED):
        block, stages, warps = pace(heads)
        yield attend_whole, {"SIZE": 64, "BLOCK": block, "STAGES": stages}, {}, warps
    for out in ("*fp16", "*fp32"):
        yield multiply_out, {"BLOCK": EIGHTS}, {"values": "*i8", "inputs": "i32", "out": out}, 4
    # the table of tokens for `embed` is int64; `play` has their number
    yield embed, {"BOOKS": 4, "BOOK": 2049, "BLOCK": 256}, {}, 4
    for guides, greedy, top_k in ((True, False, 250), (False, False, 0), (True, True, 1)):
        own = {"FREE": FREE, "TOP_K": top_k, "PADDED": 2048, "GUIDES": guides, "GREEDY": greedy}
        yield play, own, {"tokens": "i32"}, 4


def compiled(case: Case) -> tuple[int, int]:
    """Registers of a thread, and bytes spilled."""
    kernel, constants, types, warps = case
    names = kernel.arg_names
    if "OVERLAPS" in names:
        constants = constants | {"OVERLAPS": True}
    kinds = {name: "constexpr" if name in constants else (TYPES | types)[name] for name in names}
    sixteens = [
        index
        for index, name in enumerate(names)
        if kinds[name].startswith("*") or name in ("outputs", "width")
    ]
    source = ASTSource(
        kernel,
        kinds,
        {(names.index(name),): value for name, value in constants.items()},
        {(index,): [["tt.divisibility", 16]] for index in sixteens},
    )
    made = triton.compile(source, target=TARGET, options={"num_warps": warps, "launch_pdl": True})
    assembler = next(Path(triton.__file__).parent.rglob("ptxas"))
    with tempfile.NamedTemporaryFile("w", suffix=".ptx") as file:
        file.write(made.asm["ptx"])
        file.flush()
        said = subprocess.run(
            [assembler, "-v", "--gpu-name=sm_90a", file.name, "-o", "/dev/null"],
            check=True,
            capture_output=True,
            text=True,
        ).stderr
    (registers,) = re.findall(r"Used (\d+) registers", said)
    return int(registers), sum(int(found) for found in re.findall(r"(\d+) bytes spill", said))


def main() -> int:
    """Compile all, and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", nargs="+", choices=SHAPES, default=["small", "medium", "large"])
    parser.add_argument("--rows", nargs="+", type=int, default=[2, 4])
    options = parser.parse_args()
    every = list(shared())
    for size in options.sizes:
        every += between(size, 128)
        for room in (16, 64, 128):
            every += around_words(size, room)
        for rows in options.rows:
            for scaled in (False, True):
                every += cases(size, rows, scaled)
    worst = 0
    for case in every:
        registers, spilled = compiled(case)
        worst = max(worst, spilled)
        constants = ", ".join(f"{name.lower()} {value}" for name, value in case[1].items())
        print(f"{case[0].__name__:<14} {registers:3} registers, {spilled} B spilled: {constants}")
    return 1 if worst else 0


if __name__ == "__main__":
    sys.exit(main())
