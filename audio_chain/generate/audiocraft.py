"""audiocraft's own checkpoints (MusicGen, AudioGen, MAGNeT), run by audiocraft in its worker.

transformers' MusicGen checkpoints don't need it; AudioGen (sound effects), MAGNeT, and models
that people have trained with audiocraft exist in its format only: two files,
``state_dict.bin`` and ``compression_state_dict.bin``. They are pickles, and are read as tensors
and plain values only; one that holds more is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from audio_chain.generate.worked import WorkedGenerator, load_worked
from audio_chain.progress import Progress, silent

if TYPE_CHECKING:
    from audio_chain.models import ModelCard

BACKEND: Final = "audiocraft"


def load_audiocraft(
    card: ModelCard, *, device: str = "auto", offline: bool = False, progress: Progress = silent
) -> WorkedGenerator:
    """Load a checkpoint of audiocraft's; see `audio_chain.generate.load_generator`."""
    return load_worked(card, BACKEND, device=device, offline=offline, progress=progress)
