"""Adapters that a person chooses for a model, refused where they are another model's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from audio_chain import weights
from audio_chain.errors import UsageError
from audio_chain.files import shown
from audio_chain.lora.adapter import Adapter, parse_spec, read_adapter
from audio_chain.weights.cache import sha256_of

if TYPE_CHECKING:
    from audio_chain.models import ModelCard

FAMILIES: Final = ("musicgen", "musicgen-nano", "stable-audio", "stable-audio-nano")
"""Families of generators whose weights adapters can be merged into."""


def adapted(card: ModelCard, specs: Iterable[str]) -> ModelCard:
    """The card of a model with adapters.

    Parameters
    ----------
    card : ModelCard
        Of a generator.
    specs : iterable of str
        ``FOLDER[:STRENGTH]`` each, merged in this order.

    Raises
    ------
    UsageError
        One isn't an adapter, or another model's; it is named.
    """
    adapters = tuple(read_adapter(*parse_spec(spec)) for spec in specs)
    if adapters and card.family not in FAMILIES:
        raise UsageError(
            f"{card.name} can't use --lora: adapters are for models of the families "
            f"{', '.join(FAMILIES)}"
        )
    for adapter in adapters:
        check_base(adapter, card)
    return replace(card, lora=adapters) if adapters else card


def check_base(adapter: Adapter, card: ModelCard) -> None:
    """Refuse an adapter that was trained on another model.

    Where its maker has noted the weights' digest, that counts: a model may lie elsewhere now, and
    a model of the same name may have other weights.

    Raises
    ------
    UsageError
        It was.
    """
    digest = weights_digest(card) if adapter.base_digest else ""
    if digest and digest == adapter.base_digest:
        return
    name = shown(adapter.folder)
    names = {card.name, *card.aliases}
    if isinstance(card.source, weights.Local):
        names.add(str(card.source.path))
    if adapter.base not in names:
        base = adapter.base or "a model that it doesn't name"
        raise UsageError(
            f"{name} is an adapter for {base}, not for {card.name}: choose that with --model, "
            "or another --lora"
        )
    if digest and adapter.base_digest:
        raise UsageError(
            f"{name} was trained on other weights of {card.name} than these: train it again"
        )


def weights_digest(card: ModelCard) -> str:
    """Identify a model's weights by content where they are at hand, by commit on the hub."""
    match card.source:
        case weights.Shipped():
            from audio_chain.weights.shipped import read_sums, shipped_path

            sums = read_sums(shipped_path(card.source))
            facts = sorted(f"{sums[name]} {name}" for name in sums if _has_tensors(Path(name)))
        case weights.Hub(repo, revision):
            facts = [repo, revision]
        case weights.Local(path):
            files = sorted(file for file in path.rglob("*") if _has_tensors(file))
            facts = [f"{sha256_of(file)} {file.relative_to(path).as_posix()}" for file in files]
        case _:
            return ""
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _has_tensors(path: Path) -> bool:
    return path.suffix == ".safetensors"
