"""From what a person types after ``--whisper``, ``--llm`` or ``--model`` to a card."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from audio_chain.backends.recipes import RECIPES
from audio_chain.errors import UsageError
from audio_chain.files import read_json
from audio_chain.models.card import ModelCard, Stage
from audio_chain.models.catalogue import CATALOGUE, PRESETS
from audio_chain.models.files import CTRANSLATE2_FILES, DIFFUSERS_FILES, TRANSFORMERS_FILES
from audio_chain.weights import Delegated, Hub, Local, Server, Shipped, Source

_HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)

_GENERATING: Final = ("audiocraft", "stable-audio-tools")
"""Backends with models for the generator."""

_MODEL_TYPES: Final[dict[str, tuple[Stage, str]]] = {
    "whisper": ("transcribe", "transformers-whisper"),
    "musicgen": ("generate", "musicgen"),
    "musicgen_melody": ("generate", "musicgen"),
    "musicgen_decoder": ("generate", "musicgen-nano"),
    "spectral_codec": ("codec", "spectral-codec"),
    "clap_nano": ("embed", "clap-nano"),
    "bert": ("embed", "sentence-encoder"),
}


def resolve(name: str, stage: Stage) -> ModelCard:
    """Find the model that a person means.

    Parameters
    ----------
    name : str
        A name or alias of the catalogue, a local folder or GGUF file, a hub id ``org/name``, for
        the rewriter ``http://host:port/v1#model``, or for the generator ``backend:model``, where
        model is a hub id or a folder with a checkpoint in the backend's own format.
    stage : Stage
        What it is wanted for.

    Raises
    ------
    UsageError
        There is no such model, or it does something else; the message lists what there is.
    """
    if card := _named(name):
        if card.stage != stage:
            raise UsageError(
                f"{name} is a {card.stage} model, not a {stage} one; {_choices(name, stage)}"
            )
        return card
    backend, colon, model = name.partition(":")
    if colon and backend in RECIPES:
        return _delegated_card(backend, model, stage)
    if "://" in name:
        return _server_card(name, stage)
    path = Path(name).expanduser()
    if name and path.exists():
        return _local_card(path, stage)
    if _HUB_ID.fullmatch(name):
        return _hub_card(name, stage)
    raise UsageError(f"there is no model, folder or file {name!r}; {_choices(name, stage)}")


def find(name: str) -> ModelCard:
    """Return the catalogue's card of that name or alias, whatever it is for.

    Raises
    ------
    UsageError
        There is none; the message suggests or lists names.
    """
    if card := _named(name):
        return card
    raise UsageError(f"there is no model or preset {name!r}; {_choices(name, None)}")


def _named(name: str) -> ModelCard | None:
    if name in CATALOGUE:
        return CATALOGUE[name]
    return next((card for card in CATALOGUE.values() if name in card.aliases), None)


def _choices(name: str, stage: Stage | None) -> str:
    """Say what could have been meant, or what there is, for a stage or (None) at all."""
    cards = [card for card in CATALOGUE.values() if stage in (None, card.stage)]
    names = [known for card in cards for known in (card.name, *card.aliases)]
    if stage is None:
        names += PRESETS
    by_folded = {known.lower(): known for known in names}
    near = difflib.get_close_matches(name.lower(), by_folded, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(by_folded[match] for match in near)}?"
    if stage is None:
        return f"presets are {', '.join(PRESETS)}; `audio-chain models` lists the models"
    known = ", ".join(card.name for card in cards)
    server = ", or http://host:port/v1#model" if stage == "rewrite" else ""
    return f"known are {known}; or give a folder, or a hub id org/name{server}"


def _unlisted_card(name: str, stage: Stage, family: str, source: Source, url: str) -> ModelCard:
    """Card of a model that the catalogue doesn't have."""
    ours = isinstance(source, Local)
    return ModelCard(
        name=name,
        stage=stage,
        family=family,
        title=name,
        parameters=0,
        licence="the user's own files" if ours else "unknown",
        free=ours,
        objective="not known",
        source=source,
        description="Not in the catalogue.",
        url=url,
        size_mb=0,
    )


def _server_card(name: str, stage: Stage) -> ModelCard:
    parts = urlsplit(name)
    if stage != "rewrite":
        raise UsageError(f"only the rewriter can be a server, not a {stage} model: {name}")
    if parts.scheme not in ("http", "https") or not parts.hostname or not parts.fragment:
        raise UsageError(f"a server is written http://host:port/v1#model, not {name}")
    url = parts._replace(fragment="").geturl().rstrip("/")
    source = Server(url, parts.fragment)
    return _unlisted_card(name, stage, "chat-server", source, url)


def _delegated_card(backend: str, model: str, stage: Stage) -> ModelCard:
    """Card of a checkpoint in a backend's own format."""
    if stage != "generate" or backend not in _GENERATING:
        raise UsageError(f"{backend} has no {stage} models: {backend}:{model}")
    folder = Path(model).expanduser()
    if model and folder.is_dir():
        model, url, ours = str(folder.absolute()), folder.absolute().as_uri(), True
    else:
        url, ours = f"https://huggingface.co/{model}", False
        if not _HUB_ID.fullmatch(model) and not model.startswith("debug"):
            raise UsageError(f"there is no folder {model!r}; give one, or a hub id org/name")
    card = _unlisted_card(f"{backend}:{model}", stage, backend, Delegated(backend, model), url)
    return replace(card, licence="the user's own files", free=True) if ours else card


def _hub_card(name: str, stage: Stage) -> ModelCard:
    """Card of a hub repository, its family told by its name and the stage."""
    lower = name.lower()
    patterns: tuple[str, ...] = TRANSFORMERS_FILES
    if stage == "transcribe":
        family = "transformers-whisper"
        if any(mark in lower for mark in ("faster-", "ct2", "ctranslate2")):
            family, patterns = "ctranslate2-whisper", CTRANSLATE2_FILES
    elif stage == "generate":
        family = "musicgen"
        diffusions = ("stable-audio-3", "ace-step", "stable-audio")
        if kin := next((mark for mark in diffusions if mark in lower), None):
            family, patterns = kin, DIFFUSERS_FILES
    elif stage == "rewrite":
        family = "causal-lm"
    else:
        raise UsageError(f"{name} is not in the catalogue; {_choices(name, stage)}")
    source = Hub(name, "main", patterns)
    return _unlisted_card(name, stage, family, source, f"https://huggingface.co/{name}")


def _local_card(path: Path, stage: Stage) -> ModelCard:
    """Card of a folder or GGUF file, its family told by its content."""
    found, family = _look_into(path, stage)
    if found != stage:
        raise UsageError(f"{path} holds a {found} model ({family}), not a {stage} one")
    place = path.absolute()
    card = _unlisted_card(str(path), stage, family, Local(place), place.as_uri())
    # our own families need the same parts whoever has trained them
    kin = (c for c in CATALOGUE.values() if c.family == family and isinstance(c.source, Shipped))
    return replace(card, needs=next((c.needs for c in kin), ()))


def _look_into(path: Path, stage: Stage) -> tuple[Stage, str]:
    """Tell stage and family from a folder's files."""
    if path.is_file():
        if path.suffix.lower() != ".gguf":
            raise UsageError(f"{path} is a file but not a GGUF one; give the model's folder")
        return "rewrite", "causal-lm"
    if (path / "model.bin").is_file() and any(path.glob("vocabulary.*")):
        return "transcribe", "ctranslate2-whisper"
    if (path / "model_index.json").is_file():
        return "generate", _diffusion_family(
            read_json(path / "model_index.json", "pipeline's index")
        )
    if (path / "adapter_config.json").is_file():
        return "rewrite", "lora-adapter"
    if (path / "config.json").is_file():
        config = read_json(path / "config.json", "model's configuration")
        kind, codec = config.get("model_type", ""), config.get("audio_encoder")
        if kind == "musicgen" and isinstance(codec, dict):
            # the nano decoder's configuration is that of a whole model
            kind = "musicgen_decoder" if codec.get("model_type") == "spectral_codec" else kind
        return _MODEL_TYPES.get(kind, ("rewrite", "causal-lm"))
    if any(path.glob("*.gguf")):
        return "rewrite", "causal-lm"
    raise UsageError(
        f"{path} holds no {stage} model: there is no config.json, model_index.json, model.bin "
        "or *.gguf in it"
    )


def _diffusion_family(index: Mapping[str, Any]) -> str:
    """Tell from a pipeline's index which code runs it."""
    if index.get("text_encoder") == ["audio_chain", "MiniLM"]:
        return "stable-audio-nano"
    families = {"StableAudio3Pipeline": "stable-audio-3", "AceStepPipeline": "ace-step"}
    return families.get(str(index.get("_class_name")), "stable-audio")
