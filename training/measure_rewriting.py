"""Does rewriting earn its place? The same music model on transcripts and on rewritten prompts.

    python -m training.measure_rewriting [--memos 84] [--seed 0]

For each held-out memo MusicGen-nano plays three prompts with the same seed: the transcript as it
is, the rewriter's, and the one that renders the memo's own right answer ("right"). CLAP-nano then
says how well each clip fits the right prompt, and which genre it hears: one that the memo lists, or
not. The right prompts played are as good as a rewriter can get. "Swapped" holds the clips against
the right prompts of other memos. Writes ``docs/results/rewriting.json``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from audio_chain import models
from audio_chain.audio import decode
from audio_chain.brief import negative, render
from audio_chain.errors import UsageError
from audio_chain.generate import GenerationRequest, load_generator
from audio_chain.rewrite import load_rewriter
from audio_chain.rewrite.assemble import assemble
from audio_chain.weights import cache_dir
from eval.adherence.listener import Listener, load_listener
from eval.bootstrap import RESAMPLES, Estimate, estimate, mean
from training.clip_cache import ClipCache
from training.results import RESULTS, conclude, revisions
from training.rewriter.data import heldout, load_memos

GENERATOR: Final = "musicgen-nano"
REWRITER: Final = "smollm2-135m-rewriter"
LISTENER: Final = "clap-nano"
SECONDS: Final = 10.0
WAYS: Final = ("transcript", "rewritten", "right")


@dataclass(frozen=True, eq=False)
class Played:
    """What came of one memo, by way: the clips' embeddings, and whether the genre is listed."""

    right_prompt: str
    embeddings: Mapping[str, NDArray[np.float32]]
    genre_listed: Mapping[str, bool]


def play(options: argparse.Namespace, listener: Listener) -> list[Played]:
    """Rewrite, generate and listen; progress goes to stderr."""
    memos = heldout(load_memos())[: options.memos]
    rewriter = load_rewriter(models.CATALOGUE[REWRITER])
    generator = load_generator(models.CATALOGUE[GENERATOR])
    cache = ClipCache(options.work, generator, revisions(GENERATOR))
    results: list[Played] = []
    started = time.monotonic()
    for number, memo in enumerate(memos):
        briefs = {
            "rewritten": rewriter.rewrite(memo.memo, seconds=SECONDS),
            "right": assemble(memo.answer(), memo.memo, SECONDS),
        }
        prompts = {way: (render(b, generator.family), negative(b)) for way, b in briefs.items()}
        prompts["transcript"] = (memo.memo, "")
        heard = {}
        for way, (prompt, avoided) in prompts.items():
            seeds = (options.seed + number,)
            request = GenerationRequest((prompt,), SECONDS, seeds, negative=avoided)
            heard[way] = listener.hear(decode(cache.path(number, request)))
        results.append(
            Played(
                right_prompt=prompts["right"][0],
                embeddings={way: clip.embedding for way, clip in heard.items()},
                genre_listed={way: clip.genre in memo.genre for way, clip in heard.items()},
            )
        )
        if len(results) % 10 == 0:
            pace = (time.monotonic() - started) / len(results)
            print(f"{len(results)} memos, {pace:.1f} s each", file=sys.stderr, flush=True)
    return results


def summary(
    results: Sequence[Played], texts: NDArray[np.float32]
) -> dict[str, dict[str, Estimate]]:
    """Figures of each way from embeddings of the right prompts, (memos, width)."""
    figures = {}
    for way in WAYS:
        clips = np.stack([one.embeddings[way] for one in results]).astype(np.float64)
        cosines = clips @ texts.astype(np.float64).T
        others = (cosines.sum(1) - cosines.diagonal()) / (len(results) - 1)
        figures[way] = {
            "clap": estimate(mean, cosines.diagonal()),
            "clap_swapped": estimate(mean, others),
            "genre_listed": estimate(mean, [float(one.genre_listed[way]) for one in results]),
        }
    gained = [
        float((one.embeddings["rewritten"] - one.embeddings["transcript"]) @ text)
        for one, text in zip(results, texts, strict=True)
    ]
    figures["rewritten - transcript"] = {"clap": estimate(mean, gained)}
    return figures


def measure(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Measure; returns results for JSON, and a table for people."""
    listener = load_listener()
    results = play(options, listener)
    figures = summary(results, listener.embed_text([one.right_prompt for one in results]))
    report = {
        "command": f"python -m training.measure_rewriting --memos {len(results)} "
        f"--seed {options.seed}",
        "models": revisions(GENERATOR, REWRITER, LISTENER),
        "memos": len(results),
        "seconds": SECONDS,
        "bootstrap": {"resamples": RESAMPLES, "seed": 0, "interval": 0.95},
        "results": {
            way: {name: figure.to_dict() for name, figure in each.items()}
            for way, each in figures.items()
        },
    }
    return report, table(figures)


def table(figures: Mapping[str, Mapping[str, Estimate]]) -> str:
    """A Markdown table with 95 % intervals."""
    lines = ["| prompt | CLAP-nano | swapped | genre the memo lists |", "|---|---|---|---|"]
    for way, each in figures.items():
        cells = [
            f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"
            for name, figure in each.items()
            if name != "genre_listed"
        ]
        if "genre_listed" in each:
            listed = each["genre_listed"]
            low, high = 100 * listed.low, 100 * listed.high
            cells.append(f"{100 * listed.value:.0f} % ({low:.0f} to {high:.0f})")
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; exit code 1 or 2 with one line if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--memos", type=int, default=84, help="how many of the held-out memos")
    parser.add_argument("--seed", type=int, default=0, help="of the first clip")
    parser.add_argument(
        "--work",
        type=Path,
        default=cache_dir() / "measured" / "rewriting",
        help="folder that keeps the generated clips",
    )
    parser.add_argument("--output", type=Path, default=RESULTS / "rewriting.json")
    options = parser.parse_args(argv)

    def checked() -> tuple[dict[str, Any], str]:
        if options.memos < 2 or options.seed < 0:
            raise UsageError("--memos must be at least 2, --seed at least 0")
        return measure(options)

    return conclude(checked, options.output)


if __name__ == "__main__":
    sys.exit(main())
