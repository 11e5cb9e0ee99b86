"""From words to music: what is asked of a generator, and which code answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from audio_chain.building import BUILDING
from audio_chain.errors import UsageError
from audio_chain.progress import Progress, silent

if TYPE_CHECKING:
    from audio_chain.clip import Clip
    from audio_chain.models import ModelCard


@dataclass(frozen=True)
class GenerationRequest:
    """Pieces to generate.

    Parameters
    ----------
    prompts : tuple of str
        One a piece.
    seconds : float
        Length of every piece, above 0; with `lengths`, of the longest.
    seeds : tuple of int
        One a piece. A piece depends on its own seed and prompt, not on the others.
    guidance : float, optional
        Weight of the prompt against no prompt (Ho and Salimans 2022), at least 0; at 1 the prompt
        is followed without being exaggerated, at 0 it is ignored. Default: the model's own.
    temperature : float
        Divides the logits, above 0.
    top_k : int
        Sample among so many most likely tokens; 0 for all, 1 for greedy decoding.
    top_p : float
        Sample among the most likely tokens that together have this probability; 0 for all.
    negative : str
        What to guide away from instead of from no prompt.
    guidance_end : float, optional
        Guidance at the end of a piece, where it is to change evenly from `guidance` on.
    lengths : tuple of float
        Of each piece, up to `seconds`; by default all are of that length.
    beginning : Clip, optional
        What every piece begins with; its length is a part of theirs.
    melody : Clip, optional
        What every piece follows the melody of, repeated where it is shorter.
    steps : int, optional
        Of a diffusion, at least 1. Default: the model's own.
    sampler : str, optional
        Of a diffusion. Default: the model's own.
    source : Clip, optional
        What every piece is a variation of, or differs from in a part.
    strength : float, optional
        How far a variation may go from `source`, above 0: it begins with so much noise, and at 1
        there is nothing else.
    inpaint : tuple of float, optional
        Beginning and end of the part of `source` that is made anew, in seconds; the rest stays.

    Raises
    ------
    UsageError
        A value is out of its range; the message names it.
    """

    prompts: tuple[str, ...]
    seconds: float
    seeds: tuple[int, ...]
    guidance: float | None = None
    temperature: float = 1.0
    top_k: int = 250
    top_p: float = 0.0
    negative: str = ""
    guidance_end: float | None = None
    lengths: tuple[float, ...] = ()
    beginning: Clip | None = None
    melody: Clip | None = None
    steps: int | None = None
    sampler: str | None = None
    source: Clip | None = None
    strength: float | None = None
    inpaint: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not self.lengths:
            object.__setattr__(self, "lengths", (self.seconds,) * len(self.prompts))
        begin, end = (0.0, self.seconds) if self.inpaint is None else self.inpaint
        checks = {
            "a prompt": bool(self.prompts) and all(prompt.strip() for prompt in self.prompts),
            "one seed for each prompt": len(self.seeds) == len(self.prompts),
            "seconds above 0": math.isfinite(self.seconds) and self.seconds > 0,
            "guidance of at least 0": _is_strength(self.guidance),
            "a guidance at the end of at least 0": _is_strength(self.guidance_end),
            "one length for each prompt": len(self.lengths) == len(self.prompts),
            "lengths above 0 and up to its seconds": all(
                0 < length <= self.seconds for length in self.lengths
            ),
            "a melody with some sound": self.melody is None or self.melody.frames > 0,
            "a temperature above 0": math.isfinite(self.temperature) and self.temperature > 0,
            "top-k of at least 0": self.top_k >= 0,
            "top-p from 0 to 1": 0 <= self.top_p <= 1,
            "at least one step": self.steps is None or self.steps >= 1,
            "a strength above 0 and up to 1": self.strength is None or 0 < self.strength <= 1,
            "a part to inpaint that begins before it ends, inside every piece": (
                0 <= begin < end and (self.inpaint is None or end <= min(self.lengths))
            ),
            "something to vary where there is a strength or a part to inpaint": (
                self.source is not None or (self.strength is None and self.inpaint is None)
            ),
            "either something to vary or something to continue": (
                self.source is None or self.beginning is None
            ),
        }
        for wanted, met in checks.items():
            if not met:
                raise UsageError(f"generation needs {wanted}")


def _is_strength(guidance: float | None) -> bool:
    return guidance is None or (math.isfinite(guidance) and guidance >= 0)


@dataclass(frozen=True, eq=False)
class Chunk:
    """Some of a piece's sound; the next of it begins where this one ends.

    Parameters
    ----------
    piece : int
        Which of the request's.
    clip : Clip
    """

    piece: int
    clip: Clip


class Generator(Protocol):
    """A model that makes music from words.

    Attributes
    ----------
    name, family : str
        As on the model's card.
    rate : int
        Samples a second of what it makes.
    max_seconds : float
        The longest piece it can make.
    least_seconds : float
        What the shortest piece costs as much as; 0 where a shorter one always costs less.
    defaults : mapping
        Settings of a request, by name, where it has none of its own.
    """

    name: str
    family: str
    rate: int
    max_seconds: float
    least_seconds: float
    defaults: Mapping[str, Any]

    def generate(
        self, request: GenerationRequest, *, progress: Progress = silent
    ) -> Iterator[Clip]:
        """Yield a clip for each prompt, in order; progress counts steps of all together."""
        ...


class StreamingGenerator(Generator, Protocol):
    """A generator whose pieces can be heard before they are complete."""

    def stream(self, request: GenerationRequest, *, progress: Progress = silent) -> Iterator[Chunk]:
        """Yield sound as soon as it is there: a piece's chunks, joined, are its clip."""
        ...


_TOKENS: Final = ("--temperature", "--top-k", "--top-p")
_DIFFUSION: Final = ("--steps", "--sampler", "--variation-of", "--strength", "--inpaint")
_EXTRAS: Final[Mapping[str, tuple[str, ...]]] = {
    "musicgen": (*_TOKENS, "--continue-from", "--guidance-end", "--melody"),
    "musicgen-nano": (*_TOKENS, "--continue-from", "--guidance-end"),
    "audiocraft": _TOKENS,
    "stable-audio": (*_DIFFUSION, "--continue-from"),
    "stable-audio-nano": (*_DIFFUSION, "--continue-from"),
    "stable-audio-tools": _DIFFUSION,
    "stable-audio-3": ("--steps", "--variation-of", "--strength", "--inpaint", "--continue-from"),
    "ace-step": ("--steps", "--variation-of", "--inpaint", "--continue-from"),
}
"""What a family takes besides words, length, seed and guidance; of ``musicgen``, only melody models
take melodies."""


def check_extras(card: ModelCard, extras: Iterable[str]) -> None:
    """Refuse what a model's family can't do, before anything is loaded.

    Parameters
    ----------
    card : ModelCard
        Of the generator.
    extras : iterable of str
        `MemoRequest.extras`.

    Raises
    ------
    UsageError
        One of them is beyond it.
    """
    for flag in extras:
        if flag != "--guidance" and flag not in _EXTRAS.get(card.family, ()):
            able = "a Stable Audio" if flag in _DIFFUSION else "a MusicGen"
            able = "musicgen-melody" if flag == "--melody" else able
            raise UsageError(f"{card.name} can't use {flag}: leave it out, or give --model {able}")


def _musicgen(
    card: ModelCard, device: str, offline: bool, progress: Progress, precision: str = "auto"
) -> Generator:
    from audio_chain.generate.musicgen import load_musicgen

    return load_musicgen(
        card, device=device, precision=precision, offline=offline, progress=progress
    )


def _stable_audio(card: ModelCard, device: str, offline: bool, progress: Progress) -> Generator:
    from audio_chain.generate.stable_audio import load_stable_audio

    return load_stable_audio(card, device=device, offline=offline, progress=progress)


def _pipeline(card: ModelCard, device: str, offline: bool, progress: Progress) -> Generator:
    from audio_chain.generate.pipelines import load_pipeline

    return load_pipeline(card, device=device, offline=offline, progress=progress)


def _audiocraft(card: ModelCard, device: str, offline: bool, progress: Progress) -> Generator:
    from audio_chain.generate.audiocraft import load_audiocraft

    return load_audiocraft(card, device=device, offline=offline, progress=progress)


def _stable_audio_tools(
    card: ModelCard, device: str, offline: bool, progress: Progress
) -> Generator:
    from audio_chain.generate.stable_audio_tools import load_stable_audio_tools

    return load_stable_audio_tools(card, device=device, offline=offline, progress=progress)


_FAMILIES: Final[Mapping[str, Callable[[ModelCard, str, bool, Progress], Generator]]] = {
    "musicgen": _musicgen,
    "musicgen-nano": _musicgen,
    "stable-audio": _stable_audio,
    "stable-audio-nano": _stable_audio,
    "stable-audio-3": _pipeline,
    "ace-step": _pipeline,
    "audiocraft": _audiocraft,
    "stable-audio-tools": _stable_audio_tools,
}


PRECISIONS: Final = ("auto", "fp32", "bf16", "fp16", "int8")
"""How a generator's weights can be kept; ``auto`` is what is fastest without being heard."""

_PRECISE: Final = ("musicgen", "musicgen-nano")
"""Families whose weights can be kept in another precision."""


def load_generator(
    card: ModelCard,
    *,
    device: str = "auto",
    precision: str = "auto",
    offline: bool = False,
    progress: Progress = silent,
) -> Generator:
    """Load a generator.

    Parameters
    ----------
    card : ModelCard
        Of a model for the stage ``generate``.
    device : str
        ``auto`` (a GPU if there is one), or a torch device such as ``cpu`` or ``cuda:1``.
    precision : str
        One of `PRECISIONS`.
    offline : bool
        Use what is on this machine only.
    progress : Progress
        Told bytes while weights are fetched.

    Raises
    ------
    UsageError
        No code here runs this family of models, or not in that precision.
    WeightsError
        The weights can't be had.
    """
    load = _FAMILIES.get(card.family)
    if load is None:
        known = ", ".join(sorted(_FAMILIES))
        raise UsageError(
            f"{card.name}: generating with {card.family} models is not possible yet; "
            f"choose a --model of one of these families: {known}"
        )
    if precision != "auto":
        if card.family not in _PRECISE:
            raise UsageError(f"{card.name} has a precision of its own: leave out --precision")
        load = partial(_musicgen, precision=precision)
    with BUILDING:
        return load(card, device, offline, progress)
