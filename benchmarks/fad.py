"""Our FAD against frechet-audio-distance's and fadtk's, in one run.

    OMP_NUM_THREADS=1 python -m benchmarks.fad [--dimensions 128 512 2048] [--files 500]

First the distance alone, from random means and covariances: ours, and the two packages' own
formulas through scipy, in seconds of CPU. Then statistics and distance together, in seconds of
the clock, beside frechet-audio-distance itself if ``audio-chain backends install
frechet-audio-distance`` has been run. Then both whole pipelines on files of 10 s with CLAP-nano
inside, each in a process of its own, without the time to load the model, by the clock and in time
of processors, which other work on the machine hardly changes; and what memory they take for a fifth
of the files. Writes ``docs/results/fad-speed.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from audio_chain.errors import ChainError
from eval.frechet import frechet_distance
from eval.gaussian import Accumulator, Gaussian, Origin
from training.results import RESULTS, write_results

EMBEDDER: Final = "clap-nano"
OURS: Final = "audio-chain"
PEER: Final = "frechet-audio-distance"
SECONDS: Final = 10.0
FIRST_PIECE: Final = 50_000  # of the held-out seed, beyond those of the shipped reference
_ORIGIN: Final = Origin("random", "0", 1, 1.0, 1.0)


def sqrtm_formula(a: Gaussian, b: Gaussian) -> float:
    """The distance as frechet-audio-distance 0.3.4 computes it."""
    from scipy.linalg import sqrtm

    apart = a.mean - b.mean
    root = sqrtm((a.covariance @ b.covariance).astype(complex))
    traces = np.trace(a.covariance) + np.trace(b.covariance) - 2 * np.trace(root.real)
    return float(apart @ apart + traces)


def eigenvector_formula(a: Gaussian, b: Gaussian) -> float:
    """The distance as fadtk 1.1.0 computes it, which also takes a square root to compare with."""
    from scipy.linalg import eig, inv, sqrtm

    apart = a.mean - b.mean
    sqrtm(a.covariance @ b.covariance)
    values, vectors = eig(a.covariance @ b.covariance)
    root = (vectors * np.sqrt(values.astype(complex))) @ inv(vectors)
    traces = np.trace(a.covariance) + np.trace(b.covariance) - 2 * np.trace(root).real
    return float(apart @ apart + traces)


FORMULAS: Final[dict[str, Callable[[Gaussian, Gaussian], float]]] = {
    OURS: lambda a, b: frechet_distance(a, b).value,
    "frechet-audio-distance's formula": sqrtm_formula,
    "fadtk's formula": eigenvector_formula,
}


def windows(dimensions: int, seed: int) -> NDArray[np.float64]:
    """Random embeddings, twice as many as dimensions, whose dimensions depend on each other."""
    generator = np.random.default_rng(seed)
    values = generator.standard_normal((2 * dimensions, dimensions))
    values *= np.logspace(0, -1, dimensions)
    mixing = generator.standard_normal((dimensions, dimensions)) / np.sqrt(dimensions)
    return np.asarray(values @ mixing + 0.1 * generator.standard_normal(dimensions))


def gaussian(embeddings: NDArray[np.float64]) -> Gaussian:
    """Our statistics."""
    accumulator = Accumulator(embeddings.shape[1])
    accumulator.add(embeddings)
    return accumulator.finish(_ORIGIN)


def timed(
    work: Callable[[], float], repeat: int, clock: Callable[[], float] = time.process_time
) -> tuple[float, float]:
    """What `work` gives, and the least seconds it took: of CPU, as others may be at work too."""
    times, value = [], 0.0
    for _ in range(repeat):
        started = clock()
        value = work()
        times.append(clock() - started)
    return value, min(times)


def core(dimensions: int, repeat: int) -> dict[str, Any]:
    """Compare the distance alone; print a row for each formula."""
    a, b = (gaussian(windows(dimensions, seed)) for seed in (0, 1))
    rows: dict[str, Any] = {}
    ours = 0.0
    for name, formula in FORMULAS.items():
        times = repeat if name == OURS or dimensions <= 512 else 1
        value, seconds = timed(lambda formula=formula: formula(a, b), times)  # type: ignore[misc]
        ours = ours or seconds
        rows[name] = {"value": value, "seconds": round(seconds, 5)}
        rows[name] |= {} if name == OURS else {"ratio": round(seconds / ours, 1)}
        ratio = rows[name].get("ratio", "")
        print(f"{dimensions:5} {name:<34} {seconds:9.4f} s {ratio:>7}  {value:.12g}", flush=True)
    return rows


def with_statistics(dimensions: int, repeat: int) -> dict[str, Any]:
    """Compare statistics and distance with the peer's package; empty if it isn't installed."""
    from eval.engines import timed_peer_frechet

    x, y = (windows(dimensions, seed) for seed in (0, 1))
    try:
        theirs = [timed_peer_frechet(x, y) for _ in range(repeat if dimensions <= 512 else 1)]
    except ChainError as error:
        print(f"left out: {error}", file=sys.stderr)
        return {}
    value, seconds = timed(
        lambda: frechet_distance(gaussian(x), gaussian(y)).value, repeat, time.perf_counter
    )
    peer_value, peer_seconds = theirs[0][0], min(took for _, took in theirs)
    ratio = round(peer_seconds / seconds, 1)
    print(f"{dimensions:5} {PEER + ', with statistics':<34} {peer_seconds:9.4f} s {ratio:>7}")
    return {
        OURS: {"value": value, "seconds": round(seconds, 5)},
        PEER: {"value": peer_value, "seconds": round(peer_seconds, 5), "ratio": ratio},
        "relative_difference": abs(peer_value - value) / value,
    }


def write_pieces(folder: Path, first: int, count: int, rate: int, channels: int) -> None:
    """Write held-out pieces of the data factory as WAV files."""
    from audio_chain.audio import encode
    from audio_chain.clip import Clip
    from training.factory.dataset import RATE, sample
    from training.shards import HELD_OUT_SEED

    folder.mkdir()
    for number in range(first, first + count):
        audio = sample(number, HELD_OUT_SEED, SECONDS).audio.astype(np.float32) / 32768
        clip = Clip(np.stack([audio] * channels), RATE).resampled(rate)
        encode(clip, folder / f"{number}.wav")


def run_ours(reference: Path, generated: Path) -> dict[str, Any]:
    """Our pipeline, with its interval, on a cache of its own."""
    from eval.embedders import load_embedder
    from eval.fad import fad
    from eval.sides import embed_side, sound_files
    from eval.wer import peak_memory_mb

    embedder = load_embedder(EMBEDDER, device="cpu", offline=True)
    with tempfile.TemporaryDirectory() as cache:
        result: dict[str, Any] = {}
        for name in ("seconds", "seconds_cached"):
            started, worked = time.perf_counter(), time.process_time()
            sides = [
                embed_side(str(place), sound_files(str(place)), embedder, cache=Path(cache))
                for place in (reference, generated)
            ]
            collection = sides[1].require_sound()
            result["value"] = fad(sides[0].gaussian, collection).estimate.value
            result[name] = time.perf_counter() - started
            result[f"processor_{name}"] = time.process_time() - worked
    return {**result, "peak_mb": peak_memory_mb()}


def run_peer(reference: Path, generated: Path) -> dict[str, Any]:
    """The peer's pipeline, in its own environment."""
    import resource

    from eval.engines import close_peer, peer_score

    score = peer_score(reference, generated, embedder=EMBEDDER)
    close_peer()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6
    times = {"seconds": score.seconds, "processor_seconds": score.processor_seconds}
    return {"value": score.value, **times, "peak_mb": peak}


RUNS: Final = {OURS: run_ours, PEER: run_peer}


def pipelines(files: int, rate: int, channels: int) -> dict[str, Any]:
    """Compare the whole pipelines on `files` files a side, and a fifth of them."""
    result: dict[str, Any] = {"rate": rate, "channels": channels}
    with tempfile.TemporaryDirectory() as place:
        for count in (files // 5, files):
            folders = [Path(place, f"{side}{count}") for side in ("reference", "generated")]
            for number, folder in enumerate(folders):
                write_pieces(folder, FIRST_PIECE + number * files, count, rate, channels)
            rows = result[f"{count} files"] = {}
            for name in RUNS:
                if found := _in_a_process(name, folders):
                    rows[name] = {key: round(value, 4) for key, value in found.items()}
                    print(
                        f"{name:<24} {count} files, {rate} Hz, {channels} channels: "
                        f"{found['seconds']:.1f} s ({found['processor_seconds']:.1f} of "
                        f"processors), {found['peak_mb']:.0f} MB, "
                        f"FAD {found['value']:.9g}",
                        flush=True,
                    )
            if PEER in rows:
                for key, ratio in (("seconds", "ratio"), ("processor_seconds", "processor_ratio")):
                    rows[ratio] = round(rows[PEER][key] / rows[OURS][key], 2)
                print(
                    f"{OURS} is {rows['ratio']:.2f} x as fast, "
                    f"{rows['processor_ratio']:.2f} x in time of processors",
                    flush=True,
                )
    return result


def _in_a_process(name: str, folders: Sequence[Path]) -> dict[str, float]:
    """Run one pipeline in a process of its own, so that its memory can be told."""
    command = [sys.executable, "-m", "benchmarks.fad", "--run", name, *map(str, folders)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, text=True)
    if done.returncode:
        return {}
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    """Compare, print and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--dimensions", type=int, nargs="*", default=[128, 512, 2048])
    parser.add_argument("--files", type=int, default=500, help="a side; 0 leaves pipelines out")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--output", type=Path, default=RESULTS / "fad-speed.json")
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        name, *folders = options.run
        try:
            print(json.dumps(RUNS[name](*map(Path, folders))))
        except ChainError as error:
            print(f"{name} left out: {error}", file=sys.stderr)
            return error.exit_code
        return 0
    record: dict[str, Any] = {
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "threads": os.environ.get("OMP_NUM_THREADS", "all"),
            "load": round(os.getloadavg()[0], 1),
        },
        "distance": {str(d): core(d, options.repeat) for d in options.dimensions},
        "statistics_and_distance": {
            str(d): with_statistics(d, options.repeat) for d in options.dimensions
        },
    }
    if options.files:
        sounds = ((32_000, 1), (44_100, 2))
        record["pipelines"] = [pipelines(options.files, *sound) for sound in sounds]
    write_results(options.output, record)
    print(options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
