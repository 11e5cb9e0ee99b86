"""Rehearsal: what the base model itself plays for ordinary prompts, so that it isn't forgotten.

Music of one style alone moves a model everywhere. Pieces of its own, which it composes before it
learns (pseudo-rehearsal: Robins 1995), are answered beside the style's in every step, and the
answers are held to those that it gave before (distillation: Li and Hoiem 2018).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from safetensors import SafetensorError
from safetensors.torch import load_file, save

from audio_chain.finetune.ordinary import ordinary_prompts
from audio_chain.finetune.reading import keep
from audio_chain.finetune.state import key_of
from audio_chain.finetune.trainee import Piece
from audio_chain.lora.choosing import weights_digest
from audio_chain.progress import Progress, silent
from audio_chain.weights import cache_dir

if TYPE_CHECKING:
    from torch import Tensor

    from audio_chain.finetune.trainee import Trainee

REHEARSED: Final = 96
"""Pieces: each genre four times."""

LONGEST_S: Final = 10.0
"""Seconds of a piece, at most."""

_TOGETHER: Final = 16
_SEED: Final = 20_260


def rehearse(
    trainee: Trainee, seconds: float, *, cache: Path | None = None, progress: Progress = silent
) -> tuple[Piece, ...]:
    """Compose ordinary pieces, or find those that were kept.

    Parameters
    ----------
    trainee : Trainee
        Without an adapter yet.
    seconds : float
        Length of the longest piece of the style; of no more than `LONGEST_S`.
    cache : Path, optional
        ``finetune`` in `cache_dir` if not given.
    progress : Progress
        Told pieces.

    Raises
    ------
    ChainError
        The pieces can't be kept.
    """
    seconds = min(seconds, LONGEST_S, trainee.most_seconds)
    folder = (cache or cache_dir() / "finetune") / "ordinary"
    prompts = ordinary_prompts(REHEARSED, _SEED)
    progress(0, len(prompts))
    pieces: list[Piece] = []
    for first in range(0, len(prompts), _TOGETHER):
        some = prompts[first : first + _TOGETHER]
        key = key_of(weights_digest(trainee.card), trainee.coder.name, some, seconds, first)
        path = folder / key[:2] / f"{key}.safetensors"
        codes = _kept(path, len(some))
        if codes is None:
            codes = trainee.compose(some, seconds, _SEED + first)
            named = {f"{number:02d}": one.contiguous() for number, one in enumerate(codes)}
            keep(path, partial(save, named))
        pieces += [
            Piece("", 0.0, seconds, prompt, one) for prompt, one in zip(some, codes, strict=True)
        ]
        progress(len(pieces), len(prompts))
    return tuple(pieces)


def _kept(path: Path, count: int) -> list[Tensor] | None:
    try:
        named = load_file(path)
    except (OSError, SafetensorError):
        return None
    return [named[name] for name in sorted(named)] if len(named) == count else None
