"""The results of a benchmark, and as plain values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from audio_chain import __version__
from eval.adherence.errors import shipped_errors
from eval.bench.figures import Contestant
from eval.bench.questions import Questions
from eval.bench.scoring import Judges
from eval.embedders import Embedder

INTERVALS: Final = (
    "95 %: percentile bootstrap over clips for CLAP score and instruments, Wilson's for other "
    "shares; FAD by the jackknife that leaves out a quarter of the files; KAD by the jackknife"
)


@dataclass(frozen=True, eq=False)
class Report:
    """A benchmark's results.

    Attributes
    ----------
    folder : Path
        Of the benchmark; file names in `to_dict` start from it.
    questions : Questions
    seconds : float
        Length asked for.
    seeds : tuple of int
    judges : Judges
        What scored.
    contestants : tuple of Contestant
    """

    folder: Path
    questions: Questions
    seconds: float
    seeds: tuple[int, ...]
    judges: Judges
    contestants: tuple[Contestant, ...]

    def facts(self) -> dict[str, str]:
        """What every table has to say, in words."""
        suite, judges = self.questions.suite, self.judges
        return {
            "suite": f"{suite.name}, {len(suite.prompts)} prompts",
            "clips": f"{self.seconds:g} s, seed {', '.join(map(str, self.seeds))}; scored as the "
            "generator made them, without mastering",
            "CLAP score": _named(judges.clap),
            "FAD and KAD": _named(judges.embedder),
            "reference": judges.reference.name,
            "adherence": f"estimators' own figures from {shipped_errors().measured_on}",
            "intervals": INTERVALS,
            "audio-chain": __version__,
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        suite = self.questions.suite
        return {
            "suite": {"name": suite.name, "prompts": [prompt.id for prompt in suite.prompts]},
            "seconds": self.seconds,
            "seeds": list(self.seeds),
            "facts": self.facts(),
            "origins": {
                "clap": asdict(self.judges.clap.origin),
                "fad": asdict(self.judges.embedder.origin),
            },
            "models": {one.label: self._contestant(one) for one in self.contestants},
        }

    def score_rows(self) -> list[dict[str, Any]]:
        """A row of scores for each clip, as `eval.gallery` reads them."""
        rows = []
        for one in self.contestants:
            for clip in self._clips(one):
                scores = {name: found["score"] for name, found in clip["adherence"].items()}
                scores = {"clap": clip["clap"], **scores}
                known = {name: value for name, value in scores.items() if value is not None}
                rows.append({"file": clip["file"], **known})
        return rows

    def _contestant(self, one: Contestant) -> dict[str, Any]:
        scores = one.scores
        return {
            "revision": scores.weights.revision,
            "weights": scores.weights.facts,
            "settings": dict(scores.contender.settings),
            "clips": len(scores.entries),
            "used": scores.used,
            "broken": [
                {"file": self.name(bad.path), "reason": bad.reason} for bad in scores.broken
            ],
            "figures": {figure.measure: figure.to_dict() for figure in one.figures},
            "adherence": {name: rate.to_dict() for name, rate in one.rates.items()},
            "groups": {
                group: {name: value.to_dict() for name, value in values.items()}
                for group, values in one.groups.items()
            },
            "by_clip": self._clips(one),
        }

    def _clips(self, one: Contestant) -> list[dict[str, Any]]:
        scores = one.scores
        cosines = {clip.path: clip.score for clip in scores.clap.clips} if scores.clap else {}
        return [
            {
                "file": self.name(entry.path),
                "prompt": entry.prompt,
                "kind": entry.kind,
                "seed": entry.seed,
                "clap": round(cosines[entry.path], 4) if entry.path in cosines else None,
                "adherence": scores.adherence[entry.path].to_dict(),
            }
            for entry in scores.entries
            if entry.path in scores.adherence
        ]

    def name(self, path: Path) -> str:
        """A clip's file, from the benchmark's folder on."""
        return path.relative_to(self.folder).as_posix()


def _named(embedder: Embedder) -> str:
    origin = embedder.origin
    return (
        f"{origin.embedding}, revision {origin.revision[:12]}, windows of "
        f"{origin.window_seconds:g} s every {origin.hop_seconds:g} s at {origin.rate} Hz"
    )
