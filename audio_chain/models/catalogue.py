"""The models that audio-chain knows by name, and the presets made of them.

Parameter counts are those of the transformers classes with the published configurations; for
shipped models they are those of the safetensors headers.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from audio_chain.models.card import ModelCard, Preset
from audio_chain.models.embedding import EMBEDDING_CARDS
from audio_chain.models.language import LANGUAGE_CARDS
from audio_chain.models.music import MUSIC_CARDS
from audio_chain.models.speech import SPEECH_CARDS

_CARDS: Final = (*SPEECH_CARDS, *LANGUAGE_CARDS, *MUSIC_CARDS, *EMBEDDING_CARDS)

CATALOGUE: Final[Mapping[str, ModelCard]] = MappingProxyType({card.name: card for card in _CARDS})
"""Every model known by name."""

PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            Preset(
                name="offline",
                transcribe="whisper-tiny.en",
                rewrite="smollm2-135m-rewriter",
                generate="musicgen-nano",
                description="everything from PyPI once, then no network; any CPU",
            ),
            Preset(
                name="small",
                transcribe="whisper-base",
                rewrite="Qwen/Qwen2.5-1.5B-Instruct",
                generate="facebook/musicgen-small",
                description="larger models from the hub; a good CPU or a GPU",
            ),
            Preset(
                name="quality",
                transcribe="openai/whisper-large-v3-turbo",
                rewrite="Qwen/Qwen3-4B-Instruct-2507",
                generate="facebook/musicgen-large",
                description="the best open models; a GPU with 24 GB",
            ),
        )
    }
)
"""Choices of one model for each stage, by name."""
