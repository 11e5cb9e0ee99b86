"""Results of measurements, as files that say what they were measured on."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from audio_chain import models
from audio_chain.errors import ChainError
from audio_chain.files import write_whole
from audio_chain.weights import Hub, Shipped, Wheel, fetch
from audio_chain.weights.shipped import SUMS

RESULTS: Final = Path("docs/results")


def revisions(*names: str) -> dict[str, str]:
    """Identify the weights of models and of all they need, by name.

    Returns
    -------
    dict of str to str
        For shipped weights the sha256 of their ``SHA256SUMS``, for wheels the sha256 of the
        wheels, for the hub the revision.
    """
    cards = {
        card.name: card for name in names for card in models.with_needs(models.CATALOGUE[name])
    }
    return {name: _revision(card) for name, card in cards.items()}


def _revision(card: models.ModelCard) -> str:
    match card.source:
        case Shipped() as source:
            return hashlib.sha256((fetch(source) / SUMS).read_bytes()).hexdigest()
        case Wheel(parts):
            return "+".join(part.sha256 for part in parts)
        case Hub(revision=revision):
            return revision
        case source:
            raise ValueError(f"{card.name} comes from {source}, which has no revision")


def conclude(measure: Callable[[], tuple[Mapping[str, Any], str]], output: Path) -> int:
    """Measure, record the results and print the table; the exit code of the command.

    Parameters
    ----------
    measure : callable
        Gives results for JSON and a table for people. A `ChainError` becomes one line.
    output : Path
        File of the results.
    """
    try:
        results, table = measure()
        write_results(output, results)
    except ChainError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(table)
    return 0


def write_results(path: Path, results: Mapping[str, Any]) -> None:
    """Write results as JSON, whole or not at all, making the folder if it isn't there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(path, io.BytesIO(text.encode()))
