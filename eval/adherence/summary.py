"""Adherence of many clips: each measure's rate with its interval, beside the estimator's own."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from eval.adherence.errors import EstimatorError, shipped_errors
from eval.adherence.findings import RULES, Adherence, Measure
from eval.bootstrap import Estimate, estimate, mean

_NORMAL_95: Final = 1.96


@dataclass(frozen=True)
class Rate:
    """How well clips do in a measure.

    Attributes
    ----------
    measure : Measure
        As in `RULES`.
    score : Estimate
        Mean score of the clips to which it applies.
    near : mapping of str to int
        Clips that miss nearly, by how.
    unscored : mapping of str to int
        Clips to which it does not apply, by why.
    level : Estimate or None
        Mean of what was measured, for measures that are read even where nothing was asked.
    estimator : EstimatorError or None
        How the measure does on pieces whose facts are known.
    """

    measure: Measure
    score: Estimate
    near: Mapping[str, int]
    unscored: Mapping[str, int]
    level: Estimate | None
    estimator: EstimatorError | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        known = self.estimator
        return {
            "rule": RULES[self.measure],
            "score": self.score.to_dict(),
            "near": dict(self.near),
            "unscored": dict(self.unscored),
            "level": self.level.to_dict() if self.level else None,
            "estimator": {
                "right": known.right.to_dict() if known and known.right else None,
                "wrong": known.wrong.to_dict() if known and known.wrong else None,
            },
        }


def rate(scores: Sequence[float], seed: int = 0) -> Estimate:
    """Mean score with its 95 % interval.

    Where every score is 0 or 1 the interval is Wilson's (1927), which doesn't vanish when all
    clips agree as a bootstrap's does; else the bootstrap's over clips.
    """
    if not scores or set(scores) - {0.0, 1.0}:
        return estimate(mean, scores, seed=seed)
    count, share = len(scores), sum(scores) / len(scores)
    pull = _NORMAL_95**2 / count
    middle = (share + pull / 2) / (1 + pull)
    reach = _NORMAL_95 / (1 + pull) * math.sqrt(share * (1 - share) / count + pull / (4 * count))
    return Estimate(share, max(0.0, middle - reach), min(1.0, middle + reach), count)


def summarize(clips: Sequence[Adherence], seed: int = 0) -> dict[Measure, Rate]:
    """Summarize clips, measure by measure.

    Parameters
    ----------
    clips : sequence of Adherence
    seed : int
        Of the bootstrap over clips.
    """
    return {measure: _rate(measure, clips, seed) for measure in RULES}


def _rate(measure: Measure, clips: Sequence[Adherence], seed: int) -> Rate:
    findings = [clip[measure] for clip in clips]
    scored = [finding for finding in findings if finding.applies]
    levels = [finding.value for finding in findings if finding.value is not None]
    return Rate(
        measure=measure,
        score=rate([finding.score or 0.0 for finding in scored], seed),
        near=Counter(finding.note for finding in scored if measure == "key" and finding.note),
        unscored=Counter(finding.note for finding in findings if not finding.applies),
        level=estimate(mean, levels, seed=seed) if measure == "loudness" and levels else None,
        estimator=shipped_errors().by_measure.get(measure),
    )
