"""How long a checkpoint takes to its first step, and the memory that it needs on the way.

    python -m benchmarks.musicgen_start FOLDER audio-chain|transformers DEVICE

Prints JSON. In a process of its own, with its imports done. Memory is the most that was the
process's own at a time, without what is only mapped from files.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.random_musicgen import PROMPT, tokenizer


class Highest:
    """Watches this process's own memory, on Linux."""

    def __init__(self) -> None:
        self.mb = self._begun = self._now()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def grown(self) -> float:
        """Stop; megabytes by which it has grown at the most."""
        self._over.set()
        self._thread.join()
        return self.mb - self._begun

    def _watch(self) -> None:
        while not self._over.wait(0.005):
            self.mb = max(self.mb, self._now())

    @staticmethod
    def _now() -> float:
        found = re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())
        return int(found[1]) / 1e3 if found else 0.0


def main() -> None:
    """Load, step once, and report."""
    folder, engine, name = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    device = torch.device(name)
    if engine == "transformers":
        from transformers import MusicgenForConditionalGeneration as Model
    else:
        from audio_chain.generate import GenerationRequest
        from audio_chain.generate.musicgen.checkpoint import load_whole
        from audio_chain.generate.musicgen.generator import MusicgenGenerator
    highest = Highest()
    begun, processor = time.perf_counter(), time.process_time()
    if engine == "transformers":
        dtype = torch.float16 if device.type == "cuda" else torch.float32
        model: Any = Model.from_pretrained(folder, dtype=dtype)
        model = model.to(device).eval()
        loaded = time.perf_counter()
        words = tokenizer()([PROMPT], return_tensors="pt").to(device)
        model.generate(**words, do_sample=True, guidance_scale=3.0, max_new_tokens=4)
    else:
        parts = load_whole(folder, device, "auto")
        loaded = time.perf_counter()
        generator = MusicgenGenerator("random", "musicgen", parts)
        list(generator.generate(GenerationRequest((PROMPT,), 0.02, (1,))))
    if device.type == "cuda":
        torch.cuda.synchronize()
    report = {
        "load_s": round(loaded - begun, 2),
        "first_step_s": round(time.perf_counter() - begun, 2),
        "processor_s": round(time.process_time() - processor, 2),
        "memory_mb": round(highest.grown()),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
