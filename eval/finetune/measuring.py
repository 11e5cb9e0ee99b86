"""What an adapter gains and what it forgets, beside the model without it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from audio_chain.audio import decode
from audio_chain.clip import Clip
from audio_chain.errors import ChainError
from audio_chain.finetune.trainee import Piece
from audio_chain.models import ModelCard
from audio_chain.progress import Progress
from eval.adherence.listener import Listener
from eval.adherence.summary import summarize
from eval.bench.figures import ASKED
from eval.bench.questions import load_questions
from eval.bench.scoring import measured
from eval.bench.store import Entry, Store
from eval.bootstrap import Estimate, estimate, ratio_of_means
from eval.clap_score import ClapScore, clap_score
from eval.collection import Collection, Collector
from eval.embedders import TextEmbedder
from eval.fad import fad
from eval.finetune.playing import contenders, play, style_questions
from eval.kernel import kernel_distance
from eval.sides import embed_side

ORDINARY: Final = "coverage"
"""The suite whose first prompts tell what is forgotten: one of each genre at first."""

Bar = Callable[[str], AbstractContextManager[Progress]]


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes
    ----------
    style_clips : int
        Of the style's own captions, for FAD and KAD.
    prompts : int
        Ordinary ones, for CLAP score and adherence; at most the suite's 100.
    seconds : float
        Of every clip.
    """

    style_clips: int = 24
    prompts: int = 24
    seconds: float = 10.0


@dataclass(frozen=True)
class Row:
    """A measure before and after.

    Attributes
    ----------
    measure : str
    better : str
        ``higher`` or ``lower``.
    before, after : Estimate
    ratio : Estimate or None
        After to before; with an interval where clips are paired.
    note : str
    """

    measure: str
    better: str
    before: Estimate
    after: Estimate
    ratio: Estimate | None = None
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "measure": self.measure,
            "better": self.better,
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
            "ratio": None if self.ratio is None else self.ratio.to_dict(),
            "note": self.note,
        }


@dataclass(frozen=True, eq=False)
class Judges:
    """What scores the clips: an embedder with words, and a listener for genre and instruments."""

    embedder: TextEmbedder
    listener: Listener


def measure(
    card: ModelCard,
    adapter: Path,
    held_out: Collection,
    captions: Sequence[str],
    judges: Judges,
    plan: Plan,
    *,
    device: str = "auto",
    offline: bool = False,
    bar: Bar,
) -> list[Row]:
    """Play with and without an adapter, and measure both.

    Clips are kept in ``clips`` of the adapter's folder: after a stop the same call goes on.

    Parameters
    ----------
    card : ModelCard
        The base model's.
    adapter : Path
        Its folder.
    held_out : Collection
        The style's songs that were kept aside, as the embedder hears them.
    captions : sequence of str
        Theirs.
    judges : Judges
    plan : Plan
    device, offline
        For the generator.
    bar : callable
        Shows progress.
    """
    store = Store(adapter)
    style = style_questions(captions, plan.style_clips, plan.seconds)
    ordinary = load_questions(ORDINARY).first(plan.prompts)
    sides: list[tuple[list[Entry], list[Entry]]] = []
    for contender in contenders(card, str(adapter)):
        with bar(f"playing {contender.label}") as progress:
            own = play(
                store, contender, style, plan.seconds,
                device=device, offline=offline, progress=progress,
            )  # fmt: skip
            others = play(
                store, contender, ordinary, plan.seconds,
                device=device, offline=offline, progress=progress,
            )  # fmt: skip
        sides.append((own, others))
    (own_before, before), (own_after, after) = sides
    rows = list(_distances(held_out, own_before, own_after, judges.embedder))
    rows.append(_clap("CLAP score, ordinary prompts", before, after, judges.embedder))
    rows.append(_clap("CLAP score, the style's prompts", own_before, own_after, judges.embedder))
    return rows + list(_adherence(before, after, judges.listener))


def collected(clips: Sequence[Clip], embedder: TextEmbedder) -> Collection:
    """Clips as an embedder hears them."""
    collector = Collector(embedder.dimensions, most_values=None)
    for clip in clips:
        collector.add(embedder.embed(clip))
    return collector.finish(embedder.origin)


def sound_of(pieces: Sequence[Piece], songs: Mapping[str, Path], rate: int) -> Iterator[Clip]:
    """The sound of pieces, from their songs."""
    name, song = "", None
    for piece in sorted(pieces, key=lambda piece: (piece.file, piece.begin_s)):
        if song is None or piece.file != name:
            name, song = piece.file, decode(songs[piece.file], rate=rate, mono=True)
        yield song.cropped(piece.begin_s, piece.begin_s + piece.seconds)


def _distances(
    held_out: Collection, before: Sequence[Entry], after: Sequence[Entry], embedder: TextEmbedder
) -> Iterator[Row]:
    sets = [
        embed_side(name, [entry.path for entry in one], embedder, whole=True).require_sound()
        for name, one in (("before", before), ("after", after))
    ]
    found = [fad(held_out.gaussian, one) for one in sets]
    windows, dimensions = held_out.gaussian.count, held_out.gaussian.dimensions
    note = f"{windows} held-out windows of {dimensions} dimensions"
    if windows < dimensions:
        note += ": compare before with after only"
    first, second = (one.estimate for one in found)
    yield Row("FAD to held-out songs", "lower", first, second, _plain_ratio(first, second), note)
    first, second = (
        kernel_distance(held_out.windows, one.windows, files=one.labels).estimate for one in sets
    )
    yield Row("KAD to held-out songs", "lower", first, second, _plain_ratio(first, second), note)


def _clap(
    name: str, before: Sequence[Entry], after: Sequence[Entry], embedder: TextEmbedder
) -> Row:
    scores: list[ClapScore] = [
        clap_score(embedder, [(entry.path, entry.text) for entry in one]) for one in (before, after)
    ]
    pairs = [{clip.path.name.rsplit("-", 1)[0]: clip.score for clip in one.clips} for one in scores]
    shared = sorted(pairs[0].keys() & pairs[1].keys())
    ratio = estimate(
        ratio_of_means, [pairs[1][key] for key in shared], [pairs[0][key] for key in shared]
    )
    return Row(name, "higher", scores[0].score, scores[1].score, ratio)


def _adherence(
    before: Sequence[Entry], after: Sequence[Entry], listener: Listener
) -> Iterator[Row]:
    rates = []
    for entries in (before, after):
        adherence, broken = measured(entries, listener)
        if broken:
            raise ChainError(f"{broken[0].path}: {broken[0].reason}")
        rates.append(summarize(list(adherence.values())))
    for measure_name in ASKED:
        first, second = (rate[measure_name].score for rate in rates)
        if first.count and second.count:
            yield Row(f"{measure_name} kept, ordinary prompts", "higher", first, second)


def _plain_ratio(before: Estimate, after: Estimate) -> Estimate | None:
    if not before.value > 0:
        return None
    nothing = float("nan")
    return Estimate(after.value / before.value, nothing, nothing, after.count)


def table(rows: Sequence[Row]) -> str:
    """Rows as a Markdown table."""
    lines = ["| measure | before | after | change | better |", "|---|---|---|---|---|"]
    for row in rows:
        change = "" if row.ratio is None else f"{100 * (row.ratio.value - 1):+.0f} %"
        lines.append(
            f"| {row.measure} | {_figure(row.before)} | {_figure(row.after)} | {change} "
            f"| {row.better} |"
        )
    return "\n".join(lines) + "\n"


def _figure(value: Estimate) -> str:
    shown = f"{value.value:.3f}"
    return shown if np.isnan(value.low) else f"{shown} ({value.low:.3f} to {value.high:.3f})"


def figures(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Noted rows as lines for a terminal."""
    for row in rows:
        before, after = row["before"]["value"], row["after"]["value"]
        change = "" if row["ratio"] is None else f" ({100 * (row['ratio']['value'] - 1):+.0f} %)"
        yield f"{row['measure']:<34} {before:8.3f} -> {after:.3f}{change}"


def to_json(rows: Sequence[Row], plan: Plan, embedder: TextEmbedder) -> str:
    """Rows, and how they were measured."""
    found = {
        "embedder": embedder.name,
        "revision": embedder.revision,
        "suite": ORDINARY,
        "style_clips": plan.style_clips,
        "prompts": plan.prompts,
        "seconds": plan.seconds,
        "rows": [row.to_dict() for row in rows],
    }
    return json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False)
