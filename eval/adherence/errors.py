"""How far the estimators themselves can be trusted, as measured on pieces whose facts are known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from eval.bootstrap import Estimate

FILE: Final = "errors.json"


@dataclass(frozen=True)
class EstimatorError:
    """What a measure says where the truth is known.

    Attributes
    ----------
    right : Estimate or None
        Its mean score of pieces that are as asked: 1 if it never errs.
    wrong : Estimate or None
        Its mean score of pieces that are not: held against another piece's facts, or spoiled.
    """

    right: Estimate | None
    wrong: Estimate | None


@dataclass(frozen=True)
class EstimatorErrors:
    """The errors of all measures.

    Attributes
    ----------
    measured_on : str
        Which pieces.
    listener : str
        Revision of the CLAP-nano that listened.
    by_measure : mapping of str to EstimatorError
    """

    measured_on: str
    listener: str
    by_measure: Mapping[str, EstimatorError]


@cache
def shipped_errors() -> EstimatorErrors:
    """Read the figures that ``python -m training.estimator_error`` measured."""
    raw = json.loads(resources.files(__package__).joinpath(FILE).read_text(encoding="utf-8"))
    rows = {
        name: EstimatorError(_estimate(row.get("right")), _estimate(row.get("wrong")))
        for name, row in raw["measures"].items()
    }
    return EstimatorErrors(raw["measured_on"], raw["listener"], rows)


def _estimate(raw: Mapping[str, object] | None) -> Estimate | None:
    """What `Estimate.to_dict` wrote."""
    if raw is None:
        return None
    value, interval, count = raw["value"], raw["interval"], raw["count"]
    assert isinstance(interval, list)
    assert isinstance(value, float)
    assert isinstance(count, int)
    return Estimate(value, interval[0], interval[1], count)
