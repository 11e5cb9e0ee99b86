"""Diffusion checkpoints in stable-audio-tools' format, run by it in its worker.

A folder with ``model_config.json`` and ``model.safetensors``. diffusers runs the published ones
that exist in its format too; this is for the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from audio_chain.generate.worked import WorkedGenerator, load_worked
from audio_chain.progress import Progress, silent

if TYPE_CHECKING:
    from audio_chain.models import ModelCard

BACKEND: Final = "stable-audio-tools"


def load_stable_audio_tools(
    card: ModelCard, *, device: str = "auto", offline: bool = False, progress: Progress = silent
) -> WorkedGenerator:
    """Load such a checkpoint; see `audio_chain.generate.load_generator`."""
    return load_worked(card, BACKEND, device=device, offline=offline, progress=progress)
