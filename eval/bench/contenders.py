"""The models that a benchmark compares, each with its settings."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from audio_chain import models
from audio_chain.errors import UsageError
from audio_chain.generate import GenerationRequest, check_extras
from audio_chain.lora import adapted
from audio_chain.manifest import describe_models
from audio_chain.models import ModelCard
from audio_chain.progress import Progress, silent
from audio_chain.run import slug

SETTINGS: Final[Mapping[str, type[int] | type[float] | type[str]]] = {
    "guidance": float,
    "temperature": float,
    "top_k": int,
    "top_p": float,
    "steps": int,
    "sampler": str,
}
"""What can follow a model's name, and of which kind it is."""

_SETTING: Final = re.compile(rf":({'|'.join(SETTINGS)})=([^:=]*)$")
_LORA: Final = re.compile(r":lora=([^:=]+(?::-?[\d.]+)?)$")


@dataclass(frozen=True)
class Contender:
    """A model with its settings.

    Attributes
    ----------
    label : str
        As it was asked for, such as ``musicgen-nano:guidance=1``.
    card : ModelCard
    settings : mapping of str to float or str
        Of the sampler, where they are not the defaults of `GenerationRequest`.
    """

    label: str
    card: ModelCard
    settings: Mapping[str, Any]

    @property
    def folder(self) -> str:
        """A name for its folder, different for different labels."""
        digest = hashlib.sha256(self.label.encode()).hexdigest()[:4]
        name = slug(self.label)
        return name if name == self.label else f"{name}-{digest}"

    def request(self, prompt: str, seconds: float, seed: int) -> GenerationRequest:
        """Ask for one clip; raises `UsageError` if a setting is out of its range."""
        return GenerationRequest((prompt,), seconds, (seed,), **self.settings)


@dataclass(frozen=True)
class Weights:
    """Which weights a contender runs on.

    Attributes
    ----------
    revision : str
        Twelve digits of a hash of `facts`.
    facts : dict
        Where the weights of the model, and of all that it needs, came from, and their hashes.
    """

    revision: str
    facts: dict[str, dict[str, Any]]


def parse_contenders(text: str) -> tuple[Contender, ...]:
    """Read ``model[:setting=value...][:lora=folder[:strength]...][,...]``.

    Raises
    ------
    UsageError
        A model or adapter is unknown, a setting wrong, or something is named twice.
    """
    labels = [label.strip() for label in text.split(",") if label.strip()]
    if not labels:
        raise UsageError("--models needs at least one model, such as musicgen-nano")
    if len(set(labels)) != len(labels):
        raise UsageError(f"--models names the same model twice: {text}")
    return tuple(_contender(label) for label in labels)


def _contender(label: str) -> Contender:
    name, settings, adapters = label, {}, list[str]()
    while match := _SETTING.search(name) or _LORA.search(name):
        name = name[: match.start()]
        if match.re is _LORA:
            adapters.insert(0, match[1])
            continue
        field, value = match[1], match[2]
        try:
            settings[field] = SETTINGS[field](value)
        except ValueError:
            raise UsageError(f"{label}: {field} must be a number, not {value!r}") from None
    card = adapted(models.resolve(name, "generate"), adapters)
    check_extras(card, (f"--{field.replace('_', '-')}" for field in settings))
    contender = Contender(label, card, settings)
    contender.request("-", 1.0, 0)  # out of range is said before anything is made
    return contender


def weights_of(
    contender: Contender, *, offline: bool = False, progress: Progress = silent
) -> Weights:
    """Fetch a contender's weights and identify them."""
    models.folders(contender.card, offline=offline, progress=progress)
    facts = describe_models([contender.card])
    pinned = {
        name: {field: value for field, value in about.items() if field != "licence"}
        for name, about in facts.items()
    }
    digest = hashlib.sha256(json.dumps(pinned, sort_keys=True).encode()).hexdigest()
    return Weights(digest[:12], facts)
