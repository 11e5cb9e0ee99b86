"""Voice memo to music: what a person says goes in, a track that fits it comes out.

>>> from audio_chain import Chain
>>> run = Chain.from_preset("offline").run("voice.m4a")  # doctest: +SKIP
>>> run.folder, run.brief.genre, run.clip.seconds  # doctest: +SKIP

The names below are imported when they are first used, so that ``import audio_chain`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audio_chain.audio import Clip as Clip
    from audio_chain.brief import Brief as Brief
    from audio_chain.chain import Chain as Chain
    from audio_chain.errors import ChainError as ChainError
    from audio_chain.errors import UsageError as UsageError
    from audio_chain.request import MemoRequest as MemoRequest
    from audio_chain.run import Run as Run
    from audio_chain.transcribe import Transcript as Transcript

__version__ = "0.1.0"

_HOMES = {
    "Brief": "audio_chain.brief",
    "Chain": "audio_chain.chain",
    "ChainError": "audio_chain.errors",
    "Clip": "audio_chain.audio",
    "MemoRequest": "audio_chain.request",
    "Run": "audio_chain.run",
    "Transcript": "audio_chain.transcribe",
    "UsageError": "audio_chain.errors",
}

__all__ = [
    "Brief",
    "Chain",
    "ChainError",
    "Clip",
    "MemoRequest",
    "Run",
    "Transcript",
    "UsageError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
