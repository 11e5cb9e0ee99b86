"""Measure MusicGen-nano on prompts that ask for held-out pieces of the data factory.

    python -m training.measure_musicgen [--prompts 200] [--solos 100] [--seed 0] [--guidance 3]

Each clip is held against what was asked for, against what was asked of every other clip
("swapped"), and beside the piece itself ("real"): tempo within 4 % (double and half allowed) where
there are drums, genre, a solo's instrument, and CLAP-nano's cosine. Silence, clipping and drones
are counted, and FAD is measured to the reference that is shipped. Prints a table, and writes
``docs/results/musicgen-nano.json``. Clips are kept in ``--work``: a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from audio_chain import models, sound_check
from audio_chain.audio import decode
from audio_chain.errors import UsageError
from audio_chain.generate import GenerationRequest, load_generator
from audio_chain.generate.musicgen import MusicgenGenerator
from audio_chain.weights import cache_dir
from eval.adherence.listener import Listener, load_listener
from eval.adherence.tempo import TOLERANCE
from eval.bootstrap import RESAMPLES, Estimate
from eval.collection import Collector
from eval.embedders import load_embedder
from eval.fad import fad
from eval.sides import saved_side
from training.clip_cache import ClipCache
from training.held_out import SECONDS, HeldOut, held_out
from training.judging import Comparison, Pair, comparisons, defects, extremes, judge
from training.results import RESULTS, conclude, revisions
from training.shards import HELD_OUT_SEED

GENERATOR: Final = "musicgen-nano"
LISTENER: Final = "clap-nano"
TARGETS: Final = {
    "tempo": "generated >= 80 %",
    "genre": "generated / real >= 75 %",
    "solo_instrument": "generated / real >= 75 %",
    "clap": "",
    "silent": "none",
    "clipped": "none",
    "drone": "none",
}
LIMITS: Final = {
    "tempo_tolerance": TOLERANCE,
    "silent_below_dbfs": sound_check.SILENT_DBFS,
    "clipped_above_share": sound_check.CLIPPED_SHARE,
    "drone_below_change": sound_check.DRONE_CHANGE,
}


Ask = Callable[[HeldOut], GenerationRequest]
"""Asks for a held-out piece."""


def request_for(item: HeldOut, seed: int, guidance: float) -> GenerationRequest:
    """Ask for a piece as the product does; every piece has a seed of its own."""
    return GenerationRequest((item.prompt,), SECONDS, (seed + item.number,), guidance=guidance)


def judged(
    cache: ClipCache, ask: Ask, options: argparse.Namespace, listener: Listener
) -> Iterator[Pair]:
    """Generate a clip for each held-out piece, and judge both; progress goes to stderr."""
    started = time.monotonic()
    for done, item in enumerate(held_out(options.prompts, options.solos), 1):
        path = cache.path(item.number, ask(item))
        yield Pair(
            name=path.name,
            prompt=item.prompt,
            facts=item.piece.attributes,
            in_prompts=item.in_prompts,
            in_solos=item.in_solos,
            generated=judge(decode(path), listener),
            real=judge(item.clip, listener),
        )
        if done % 10 == 0:
            pace = (time.monotonic() - started) / done
            print(f"{done} clips, {pace:.1f} s each", file=sys.stderr, flush=True)


def distances(pairs: Sequence[Pair], work: Path, seed: int) -> dict[str, Any]:
    """FAD of the clips to the shipped reference, and of the pieces themselves; for JSON."""
    side = saved_side("factory")
    assert side is not None
    embedder = load_embedder(LISTENER, device="cpu")
    made, real = Collector(embedder.dimensions), Collector(embedder.dimensions)
    prompted = [pair for pair in pairs if pair.in_prompts]
    for pair, item in zip(prompted, held_out(len(prompted)), strict=True):
        made.add(embedder.embed(decode(work / pair.name)))
        real.add(embedder.embed(item.clip))
    found = {
        name: fad(side.gaussian, collector.finish(embedder.origin), seed=seed)
        for name, collector in (("generated", made), ("real", real))
    }
    return {name: one.estimate.to_dict() for name, one in found.items()}


def measure(
    name: str,
    ask: Ask,
    options: argparse.Namespace,
    command: str,
    generation: Mapping[str, Any],
) -> tuple[dict[str, Any], str]:
    """Measure everything.

    Parameters
    ----------
    name : str
        The generator's in the catalogue.
    ask : callable
        Gives the request for a held-out piece.
    options : argparse.Namespace
        As of `parser_for`.
    command, generation
        For the results: how they were made, and how clips were.

    Returns
    -------
    results : dict
        For JSON.
    table : str
        For people.
    """
    if options.prompts < 2 or min(options.solos, options.seed) < 0:
        raise UsageError("--prompts must be at least 2, --solos and --seed at least 0")
    listener = load_listener()
    generator = load_generator(models.CATALOGUE[name], device=options.device)
    cache = ClipCache(options.work, generator, revisions(name))
    pairs = list(judged(cache, ask, options, listener))
    compared = comparisons(pairs, listener, options.seed)
    wrong = defects(pairs, options.seed)
    results = {
        "command": f"{command} --prompts {options.prompts} --solos {options.solos} "
        f"--seed {options.seed} --guidance {options.guidance:g}",
        "models": revisions(name, LISTENER),
        "held_out": {
            "seed": HELD_OUT_SEED,
            "prompts": options.prompts,
            "solos": options.solos,
            "clips": len(pairs),
        },
        "generation": {
            "seconds": SECONDS,
            "seed": options.seed,
            "guidance": options.guidance,
            **generation,
        },
        "bootstrap": {"resamples": RESAMPLES, "seed": options.seed, "interval": 0.95},
        "limits": LIMITS,
        "targets": TARGETS,
        "comparisons": {name: item.to_dict() for name, item in compared.items()},
        "fad": distances(pairs, options.work, options.seed),
        "defects": wrong,
        "extremes": extremes(pairs),
    }
    if isinstance(generator, MusicgenGenerator):
        # of those made just now: what was kept from before doesn't say
        results["played_again"] = {"clips": generator.played_again, "of": cache.made}
    return results, table(compared, wrong)


def table(compared: Mapping[str, Comparison], wrong: Mapping[str, Mapping[str, Any]]) -> str:
    """A Markdown table of the figures with their 95 % intervals."""
    columns = "clips", "generated", "swapped", "real", "real, swapped", "generated / real", "target"
    lines = ["| measure | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, item in compared.items():
        cells = [
            _plain(figure) if name == "clap" else _percent(figure)
            for figure in (item.generated, item.generated_swapped, item.real, item.real_swapped)
        ]
        cells = [str(item.real.count), *cells, _percent(item.ratio), TARGETS[name]]
        lines.append(f"| {name.replace('_', ' ')} | " + " | ".join(cells) + " |")
    for name, sides in wrong.items():
        made, real = (f"{100 * sides[side]['value']:.1f} %" for side in ("generated", "real"))
        count = sides["real"]["count"]
        lines.append(f"| {name} | {count} | {made} | | {real} | | | {TARGETS[name]} |")
    return "\n".join(lines)


def _percent(figure: Estimate) -> str:
    if math.isnan(figure.value):
        return "-"
    return f"{100 * figure.value:.0f} % ({100 * figure.low:.0f} to {100 * figure.high:.0f})"


def _plain(figure: Estimate) -> str:
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def parser_for(name: str, about: str) -> argparse.ArgumentParser:
    """Make the command line of a measurement of generator `name`."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--prompts", type=int, default=200, help="how many held-out pieces")
    parser.add_argument("--solos", type=int, default=100, help="how many held-out solos")
    parser.add_argument("--seed", type=int, default=0, help="of the clips and of the bootstrap")
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--work",
        type=Path,
        default=cache_dir() / "measured" / name,
        help="folder that keeps the generated clips",
    )
    parser.add_argument("--output", type=Path, default=RESULTS / f"{name}.json")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; exit code 1 or 2 with one line if something is wrong."""
    about = __doc__.splitlines()[0] if __doc__ else ""
    options = parser_for(GENERATOR, about).parse_args(argv)
    sampling = ("temperature", "top_k", "top_p")

    def measured() -> tuple[dict[str, Any], str]:
        return measure(
            GENERATOR,
            lambda item: request_for(item, options.seed, options.guidance),
            options,
            "python -m training.measure_musicgen",
            {name: getattr(GenerationRequest, name) for name in sampling},
        )

    return conclude(measured, options.output)


if __name__ == "__main__":
    sys.exit(main())
