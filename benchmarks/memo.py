"""How long a voice memo takes, and how much memory: the whole command, weights cached.

    python -m benchmarks.memo [MEMO] [--repeat 3]

Runs ``audio-chain memo`` as a user would, in a process of its own, and prints a row a run with
the time of each stage from the run's manifest. Writes ``docs/results/memo.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from training.results import RESULTS, write_results

ROOT = Path(__file__).parents[1]


def once(memo: Path) -> dict[str, Any]:
    """Run the command; seconds in all and by stage, and the peak of memory in GB."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        command = [sys.executable, str(ROOT / "cli.py"), "memo", str(memo), "-o", str(out)]
        started = time.monotonic()
        subprocess.run([*command, "--seed", "7", "--offline"], check=True, capture_output=True)
        seconds = time.monotonic() - started
        manifest = json.loads((out / "run.json").read_text())
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    stages = {name: round(value, 2) for name, value in manifest["seconds"].items()}
    return {
        "seconds": round(seconds, 2),
        "peak_gb": round(peak, 2),
        "track_seconds": manifest["track_seconds"],
        "stages": stages,
    }


def main() -> None:
    """Run, print and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    default = ROOT / "examples/memos/rainy-evening.m4a"
    parser.add_argument("memo", type=Path, nargs="?", default=default)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    runs = []
    for _ in range(options.repeat):
        runs.append(once(options.memo))
        stages = ", ".join(f"{name} {value:.1f}" for name, value in runs[-1]["stages"].items())
        print(f"{runs[-1]['seconds']:.1f} s, {runs[-1]['peak_gb']:.2f} GB ({stages})", flush=True)
    load = os.getloadavg()[0]
    machine = {"processor": platform.processor(), "cores": os.cpu_count(), "load": round(load, 1)}
    target = RESULTS / "memo.json"
    write_results(target, {"machine": machine, "runs": runs})
    print(target)


if __name__ == "__main__":
    main()
