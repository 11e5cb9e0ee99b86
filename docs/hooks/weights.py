"""Shapes and parameter counts of the shipped models, from the files that are shipped."""

from __future__ import annotations

import json
import math
import struct
from functools import cache
from pathlib import Path
from typing import Any, Final

from docs.hooks.results import ROOT, MissingFigureError

WEIGHTS: Final = ROOT / "audio_chain" / "nano" / "weights"


def folder(model: str) -> Path:
    """Where a shipped model is.

    Raises
    ------
    MissingFigureError
        It isn't there.
    """
    found = WEIGHTS / model
    if not found.is_dir():
        raise MissingFigureError(
            f"no shipped model {model!r}: {found.name} is not in {WEIGHTS.name}"
        )
    return found


@cache
def shapes(model: str) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor, by name, from the headers of the safetensors files."""
    found: dict[str, tuple[int, ...]] = {}
    for path in sorted(folder(model).glob("*.safetensors")):
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
        found |= {
            name: tuple(about["shape"]) for name, about in header.items() if name != "__metadata__"
        }
    if not found:
        raise MissingFigureError(f"{model} has no safetensors")
    return found


def count(model: str, *prefixes: str) -> int:
    """Numbers in the tensors whose names begin with one of `prefixes`; in all, without any."""
    chosen = [
        shape
        for name, shape in shapes(model).items()
        if not prefixes or any(name.startswith(prefix) for prefix in prefixes)
    ]
    if not chosen:
        raise MissingFigureError(f"{model} has no tensor {' or '.join(prefixes)}")
    return sum(math.prod(shape) for shape in chosen)


def config(model: str, path: str) -> Any:
    """A value of a model's ``config.json`` (``adapter_config.json`` for an adapter)."""
    files = [folder(model) / name for name in ("config.json", "adapter_config.json")]
    value = json.loads(next(path for path in files if path.is_file()).read_text("utf-8"))
    for key in path.split("/"):
        if not isinstance(value, dict) or key not in value:
            raise MissingFigureError(f"the configuration of {model} has no {path!r}")
        value = value[key]
    return value


def logged(model: str, field: str) -> Any:
    """The last value of a field in a model's ``training.jsonl``."""
    lines = (folder(model) / "training.jsonl").read_text("utf-8").splitlines()
    values = [entry[field] for entry in map(json.loads, lines) if field in entry]
    if not values:
        raise MissingFigureError(f"training.jsonl of {model} never says {field!r}")
    return values[-1]


def short(number: int) -> str:
    """A count as people say it.

    Examples
    --------
    >>> short(13_247_680), short(123_200), short(512)
    ('13.2 M', '123 K', '512')
    """
    for unit, suffix in ((1_000_000_000, "B"), (1_000_000, "M"), (1000, "K")):
        if number >= unit:
            return f"{number / unit:.3g} {suffix}"
    return str(number)
