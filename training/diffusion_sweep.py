"""Sweep steps and guidance of Stable-Audio-nano: what more of each is worth.

    python -m training.diffusion_sweep [--prompts 40] [--seed 0]

Each setting plays the prompts of the same held-out pieces with the same seeds. CLAP score is a mean
over clips with a bootstrap interval. FAD is to the shipped reference; of so few clips it is far
too large, so compare rows only with each other and with the pieces themselves ("real"). Writes
``docs/results/diffusion-sweep.json``. Clips are kept in ``--work``: a sweep that was stopped goes
on.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from audio_chain import models
from audio_chain.audio import decode
from audio_chain.clip import Clip
from audio_chain.errors import UsageError
from audio_chain.generate import load_generator
from audio_chain.weights import cache_dir
from eval.bootstrap import estimate, mean
from eval.clap_score import clip_embedding, embed_distinct
from eval.collection import Collector
from eval.embedders import TextEmbedder, load_text_embedder
from eval.fad import fad
from eval.sides import saved_side
from training.clip_cache import ClipCache
from training.held_out import HeldOut, held_out
from training.measure_stable_audio import GENERATOR, request_for
from training.results import RESULTS, conclude, revisions

STEPS: Final = (4, 8, 16, 32, 64)
GUIDANCES: Final = (1.0, 2.0, 4.0, 7.0)
STEPS_THEN: Final = 16
GUIDANCE_THEN: Final = 3.0
LISTENER: Final = "clap-nano"


def figures(
    clips: Iterable[Clip], texts: NDArray[np.floating], embedder: TextEmbedder, seed: int
) -> dict[str, Any]:
    """CLAP score and FAD of clips, for JSON.

    Parameters
    ----------
    clips : iterable of Clip
    texts : array, shape (clips, dimensions)
        Unit vectors of what was asked for each.
    embedder : TextEmbedder
    seed : int
        Of the intervals.
    """
    collector, cosines = Collector(embedder.dimensions), []
    for clip, text in zip(clips, texts, strict=True):
        windows = embedder.embed(clip)
        collector.add(windows)
        cosines.append(float(clip_embedding(windows) @ text))
    side = saved_side("factory")
    assert side is not None
    distance = fad(side.gaussian, collector.finish(embedder.origin), seed=seed)
    return {
        "clap": estimate(mean, cosines, seed=seed).to_dict(),
        "fad": distance.estimate.to_dict(),
    }


def measure(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Measure all settings: results for JSON, and a table for people."""
    if options.prompts < 2 or options.seed < 0:
        raise UsageError("--prompts must be at least 2, --seed at least 0")
    embedder = load_text_embedder(LISTENER, device="cpu")
    items = list(held_out(options.prompts))
    texts = embed_distinct(embedder, [item.prompt for item in items])
    generator = load_generator(models.CATALOGUE[GENERATOR], device=options.device)
    cache = ClipCache(options.work, generator, revisions(GENERATOR))

    def clip(item: HeldOut, steps: int, guidance: float) -> Clip:
        return decode(cache.path(item.number, request_for(item, options.seed, guidance, steps)))

    rows: list[dict[str, Any]] = []
    settings = [(steps, GUIDANCE_THEN) for steps in STEPS]
    settings += [(STEPS_THEN, guidance) for guidance in GUIDANCES]
    for steps, guidance in settings:
        started = time.monotonic()
        made = (clip(item, steps, guidance) for item in items)
        found = figures(made, texts, embedder, options.seed)
        rows.append({"steps": steps, "guidance": guidance, **found})
        print(f"{steps} steps, {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    results = {
        "command": f"python -m training.diffusion_sweep --prompts {options.prompts} "
        f"--seed {options.seed}",
        "models": revisions(GENERATOR, LISTENER),
        "prompts": options.prompts,
        "settings": rows,
        "real": figures((item.clip for item in items), texts, embedder, options.seed),
    }
    lines = ["| steps | guidance | CLAP score | FAD |", "|---|---|---|---|"]
    for row in [*rows, {"steps": "real", "guidance": "", **results["real"]}]:
        both = (f"{row[name]['value']:.3f}" for name in ("clap", "fad"))
        lines.append(f"| {row['steps']} | {row['guidance']} | " + " | ".join(both) + " |")
    return results, "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; exit code 1 or 2 with one line if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--prompts", type=int, default=40, help="how many held-out pieces")
    parser.add_argument("--seed", type=int, default=0, help="of the clips and of the intervals")
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--work",
        type=Path,
        default=cache_dir() / "measured" / GENERATOR,
        help="folder that keeps the generated clips",
    )
    parser.add_argument("--output", type=Path, default=RESULTS / "diffusion-sweep.json")
    options = parser.parse_args(argv)
    return conclude(lambda: measure(options), options.output)


if __name__ == "__main__":
    sys.exit(main())
