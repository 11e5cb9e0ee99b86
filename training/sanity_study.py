"""Check that FAD, KAD and CLAP score get worse when factory clips are spoiled.

    python -m training.sanity_study [--pieces 200] [--reference 1024]

Held-out pieces of the data factory are spoiled by noise, a low-pass filter, a slower tempo and
exchanged captions, weakly to strongly, and every metric has to get worse at every step. The
distance between two halves of the reference has to be near zero. What fails is said. Writes
``docs/results/sanity.json``, ``docs/images/sanity.svg`` and the table in ``docs/evaluation.md``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from audio_chain.clip import Clip
from audio_chain.errors import UsageError
from eval.adherence.summary import rate
from eval.adherence.tempo import TOLERANCE, estimate_tempo, same_tempo
from eval.bootstrap import Estimate, estimate, mean
from eval.clap_score import clip_embedding, embed_distinct
from eval.collection import Collection, Collector
from eval.embedders import Embedder, load_text_embedder
from eval.fad import fad
from eval.gaussian import Gaussian
from eval.kernel import kernel_distance
from eval.plotting import COLOURS, save, styled
from eval.sanity import TROUBLES, LogMel, Trouble, wrong_steps
from training.doc_tables import PAGE, put_table
from training.factory.attributes import Attributes
from training.factory.dataset import RATE, sample
from training.held_out import SECONDS
from training.results import RESULTS, conclude
from training.shards import HELD_OUT_SEED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

IMAGE: Final = Path("docs/images/sanity.svg")
KAD_WINDOWS: Final = 500
EXCHANGED: Final = (0.2, 0.4, 0.6, 0.8, 1.0)
"""Shares of the captions that go to another clip."""

METRICS: Final[Mapping[str, bool]] = {
    "CLAP score": False,
    "FAD, clap-nano": True,
    "KAD, clap-nano": True,
    "FAD, log-mel": True,
    "KAD, log-mel": True,
}
"""Whether more is worse."""

TEMPO: Final = "tempo kept"
"""Not a metric that has to get worse: noise should not move it, and half the tempo is right."""

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sample:
    """A piece to spoil."""

    clip: Clip
    caption: str
    facts: Attributes


@dataclass(frozen=True, eq=False)
class Yardstick:
    """An embedder with the reference in its space."""

    embedder: Embedder
    gaussian: Gaussian
    windows: NDArray[np.float32]

    def distances(self, embeddings: Sequence[NDArray[np.float32]]) -> dict[str, Estimate]:
        """FAD and KAD of clips' windows."""
        seen = collected(self.embedder, embeddings)
        kad = kernel_distance(self.windows, seen.windows, files=seen.labels)
        return {
            f"FAD, {self.embedder.name}": fad(self.gaussian, seen).estimate,
            f"KAD, {self.embedder.name}": kad.estimate,
        }


def pieces(first: int, count: int) -> Iterator[Sample]:
    """Render held-out pieces."""
    for number in range(first, first + count):
        piece = sample(number, HELD_OUT_SEED, SECONDS)
        audio = piece.audio[np.newaxis].astype(np.float32) / np.float32(32768)
        yield Sample(Clip(audio, RATE), piece.captions[0], piece.attributes)


def collected(embedder: Embedder, embeddings: Sequence[NDArray[np.float32]]) -> Collection:
    """Gather windows, clip by clip."""
    collector = Collector(embedder.dimensions, most_values=None)
    for windows in embeddings:
        collector.add(windows)
    return collector.finish(embedder.origin)


def study(count: int, reference: int) -> dict[str, Any]:
    """Measure everything; for JSON."""
    clap = load_text_embedder("clap-nano", device="cpu")
    embedders: list[Embedder] = [clap, LogMel()]
    heard: list[list[NDArray[np.float32]]] = [[] for _ in embedders]
    for number, one in enumerate(pieces(0, reference), 1):
        for embedder, windows in zip(embedders, heard, strict=True):
            windows.append(embedder.embed(one.clip))
        _said(number, "reference pieces")
    yardsticks = [
        Yardstick(embedder, collected(embedder, windows).gaussian, _some(windows))
        for embedder, windows in zip(embedders, heard, strict=True)
    ]
    samples = list(pieces(reference, count))  # none of them is in the reference
    texts = embed_distinct(clap, [one.caption for one in samples])
    clean, vectors = _metrics(samples, [one.clip for one in samples], texts, yardsticks)
    troubles = {trouble.name: _spoiled(trouble, samples, texts, yardsticks) for trouble in TROUBLES}
    rows = {
        trouble.name: _row(trouble.unit, trouble.strengths, [clean, *troubles[trouble.name]])
        for trouble in TROUBLES
    }
    exchanged = [
        {"CLAP score": estimate(mean, np.sum(vectors * _exchanged(texts, share), axis=1))}
        for share in EXCHANGED
    ]
    alone = {"CLAP score": clean["CLAP score"]}
    rows["captions"] = _row("share exchanged", EXCHANGED, [alone, *exchanged])
    return {
        "command": f"python -m training.sanity_study --pieces {count} --reference {reference}",
        "origins": [asdict(embedder.origin) for embedder in embedders],
        "pieces": f"held-out pieces {reference} to {reference + count - 1} of the data factory "
        f"(seed {HELD_OUT_SEED}), {SECONDS:g} s each",
        "reference": f"held-out pieces 0 to {reference - 1}; KAD: {KAD_WINDOWS} windows of them",
        "tempo_kept": f"of pieces with drums, within {TOLERANCE:.0%}, half or double allowed",
        "halves": {
            name: value
            for embedder, windows in zip(embedders, heard, strict=True)
            for name, value in _halves(embedder, windows).items()
        },
        "troubles": rows,
    }


def _metrics(
    samples: Sequence[Sample], clips: Sequence[Clip], texts: Array, yardsticks: Sequence[Yardstick]
) -> tuple[dict[str, Estimate], Array]:
    """All metrics of clips, and the clips' CLAP embeddings."""
    results: dict[str, Estimate] = {}
    vectors = np.empty((0, 0))
    for yardstick in yardsticks:
        embeddings = [yardstick.embedder.embed(clip) for clip in clips]
        if not len(vectors):  # the first is the CLAP
            vectors = np.stack([clip_embedding(windows) for windows in embeddings])
            results["CLAP score"] = estimate(mean, np.sum(vectors * texts, axis=1))
        results |= yardstick.distances(embeddings)
    results[TEMPO] = rate(
        [
            float(same_tempo(estimate_tempo(clip.samples[0], clip.rate), one.facts.bpm))
            for one, clip in zip(samples, clips, strict=True)
            if one.facts.has_drums
        ]
    )
    return results, vectors


def _spoiled(
    trouble: Trouble, samples: Sequence[Sample], texts: Array, yardsticks: Sequence[Yardstick]
) -> list[dict[str, Estimate]]:
    results = []
    for strength in trouble.strengths:
        clips = [trouble.spoil(one.clip, strength, seed) for seed, one in enumerate(samples)]
        results.append(_metrics(samples, clips, texts, yardsticks)[0])
        print(f"{trouble.name} {strength:g} {trouble.unit}", file=sys.stderr, flush=True)
    return results


def _exchanged(texts: Array, share: float) -> Array:
    """Pass a share of the captions on, each to the next of the chosen clips."""
    chosen = np.random.default_rng(0).permutation(len(texts))[: round(share * len(texts))]
    result = texts.copy()
    result[chosen] = texts[np.roll(chosen, 1)]
    return result


def _row(
    unit: str, strengths: Sequence[float], results: Sequence[Mapping[str, Estimate]]
) -> dict[str, Any]:
    """The metrics over the strengths, and where they do not get worse."""
    metrics = {}
    for name in (name for name in results[0] if name in METRICS):
        wrong = wrong_steps([result[name].value for result in results], rising=METRICS[name])
        metrics[name] = {
            "figures": [result[name].to_dict() for result in results],
            "worse_at_every_step": not wrong,
            "wrong_steps": [strengths[step - 1] for step in wrong],
        }
    row: dict[str, Any] = {"unit": unit, "strengths": list(strengths), "metrics": metrics}
    if TEMPO in results[0]:
        row["tempo_kept"] = [result[TEMPO].to_dict() for result in results]
    return row


def _halves(
    embedder: Embedder, windows: Sequence[NDArray[np.float32]]
) -> dict[str, dict[str, Any]]:
    """Distances between the even and the odd pieces of the reference."""
    even, odd = (collected(embedder, windows[start::2]) for start in (0, 1))
    kad = kernel_distance(even.windows, odd.windows, files=odd.labels).estimate
    return {
        f"FAD, {embedder.name}": fad(even.gaussian, odd).estimate.to_dict(),
        f"KAD, {embedder.name}": kad.to_dict(),
    }


def _some(windows: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Windows for KAD, evenly from all pieces."""
    everything = np.concatenate(windows)
    chosen = np.linspace(0, len(everything) - 1, min(KAD_WINDOWS, len(everything))).astype(int)
    return np.asarray(everything[chosen], np.float32)


def _said(number: int, what: str) -> None:
    if number % 200 == 0:
        print(f"{number} {what}", file=sys.stderr, flush=True)


def table(results: Mapping[str, Any]) -> str:
    """Markdown: a row for each metric and trouble."""
    lines = ["| trouble | metric | none, then from weak to strong | worse at every step |"]
    lines.append("|---|---|---|---|")
    for name, row in results["troubles"].items():
        unit = row["unit"]
        strengths = ", ".join(f"{strength:g}" for strength in row["strengths"])
        for metric, found in row["metrics"].items():
            values = ", ".join(_short(figure["value"]) for figure in found["figures"])
            wrong = ", ".join(f"{step:g}" for step in found["wrong_steps"])
            verdict = "yes" if found["worse_at_every_step"] else f"**no**: not at {wrong} {unit}"
            lines.append(f"| {name}: {strengths} {unit} | {metric} | {values} | {verdict} |")
        if kept := row.get("tempo_kept"):
            values = ", ".join(_short(figure["value"]) for figure in kept)
            lines.append(f"| {name}: {strengths} {unit} | {TEMPO} (adherence) | {values} | |")
    halves = "; ".join(f"{name} {value['value']:.4f}" for name, value in results["halves"].items())
    return "\n".join([*lines, "", f"Between two halves of the reference: {halves}."])


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def plot(results: Mapping[str, Any], path: Path) -> None:
    """Draw each metric over each trouble."""
    import matplotlib.pyplot as plt

    metrics, troubles = list(METRICS), results["troubles"]
    with styled():
        figure, axes = plt.subplots(
            len(metrics), len(troubles), figsize=(11, 9), layout="constrained", sharey="row"
        )
        for down, metric in enumerate(metrics):
            for across, (name, row) in enumerate(troubles.items()):
                _panel(axes[down][across], row, metric)
                if down == 0:
                    axes[down][across].set_title(f"{name} ({row['unit']})")
            axes[down][0].set_ylabel(metric)
        path.parent.mkdir(parents=True, exist_ok=True)
        save(figure, path)


def _panel(axes: Axes, row: Mapping[str, Any], metric: str) -> None:
    found = row["metrics"].get(metric)
    if found is None:
        axes.axis("off")
        return
    values = [figure["value"] for figure in found["figures"]]
    lows, highs = zip(*(figure["interval"] for figure in found["figures"]), strict=True)
    colour = COLOURS[0] if found["worse_at_every_step"] else COLOURS[1]
    places = range(len(values))
    if None not in (*lows, *highs):
        axes.fill_between(places, lows, highs, color=colour, alpha=0.15, lw=0)
    axes.plot(places, values, "o-", color=colour, ms=4)
    axes.set_xticks(places, ["none", *(f"{strength:g}" for strength in row["strengths"])])
    axes.tick_params(labelsize=8, length=0)
    if not found["worse_at_every_step"]:
        axes.text(0.03, 0.9, "fails", transform=axes.transAxes, color=colour, fontsize=9)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; exit code 1 or 2 with one line if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pieces", type=int, default=200, help="how many to spoil")
    parser.add_argument("--reference", type=int, default=1024, help="pieces of the reference")
    parser.add_argument("--output", type=Path, default=RESULTS / "sanity.json")
    parser.add_argument("--image", type=Path, default=IMAGE)
    parser.add_argument("--page", type=Path, default=PAGE, help="page that shows the table")
    options = parser.parse_args(argv)

    def checked() -> tuple[dict[str, Any], str]:
        if options.pieces < 2 or options.reference < 8:
            raise UsageError("--pieces must be at least 2, --reference at least 8")
        results = study(options.pieces, options.reference)
        plot(results, options.image)
        put_table("sanity", table(results), options.page)
        return results, table(results)

    return conclude(checked, options.output)


if __name__ == "__main__":
    sys.exit(main())
