"""Our decoding of MusicGen against transformers' and audiocraft's, at the published sizes.

    python -m benchmarks.musicgen [--device cuda] [--sizes small medium large] [--batches 1 8 64]

The weights are random, all in one run. Prints a table and writes this device's half of
``docs/results/musicgen-speed.json``. On a CPU processor time counts, of one thread, since other
programs slow the clock but not the work, and the best of `TRIES` stretches, since they do slow the
memory; guidance and top-k are on throughout.
"""

from __future__ import annotations

import argparse
import gc
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
import transformers
from transformers import StaticCache

from audio_chain.generate import GenerationRequest
from audio_chain.generate.musicgen.checkpoint import Parts, assemble
from audio_chain.generate.musicgen.generator import MusicgenGenerator
from benchmarks import musicgen_start
from benchmarks.gauges import Clock, facts, joules, profile
from benchmarks.musicgen_audiocraft import LeftOutError, measured_there
from benchmarks.musicgen_loop import prepared
from benchmarks.random_musicgen import PROMPT, SHAPES, random_model, tokenizer
from training.results import RESULTS, write_results

OUTPUT: Final = RESULTS / "musicgen-speed.json"

STATIC: Final = "transformers, static cache"

PEER_STEPS: Final = {"cpu": 12, "cuda": 100}
OUR_STEPS: Final = {"cpu": 31, "cuda": 500}
TRIES: Final = {"cpu": 3, "cuda": 1}

PRECISIONS: Final = {"cpu": ("fp32", "bf16", "fp16", "int8"), "cuda": ("fp16", "int8")}
DTYPES: Final = {
    "cpu": {"fp32": torch.float32, "bf16": torch.bfloat16},
    "cuda": {"fp16": torch.float16},
}


def weight_bytes(size: str, precision: str) -> float:
    """Bytes that a step has to read: the layers' and the heads' matrices."""
    shape = SHAPES[size]
    width = shape["width"]
    # of the text, keys and values are computed once
    layer = 6 * width * width + 2 * width * shape["ffn"]
    each = {"fp32": 4, "bf16": 2, "fp16": 2, "int8": 1}[precision]
    return float(each * (shape["layers"] * layer + 4 * 2048 * width))


class Bench:
    """Measures one size on one device.

    Parameters
    ----------
    size : str
        Of `SHAPES`.
    device : torch.device
        Where.
    about : dict
        `gauges.facts` of it.
    """

    def __init__(self, size: str, device: torch.device, about: dict[str, Any]) -> None:
        self.size, self.device, self._about = size, device, about
        self._clock, self._joules = Clock(device), joules(device)

    def peer(self, model: Any, precision: str, batch: int, **more: Any) -> dict[str, Any]:
        """transformers' `generate`: what a step more takes."""
        words = tokenizer()([PROMPT] * batch, return_tensors="pt").to(self.device)
        steps = PEER_STEPS[self.device.type]

        def run(count: int) -> None:
            model.generate(
                **words,
                do_sample=True,
                guidance_scale=3.0,
                top_k=250,
                max_new_tokens=count,
                **more,
            )

        run(4)
        tries = range(TRIES[self.device.type])
        few = min(self._clock(lambda: run(4)) for _ in tries)
        before = self._joules()
        many = min(self._clock(lambda: run(steps)) for _ in tries)
        after = self._joules()
        seconds, count = (many - few) / (steps - 4), steps * len(tries)
        return self._row("transformers", precision, batch, seconds, before, after, count)

    def compiled(self, model: Any, precision: str, batch: int) -> dict[str, Any]:
        """transformers' way to a compiled step: a cache whose shapes don't change.

        Raises
        ------
        LeftOutError
            It isn't used.
        """
        static: list[bool] = []

        def look(module: Any, positional: Any, named: dict[str, Any]) -> None:
            caches = (getattr(value, "self_attention_cache", value) for value in named.values())
            static.append(any(isinstance(cache, StaticCache) for cache in caches))

        hook = model.decoder.register_forward_pre_hook(look, with_kwargs=True)
        words = tokenizer()([PROMPT], return_tensors="pt").to(self.device)
        model.generate(**words, max_new_tokens=4, cache_implementation="static")
        hook.remove()
        if not any(static):
            raise LeftOutError(
                f"transformers {transformers.__version__} gives MusicGen's decoder no static "
                "cache when asked for one, and compiles a step only with it"
            )
        row = self.peer(model, precision, batch, cache_implementation="static")
        return row | {"engine": STATIC}

    def audiocraft(self, precision: str, batch: int) -> dict[str, Any]:
        """audiocraft's decoder, in its own environment.

        Raises
        ------
        LeftOutError
            There is none.
        """
        kind = self.device.type
        found = measured_there(
            SHAPES[self.size]
            | {
                "prompt": PROMPT,
                "batch": batch,
                "steps": PEER_STEPS[kind],
                "tries": TRIES[kind],
                "device": str(self.device),
                "precision": precision,
                "threads": torch.get_num_threads(),
            }
        )
        row = self._row("audiocraft", precision, batch, found.pop("seconds_a_step"), None, None, 1)
        return row | found

    def ours(self, parts: Parts, precision: str, batch: int) -> Iterator[tuple[str, Any]]:
        """Our loop, alone: the row; how long the first step takes; a profile."""
        steps = OUR_STEPS[self.device.type]
        loop, opened = prepared(parts, batch, steps)

        def run(count: int) -> None:
            for _ in range(count):
                loop.advance()

        opened()
        yield "first_step_s", round(self._clock(loop.advance), 3)
        if self.device.type == "cuda":
            run(steps - 1)  # every graph
            opened()
        stretch = (steps - 1) // TRIES[self.device.type]
        tries = range(TRIES[self.device.type])
        before = self._joules()
        seconds = min(self._clock(lambda: run(stretch)) / stretch for _ in tries)
        after = self._joules()
        count = stretch * len(tries)
        row = self._row("audio-chain", precision, batch, seconds, before, after, count)
        if failure := loop.failure:
            row["without"] = failure
        yield "row", row
        opened()
        run(3)
        yield "profile", profile(lambda: run(10), self.device, 10)

    def whole(self, parts: Parts, batch: int, seconds: float) -> dict[str, Any]:
        """From words to sound, with text encoder and codec; and how soon there is some sound."""
        generator = MusicgenGenerator("random", "musicgen", parts)
        request = GenerationRequest((PROMPT,) * batch, seconds, tuple(range(batch)))
        list(generator.generate(request))
        first = self._clock(lambda: next(iter(generator.stream(request))))
        took = self._clock(lambda: list(generator.generate(request)))
        return {
            "whole_times_real_time": round(batch * seconds / took, 1),
            "first_sound_ms": round(1e3 * first, 1),
        }

    def _row(
        self,
        engine: str,
        precision: str,
        batch: int,
        seconds: float,
        before: float | None,
        after: float | None,
        steps: int,
    ) -> dict[str, Any]:
        floor = weight_bytes(self.size, precision) / self._about["read_gb_a_second"] / 1e6
        row: dict[str, Any] = {
            "size": self.size,
            "engine": engine,
            "precision": precision,
            "batch": batch,
            "ms_a_step": round(1e3 * seconds, 3),
            "floor_ms": round(floor, 3),
            "times_real_time": round(batch * 0.02 / seconds, 2),
        }
        if before is not None and after is not None:
            row["joules_a_step"] = round((after - before) / steps, 3)
        return row


def measured(
    size: str,
    device: torch.device,
    about: dict[str, Any],
    batches: list[int],
    precisions: list[str],
) -> dict[str, Any]:
    """All rows of a size; peers first, so that their memory is not counted as ours."""
    bench = Bench(size, device, about)
    is_gpu = device.type == "cuda"
    rows: list[dict[str, Any]] = []
    left_out: dict[str, str] = {}
    found: dict[str, Any] = {"rows": rows, "left_out": left_out}

    def add(row: dict[str, Any]) -> None:
        if is_gpu:
            row.setdefault("memory_gb", round(torch.cuda.max_memory_allocated() / 1e9, 2))
            forget()
        rows.append(row)
        print(line(row), flush=True)

    def forget() -> None:
        gc.collect()  # a loop holds itself
        if is_gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def attempt(engine: str, precision: str, batch: int, run: Callable[[], Any]) -> None:
        if engine in left_out:
            return
        try:
            add(run())
        except LeftOutError as error:
            left_out[engine] = str(error)
            print(f"{size:<7} {engine}: {error}", flush=True)
        except Exception as error:  # of memory, of the compiler: the rest still counts
            fail(engine, precision, batch, error)

    def fail(engine: str, precision: str, batch: int, error: Exception) -> None:
        row = {"size": size, "engine": engine, "precision": precision, "batch": batch}
        add(row | {"failed": str(error).splitlines()[0][:200]})

    model: Any = None
    for precision, dtype in DTYPES[device.type].items():
        model = None
        gc.collect()
        model = random_model(size, device, dtype, whole=is_gpu)
        forget()  # what it takes to make one
        for batch in batches:
            for engine, run in (("transformers", bench.peer), (STATIC, bench.compiled)):
                attempt(engine, precision, batch, partial(run, model, precision, batch))
    precision = next(iter(DTYPES[device.type]))  # its loader knows no other
    for batch in batches:
        attempt("audiocraft", precision, batch, partial(bench.audiocraft, precision, batch))
    model.cpu()  # what is measured next is ours
    for precision in precisions:
        parts = assemble(
            model.config,
            model.state_dict(),
            tokenizer(),
            device,
            precision,
            max_frames=1500,
        )
        for batch in batches:
            row: dict[str, Any] = {}
            try:
                for what, value in bench.ours(parts, precision, batch):
                    if what == "row":
                        row = value
                    elif batch == batches[0]:
                        found.setdefault(what, {})[precision] = value
                forget()
                add(row | (bench.whole(parts, batch, 10.0) if is_gpu else {}))
            except Exception as error:
                fail("audio-chain", precision, batch, error)
        del parts
        forget()
    return found


def line(row: dict[str, Any]) -> str:
    """A row for people."""
    begin = f"{row['size']:<7} {row['engine']:<26} {row['precision']:<5} x {row['batch']:<3}"
    if "failed" in row:
        return f"{begin} failed: {row['failed']}"
    more = "".join(
        f", {row[name]:g} {unit}"
        for name, unit in (
            ("memory_gb", "GB"),
            ("joules_a_step", "J a step"),
            ("whole_times_real_time", "x real time with codec"),
            ("first_sound_ms", "ms to the first sound"),
        )
        if name in row
    )
    return (
        f"{begin} {row['ms_a_step']:9.3f} ms a step (floor {row['floor_ms']:.3f}), "
        f"{row['times_real_time']:.2f} x real time{more}"
    )


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--sizes", nargs="+", choices=SHAPES)
    parser.add_argument("--batches", nargs="+", type=int)
    parser.add_argument("--precisions", nargs="+", help="of our own; by default all")
    parser.add_argument("--only", choices=("steps", "start"), help="leave the rest as recorded")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    device = torch.device(options.device)
    kind = device.type
    if kind == "cpu":
        torch.set_num_threads(1)
    sizes = options.sizes or {"cpu": ["small"], "cuda": ["small", "medium", "large"]}[kind]
    batches = options.batches or {"cpu": [1], "cuda": [1, 8, 64]}[kind]
    precisions = options.precisions or list(PRECISIONS[kind])
    about = facts(device)
    print(json.dumps(about))
    half: dict[str, Any] = {}
    if options.only != "start":
        half = {"about": about, "rows": [], "left_out": {}, "sizes": {}}
        for size in sizes:
            found = measured(size, device, about, batches, precisions)
            half["rows"] += found.pop("rows")
            half["left_out"] |= found.pop("left_out")
            half["sizes"][size] = found
            record(half, kind, options.output)
    if options.only != "steps":
        report = {"device": about["device"]} | musicgen_start.measured(sizes[0], device)
        record(half | {"start": {sizes[0]: report}}, kind, options.output)


def record(half: dict[str, Any], kind: str, output: Path) -> None:
    """Put what was measured of a device's half into the file, beside the rest."""
    known = json.loads(output.read_text()) if output.is_file() else {}
    known["command"] = "python -m benchmarks.musicgen"
    write_results(output, known | {kind: known.get(kind, {}) | half})


if __name__ == "__main__":
    main()
