"""What was measured on a contender, as the figures of a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from eval.adherence.summary import Rate, summarize
from eval.bench.scoring import Scores
from eval.bootstrap import Estimate, estimate, mean

ASKED: Final = ("tempo", "key", "genre", "instruments", "avoided")
"""Measures of what was asked, as opposed to defects."""


@dataclass(frozen=True)
class Figure:
    """One number of one contender.

    Attributes
    ----------
    measure : str
        Such as ``FAD`` or ``tempo``.
    unit : str
        ``cosine``, ``distance``, ``share`` or ``LUFS``.
    better : str
        ``higher``, ``lower``, or "" where neither is.
    value : Estimate or None
    note : str
        Why there is none, or why not to trust it.
    """

    measure: str
    unit: str
    better: str
    value: Estimate | None
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        number = None if self.value is None else self.value.to_dict()
        return {"unit": self.unit, "better": self.better, "figure": number, "note": self.note}


@dataclass(frozen=True, eq=False)
class Contestant:
    """A contender's results.

    Attributes
    ----------
    scores : Scores
        What was measured.
    figures : tuple of Figure
        In the order of the table.
    rates : mapping of str to Rate
        Adherence by measure.
    groups : mapping of str to dict of str to Estimate
        CLAP score and adherence by kind of prompt, or by genre.
    """

    scores: Scores
    figures: tuple[Figure, ...]
    rates: Mapping[str, Rate]
    groups: Mapping[str, Mapping[str, Estimate]]

    @property
    def label(self) -> str:
        """Its model and settings."""
        return self.scores.contender.label


def contestant(scores: Scores, *, seed: int = 0) -> Contestant:
    """Turn scores into the figures of the table."""
    rates = summarize(list(scores.adherence.values()), seed)
    return Contestant(
        scores=scores,
        figures=(*_distances(scores), *(_adherence(rate) for rate in rates.values())),
        rates={str(name): rate for name, rate in rates.items()},
        groups=_groups(scores, seed),
    )


def _distances(scores: Scores) -> list[Figure]:
    clap, missing = scores.clap, scores.missing
    shuffled = clap.shuffled if clap else None
    rank = scores.fad.frechet.warning if scores.fad else missing.get("fad", "")
    infinity, kad = scores.infinity, scores.kad
    return [
        Figure(
            "CLAP score", "cosine", "higher", clap.score if clap else None, missing.get("clap", "")
        ),
        Figure(
            "CLAP score, captions shuffled",
            "cosine",
            "",
            Estimate(shuffled.mean, shuffled.low, shuffled.high, len(clap.clips))
            if clap and shuffled
            else None,
            "" if shuffled else "there are no captions to shuffle",
        ),
        Figure(
            "own caption beats another",
            "share",
            "higher",
            clap.beats if clap else None,
            "" if clap and clap.beats else "there is no other caption",
        ),
        Figure("FAD", "distance", "lower", scores.fad.estimate if scores.fad else None, rank),
        Figure(
            "FAD-infinity",
            "distance",
            "lower",
            infinity.estimate if infinity else None,
            missing.get("fad_infinity", "") if infinity is None else f"R2 {infinity.r2:.3f}",
        ),
        Figure("KAD", "distance", "lower", kad.estimate if kad else None, missing.get("kad", "")),
    ]


def _adherence(rate: Rate) -> Figure:
    notes = [f"{count} x {note}" for note, count in rate.unscored.items()]
    notes += [f"{count} misses are the {note} key" for note, count in rate.near.items()]
    if rate.level is not None and math.isnan(rate.score.value):
        return Figure(rate.measure, "LUFS", "", rate.level, "; ".join(notes))
    value = None if math.isnan(rate.score.value) else rate.score
    return Figure(rate.measure, "share", "higher", value, "; ".join(notes))


def _groups(scores: Scores, seed: int) -> dict[str, dict[str, Estimate]]:
    """CLAP score, and mean of the adherence scores that apply, by kind of prompt or by genre."""
    by_kind = any(entry.kind for entry in scores.entries)
    cosines = {clip.path: clip.score for clip in scores.clap.clips} if scores.clap else {}
    rows: dict[str, tuple[list[float], list[float]]] = {}
    for entry in scores.entries:
        if entry.path not in scores.adherence:
            continue
        group = (entry.kind if by_kind else entry.asked.genre) or "other"
        clap, kept = rows.setdefault(group, ([], []))
        clap += [cosines[entry.path]] if entry.path in cosines else []
        findings = scores.adherence[entry.path].findings
        asked = [
            finding.score
            for name, finding in findings.items()
            if finding.score is not None and name in ASKED
        ]
        kept += [sum(asked) / len(asked)] if asked else []
    return {
        group: {"clap": estimate(mean, clap, seed=seed), "asked": estimate(mean, kept, seed=seed)}
        for group, (clap, kept) in sorted(rows.items())
    }
