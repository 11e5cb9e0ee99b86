"""The catalogue of models: what each is, where it comes from, what one may do with it.

>>> from audio_chain import models
>>> models.resolve("whisper-tiny.en", "transcribe").licence
'MIT'
"""

from __future__ import annotations

from audio_chain.models.card import (
    STAGES,
    ModelCard,
    Preset,
    Stage,
    describe,
    format_count,
    licence_notice,
)
from audio_chain.models.catalogue import CATALOGUE, PRESETS
from audio_chain.models.fetching import Listed, fetch, folders, listing, with_needs
from audio_chain.models.lookup import find, resolve

__all__ = [
    "CATALOGUE",
    "PRESETS",
    "STAGES",
    "Listed",
    "ModelCard",
    "Preset",
    "Stage",
    "describe",
    "fetch",
    "find",
    "folders",
    "format_count",
    "licence_notice",
    "listing",
    "resolve",
    "with_needs",
]
