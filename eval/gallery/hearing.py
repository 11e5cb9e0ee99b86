"""Tempo and key as heard in a track, and how near they are to what was asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from audio_chain.clip import Clip

Nearness = Literal["kept", "near", "missed", ""]
"""``near`` is a relative, parallel or fifth-related key; "" is where nothing can be said."""


@dataclass(frozen=True)
class Heard:
    """Estimates; None where there is none."""

    bpm: float | None
    key: str | None


def can_hear() -> bool:
    """Whether what the estimators need is installed."""
    from importlib.util import find_spec

    return find_spec("librosa") is not None


def hear(clip: Clip) -> Heard:
    """Estimate tempo and key of a clip."""
    from eval.adherence.key import estimate_key
    from eval.adherence.tempo import estimate_tempo

    audio = clip.mono().samples[0]
    key = estimate_key(audio, clip.rate)
    return Heard(estimate_tempo(audio, clip.rate), str(key) if key else None)


def tempo_nearness(asked: float | None, found: float | None) -> Nearness:
    """Whether a tempo was kept: half and double count as the same."""
    from eval.adherence.tempo import same_tempo

    if asked is None or found is None or asked <= 0:
        return ""
    return "kept" if same_tempo(found, asked) else "missed"


def key_nearness(asked: str | None, found: str | None) -> Nearness:
    """Whether a key was kept, or a related one found."""
    from eval.adherence.key import parse_key, relation

    if asked is None or found is None:
        return ""
    try:
        related = relation(parse_key(asked), parse_key(found))
    except ValueError:  # a key of somebody else's making
        return ""
    return "kept" if related == "same" else "missed" if related == "other" else "near"
