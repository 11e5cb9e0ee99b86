"""How long a checkpoint takes to its first step, and the memory that it needs on the way.

    python -m benchmarks.musicgen_start FOLDER audio-chain|transformers PRECISION DEVICE

Prints JSON. In a process of its own, with its imports done; `measured` starts them. The first step
comes after the prompt has been read and ends with its tokens.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Final

import torch

from audio_chain.generate.musicgen.checkpoint import load_whole
from benchmarks.musicgen_loop import prepared
from benchmarks.random_musicgen import PROMPT, random_model, tokenizer

PRECISIONS: Final = {
    "cpu": {
        "transformers": ("fp32", "bf16"),
        "audio-chain": ("fp32", "bf16", "fp16", "int8"),
    },
    "cuda": {"transformers": ("fp16",), "audio-chain": ("fp16", "int8")},
}
DTYPES: Final = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

STEPS: Final = 50
"""Columns that our loop makes room for: 1 s."""


class Memory:
    """Watches this process's memory, on Linux."""

    def __init__(self) -> None:
        self._begun = self._now()
        self._own = self._begun["RssAnon"]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def grown(self) -> dict[str, int]:
        """Stop; megabytes by which it has grown at the most.

        ``memory_mb`` is the process's own, ``resident_mb`` has what is mapped from files too.
        """
        self._over.set()
        self._thread.join()
        return {
            "memory_mb": round(self._own - self._begun["RssAnon"]),
            "resident_mb": round(self._now()["VmHWM"] - self._begun["VmRSS"]),
        }

    def _watch(self) -> None:
        while not self._over.wait(0.005):
            self._own = max(self._own, self._now()["RssAnon"])

    @staticmethod
    def _now() -> dict[str, float]:
        lines = re.findall(r"(\w+):\s+(\d+) kB", Path("/proc/self/status").read_text())
        return {name: int(kilobytes) / 1e3 for name, kilobytes in lines}


class Watch:
    """Seconds since its beginning, once the device has done its work."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._begun = device, time.perf_counter()

    def __call__(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - self._begun


def theirs(folder: Path, precision: str, device: torch.device, watch: Watch) -> dict[str, float]:
    """transformers."""
    from transformers import AutoTokenizer
    from transformers import MusicgenForConditionalGeneration as Model

    model: Any = Model.from_pretrained(folder, dtype=DTYPES[precision])
    model = model.to(device).eval()
    words = AutoTokenizer.from_pretrained(folder)([PROMPT], return_tensors="pt").to(device)
    found = {"load_s": watch()}
    steps: list[float] = []
    model.decoder.register_forward_hook(lambda *_: steps.append(watch()))
    model.generate(**words, do_sample=True, guidance_scale=3.0, max_new_tokens=4)
    return found | {"first_step_s": steps[0]}


def ours(folder: Path, precision: str, device: torch.device, watch: Watch) -> dict[str, float]:
    """Our engine; on a GPU also compiling its kernels, and recording its first graph."""
    parts = load_whole(folder, device, precision)
    found = {"load_s": watch()}
    loop, opened = prepared(parts, 1, STEPS)
    made = watch()
    opened()
    before = watch()
    loop.advance()
    found["first_step_s"] = watch()
    if device.type == "cuda":
        loop.advance()
        again = watch() - found["first_step_s"]
        found["kernels_s"] = made - found["load_s"]
        found["capture_s"] = found["first_step_s"] - before - again
    return found


def measured(size: str, device: torch.device) -> dict[str, Any]:
    """Loading a checkpoint of float32 weights, as they are published, from a warm disk.

    On a GPU kernels are compiled for the first precision that needs them, in a cache of their
    own; each of our rows is of a second run, ``compile_s`` is what its first one took longer.
    """
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        random_model(size, torch.device("cpu"), torch.float32, whole=True).save_pretrained(folder)
        tokenizer().save_pretrained(folder)
        megabytes = sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 1e6
        for engine, precisions in PRECISIONS[device.type].items():
            for precision in precisions:
                row = _process(folder, engine, precision, device)
                if "kernels_s" in row:
                    cold = row["kernels_s"]
                    row = _process(folder, engine, precision, device)
                    row["compile_s"] = round(cold - row["kernels_s"], 2)
                rows.append({"engine": engine, "precision": precision} | row)
                print(f"{size}, start: {rows[-1]}", flush=True)
    return {"checkpoint_mb": round(megabytes), "rows": rows}


def _process(folder: Path, engine: str, precision: str, device: torch.device) -> dict[str, Any]:
    command = [sys.executable, "-m", __spec__.name, str(folder), engine, precision, str(device)]
    kernels = {"TRITON_CACHE_DIR": str(folder / "triton")}
    said = subprocess.run(
        command, env=os.environ | kernels, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


def main() -> None:
    """Load, step once, and report."""
    folder, engine, precision, name = sys.argv[1:]
    device = torch.device(name)
    if device.type == "cuda":
        torch.cuda.init()
    memory, watch, processor = Memory(), Watch(device), time.process_time()
    run = {"transformers": theirs, "audio-chain": ours}[engine]
    found = run(Path(folder), precision, device, watch)
    report: dict[str, Any] = {name: round(value, 2) for name, value in found.items()}
    report["processor_s"] = round(time.process_time() - processor, 2)
    report["threads"] = torch.get_num_threads()
    print(json.dumps(report | memory.grown()))


if __name__ == "__main__":
    main()
