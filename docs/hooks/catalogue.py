"""Models, licences and hours of GPU, from the catalogue and from ``docs/gpu-hours.md``."""

from __future__ import annotations

import re
from typing import Final

from audio_chain import models
from audio_chain.models.card import ModelCard, describe_source, format_count
from docs.hooks.results import ROOT, MissingFigureError, table

HOURS: Final = ROOT / "docs" / "gpu-hours.md"

_STAGES: Final = {
    "transcribe": "hears",
    "rewrite": "writes",
    "generate": "plays",
    "embed": "judges, or reads for others",
    "codec": "codes",
}


def card(name: str) -> ModelCard:
    """A model of the catalogue.

    Raises
    ------
    MissingFigureError
        It isn't in there.
    """
    if name not in models.CATALOGUE:
        raise MissingFigureError(f"the catalogue has no model {name!r}")
    return models.CATALOGUE[name]


def licences() -> str:
    """Every model with its licence."""
    cells = []
    for one in models.CATALOGUE.values():
        name = f"[{one.name}]({one.url})" if one.url else one.name
        use = "any use" if one.free else "restricted, read it"
        cells.append([name, _STAGES[one.stage], format_count(one.parameters), one.licence, use])
    return table(["model", "what it does", "parameters", "licence of the weights", "use"], cells)


def table_of(*names: str) -> str:
    """The cards of models, briefly."""
    cells = []
    for one in map(card, names):
        rate = f"{one.rate / 1000:g} kHz" if one.rate else ""
        cells.append(
            [
                one.name,
                format_count(one.parameters),
                rate,
                one.objective,
                describe_source(one.source),
            ]
        )
    return table(["model", "parameters", "sound", "trained to", "from"], cells)


def presets() -> str:
    """The presets, with the models of each."""
    cells = [
        [f"`{one.name}`", *(f"`{name}`" for name in one.cards), one.description]
        for one in models.PRESETS.values()
    ]
    return table(["preset", "hears", "writes the brief", "plays", "needs"], cells)


def gpu_minutes() -> str:
    """The sum of the minutes in ``docs/gpu-hours.md``."""
    total = 0.0
    for line in HOURS.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", cells[0]):
            try:
                total += float(cells[3])
            except (IndexError, ValueError):
                raise MissingFigureError(f"docs/gpu-hours.md: no minutes in {line!r}") from None
    return f"{total:.1f}"
