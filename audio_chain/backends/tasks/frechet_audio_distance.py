"""frechet-audio-distance: its distance on given embeddings, and its whole run over two folders."""

from __future__ import annotations

import contextlib
import io
import math
import sys
import time
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np

from audio_chain.backends.serve import Job, Reply
from audio_chain.errors import ChainError

# Imported by the package, used only for its own CLAP embedder, and it asks the hub for
# tokenizers while it is imported: an empty module does.
sys.modules["laion_clap"] = ModuleType("laion_clap")

from frechet_audio_distance import FrechetAudioDistance  # noqa: E402

_FAILED: Final = -1


def _without_model() -> Any:
    """The package's object, its constructor left out: that downloads a model."""
    return FrechetAudioDistance.__new__(FrechetAudioDistance)


def frechet(job: Job) -> Reply:
    """Distance between two sets of embeddings, by the functions that ``score`` calls.

    ``score`` itself turns any exception into -1; here it comes out.
    """
    peer = _without_model()
    start = time.perf_counter()
    statistics = [
        peer.calculate_embd_statistics(np.asarray(job.arrays[name]))
        for name in ("reference", "generated")
    ]
    value = float(peer.calculate_frechet_distance(*statistics[0], *statistics[1]))
    seconds = time.perf_counter() - start
    if not math.isfinite(value):
        raise ChainError(f"the distance came out as {value}")
    return Reply({"value": value, "seconds": seconds})


def score(job: Job) -> Reply:
    """Distance between two folders of audio, by ``score`` with an embedder of ours inside.

    It reads and resamples the files itself, and keeps all their samples and embeddings in memory.
    """
    from eval.embedders import load_embedder

    model = _Model(load_embedder(job.values["embedder"], device="cpu", offline=True), job)
    peer = _without_model()
    peer.model_name = "vggish"  # the way that hands (samples, rate) to a model
    peer.model = model
    peer.sample_rate = model.embedder.rate
    peer.channels = 1
    peer.verbose = False
    peer.audio_load_worker = 8
    folders = [Path(job.values[name]) for name in ("reference", "generated")]
    model.files = sum(1 for folder in folders for _ in folder.iterdir())
    said = io.StringIO()
    start, start_of_work = time.perf_counter(), time.process_time()
    with contextlib.redirect_stdout(said):
        value = float(peer.score(str(folders[0]), str(folders[1])))
    seconds, worked = time.perf_counter() - start, time.process_time() - start_of_work
    print(said.getvalue(), file=sys.stderr)
    if model.error is not None:  # it goes on with the files before the one that failed
        raise model.error
    if value == _FAILED or not math.isfinite(value):
        reason = said.getvalue().strip().splitlines() or [f"the distance came out as {value}"]
        raise ChainError(reason[-1].removeprefix("[Frechet Audio Distance] "))
    return Reply(
        {
            "value": value,
            "seconds": seconds,
            "processor_seconds": worked,
            "files": model.done,
            "peak_megabytes": _peak(),
        }
    )


def _peak() -> float:
    """The most memory that this process has had; 0 where that can't be told."""
    try:
        import resource
    except ImportError:
        return 0.0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1e6 if sys.platform == "darwin" else 1e3)  # bytes there, kilobytes elsewhere


class _Model:
    """An embedder of ours where the package expects a model."""

    def __init__(self, embedder: Any, job: Job) -> None:
        self.embedder = embedder
        self.files = 0
        self.done = 0
        self.error: Exception | None = None
        self._progress = job.progress

    def forward(self, samples: Any, rate: int) -> Any:
        """Embed mono samples: a tensor (windows, dimensions)."""
        import torch

        from audio_chain.clip import Clip

        try:
            clip = Clip(np.ascontiguousarray(samples, dtype=np.float32)[np.newaxis], rate)
            windows = torch.from_numpy(np.array(self.embedder.embed(clip)))
        except Exception as error:  # the package prints it and goes on; see `score`
            self.error = error
            raise
        self.done += 1
        self._progress(self.done, self.files)
        return windows


def check(job: Job) -> Reply:
    """Measure a distance that is known: equal spreads, means one apart in each of 8 dimensions."""
    sample = np.random.default_rng(0).standard_normal((500, 8))
    peer = _without_model()
    here, there = (peer.calculate_embd_statistics(sample + shift) for shift in (0.0, 1.0))
    value = float(peer.calculate_frechet_distance(*here, *there))
    if not math.isclose(value, 8.0, rel_tol=1e-6):
        raise RuntimeError(f"a distance that is 8 came out as {value}")
    versions = {name: version(name) for name in ("frechet-audio-distance", "scipy", "numpy")}
    return Reply({"did": f"measured a distance of 8: {value:.9g}", "versions": versions})


TASKS: Final = {"frechet": frechet, "score": score, "check": check}
