"""Measure the shipped CLAP-nano on held-out pieces.

    python -m training.measure_clap [--pieces 500] [--seed 0]

Retrieval: each piece's first caption among those of all pieces, and each piece among all by its
caption. Hard negatives: for every piece and each attribute that its captions can say, a caption
and one that differs from it in that attribute only (`training.factory.contrasts`); they are told
apart if the right one has the larger cosine. Some of that the texts give away, since a dark piece
in C major is unlikely: so the same contrasts are also judged unheard, with the mean of all clips in
place of each. Prints a table, and writes ``docs/results/clap.json``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from audio_chain.errors import UsageError
from eval.bootstrap import RESAMPLES, Estimate, estimate, mean, ratio_of_means
from eval.clap_score import clip_embedding, embed_distinct
from eval.embedders import TextEmbedder, load_text_embedder
from training.factory.contrasts import ATTRIBUTES, Contrast, contrast
from training.held_out import SECONDS, held_out
from training.results import RESULTS, conclude, revisions
from training.shards import HELD_OUT_SEED

CLAP: Final = "clap-nano"
TARGETS: Final = {"recall_1": 0.25, "recall_10": 0.70, "told_apart": 0.85}
RANKS: Final = (1, 10)


@dataclass(frozen=True, eq=False)
class Listened:
    """A held-out piece: its embedding, its caption, and its contrasts."""

    embedding: NDArray[np.float64]
    caption: str
    contrasts: tuple[Contrast, ...]


def listen(embedder: TextEmbedder, pieces: int) -> list[Listened]:
    """Embed held-out pieces and write their contrasts; progress goes to stderr."""
    listened = []
    for item in held_out(pieces):
        # a seed for each piece, so that more pieces leave the first ones' captions as they are
        generator = np.random.default_rng([HELD_OUT_SEED, item.number])
        found = (contrast(item.piece.attributes, name, generator) for name in ATTRIBUTES)
        listened.append(
            Listened(
                clip_embedding(embedder.embed(item.clip)),
                item.piece.captions[0],
                tuple(one for one in found if one is not None),
            )
        )
        if len(listened) % 50 == 0:
            print(f"{len(listened)} pieces", file=sys.stderr, flush=True)
    return listened


def recalls(similarity: NDArray[np.float64], seed: int) -> dict[str, Estimate]:
    """Share of rows whose own column is among the best 1 and 10; (n, n), own on the diagonal."""
    ranks = (similarity > similarity.diagonal()[:, np.newaxis]).sum(1)
    return {f"recall_{best}": estimate(mean, ranks < best, seed=seed) for best in RANKS}


def told_apart(
    embedder: TextEmbedder, listened: Sequence[Listened], seed: int
) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    """Share of contrasts whose right caption has the larger cosine: by attribute, and of all.

    Pieces are drawn, not contrasts, so that the interval knows what belongs together.

    Returns
    -------
    heard, unheard : dict of str to Estimate
        With the piece's own embedding, and with the mean of all pieces' in place of each.
    """
    pairs = [(piece, one) for piece in listened for one in piece.contrasts]
    right = embed_distinct(embedder, [one.right for _, one in pairs])
    wrong = embed_distinct(embedder, [one.wrong for _, one in pairs])
    row = {id(piece): number for number, piece in enumerate(listened)}
    rows = np.array([row[id(piece)] for piece, _ in pairs])
    names = np.array([one.attribute for _, one in pairs])

    def shares(clips: NDArray[np.float64]) -> dict[str, Estimate]:
        won = np.sum(clips * right, axis=1) > np.sum(clips * wrong, axis=1)

        def share(chosen: NDArray[np.bool_]) -> Estimate:
            wins = np.bincount(rows[chosen], won[chosen], len(listened))
            tries = np.bincount(rows[chosen], minlength=len(listened))
            kept = tries > 0
            return estimate(ratio_of_means, wins[kept], tries[kept], seed=seed)

        every = np.ones(len(pairs), bool)
        return {"all": share(every), **{name: share(names == name) for name in ATTRIBUTES}}

    clips = np.stack([piece.embedding for piece in listened])
    return shares(clips[rows]), shares(clips.mean(0, keepdims=True))


def measure(pieces: int, seed: int) -> tuple[dict[str, Any], str]:
    """Measure everything.

    Returns
    -------
    results : dict
        For JSON.
    table : str
        For people.
    """
    embedder = load_text_embedder(CLAP, device="cpu")
    listened = listen(embedder, pieces)
    texts = embed_distinct(embedder, [piece.caption for piece in listened])
    similarity = np.stack([piece.embedding for piece in listened]) @ texts.T
    by_clip, by_caption = recalls(similarity, seed), recalls(similarity.T, seed)
    apart, unheard = told_apart(embedder, listened, seed)
    counts: dict[str, int] = {
        name: sum(one.attribute == name for piece in listened for one in piece.contrasts)
        for name in ATTRIBUTES
    }
    results = {
        "command": f"python -m training.measure_clap --pieces {pieces} --seed {seed}",
        "models": revisions(CLAP),
        "held_out": {"seed": HELD_OUT_SEED, "pieces": pieces, "seconds": SECONDS},
        "bootstrap": {"resamples": RESAMPLES, "seed": seed, "interval": 0.95},
        "targets": TARGETS,
        "captions_of_clips": _plain(by_clip),
        "clips_of_captions": _plain(by_caption),
        "told_apart": _plain(apart),
        "unheard": _plain(unheard),
        "contrasts": {"all": sum(counts.values()), **counts},
        "example_contrasts": [
            {"attribute": one.attribute, "right": one.right, "wrong": one.wrong}
            for one in listened[0].contrasts
        ],
    }
    return results, table(pieces, by_clip, by_caption, (apart, unheard), counts)


def _plain(figures: dict[str, Estimate]) -> dict[str, Any]:
    return {name: figure.to_dict() for name, figure in figures.items()}


def table(
    pieces: int,
    by_clip: dict[str, Estimate],
    by_caption: dict[str, Estimate],
    apart: tuple[dict[str, Estimate], dict[str, Estimate]],
    counts: dict[str, int],
) -> str:
    """A Markdown table of the figures with their 95 % intervals."""
    heard, unheard = apart
    rows: list[tuple[str, Estimate, Estimate | None, str]] = [
        (f"caption found first among {pieces}", by_clip["recall_1"], None, ">= 25 %"),
        ("caption among the first ten", by_clip["recall_10"], None, ">= 70 %"),
        (f"clip found first among {pieces}", by_caption["recall_1"], None, ""),
        ("clip among the first ten", by_caption["recall_10"], None, ""),
        (f"told apart, all {sum(counts.values())}", heard["all"], unheard["all"], ">= 85 %"),
        *(
            (f"told apart, {name} ({counts[name]})", heard[name], unheard[name], "")
            for name in ATTRIBUTES
        ),
    ]
    lines = ["| measure | | 95 % interval | unheard | target |", "|---|---|---|---|---|"]
    for name, figure, blind, target in rows:
        interval = f"{100 * figure.low:.1f} to {100 * figure.high:.1f} %"
        without = f"{100 * blind.value:.1f} %" if blind else ""
        lines.append(f"| {name} | {100 * figure.value:.1f} % | {interval} | {without} | {target} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; exit code 1 or 2 with one line if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pieces", type=int, default=500, help="held-out pieces of the factory")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    parser.add_argument("--output", type=Path, default=RESULTS / "clap.json")
    options = parser.parse_args(argv)

    def checked() -> tuple[dict[str, Any], str]:
        if options.pieces < 2 or options.seed < 0:
            raise UsageError("--pieces must be at least 2, --seed at least 0")
        return measure(options.pieces, options.seed)

    return conclude(checked, options.output)


if __name__ == "__main__":
    sys.exit(main())
