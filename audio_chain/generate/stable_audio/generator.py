"""Stable Audio as a `Generator`: prompts in, clips out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from audio_chain import devices, models
from audio_chain.clip import Clip
from audio_chain.errors import UsageError
from audio_chain.generate.stable_audio.checkpoint import Parts, load_folder
from audio_chain.generate.stable_audio.conditions import read_conditions
from audio_chain.generate.stable_audio.editing import Edit, sound, source_of, spliced
from audio_chain.generate.stable_audio.samplers import sampler_of
from audio_chain.generate.stable_audio.sampling import Source, sample
from audio_chain.progress import Progress, silent

if TYPE_CHECKING:
    from audio_chain.generate import GenerationRequest
    from audio_chain.models import ModelCard

VARIATION: Final = 0.6
"""Strength of a variation of a whole recording where none is asked for."""

_TOGETHER: Final = {"cuda": 8}
"""Pieces that are sampled together. On a CPU it saves no time, and one alone is the same to the
last bit whatever comes with it."""


class StableAudioGenerator:
    """A loaded Stable Audio; see `audio_chain.generate.Generator`.

    A model that was only trained on whole windows makes a whole one for every piece, whatever is
    kept of it: `least_seconds` is then `max_seconds`.
    """

    def __init__(self, name: str, family: str, parts: Parts) -> None:
        self.name = name
        self.family = family
        self.rate = parts.autoencoder.rate
        self._parts = parts
        self._hop = parts.autoencoder.hop
        self.max_seconds = parts.denoiser.window * self._hop / self.rate
        self.least_seconds = 0.0 if parts.any_length else self.max_seconds
        self.defaults: Mapping[str, Any] = {
            "guidance": parts.guidance,
            "steps": parts.steps,
            "sampler": parts.sampler,
        }

    def generate(
        self, request: GenerationRequest, *, progress: Progress = silent
    ) -> Iterator[Clip]:
        """Yield a clip for each prompt, in order; progress counts steps of all together."""
        self._check(request)
        parts = self._parts
        guidance = parts.guidance if request.guidance is None else request.guidance
        sampler = sampler_of(request.sampler or parts.sampler)
        edit = _edit(request)
        levels = parts.path.levels(request.steps or parts.steps, edit.strength if edit else 1.0)
        total = (len(levels) - 1) * len(request.prompts)
        done = 0

        def stepped() -> None:
            nonlocal done
            done += together
            progress(done, total)

        for numbers in self._groups(request):
            together = len(numbers)
            frames = self._frames(request.lengths[numbers[0]])
            source = None
            if edit is not None:
                source = source_of(edit, parts.autoencoder, frames, parts.denoiser.device)
            parts.denoiser.read(
                [
                    read_conditions(
                        parts.reader,
                        parts.projection,
                        request.prompts[number],
                        negative=request.negative,
                        end=request.lengths[number],
                        guides=guidance != 1,
                    )
                    for number in numbers
                ],
                frames,
            )
            latents = sample(
                parts.denoiser,
                parts.path,
                sampler,
                levels,
                [request.seeds[number] for number in numbers],
                (parts.denoiser.channels, frames),
                guidance=guidance,
                source=source,
                device=parts.denoiser.device,
                stepped=stepped,
            )
            for number, piece in zip(numbers, latents, strict=True):
                yield self._clip(piece, request.lengths[number], edit, source)

    def _clip(
        self, latents: torch.Tensor, seconds: float, edit: Edit | None, source: Source | None
    ) -> Clip:
        samples = sound(self._parts.autoencoder, latents)
        if edit is not None and edit.span is not None and source is not None:
            kept = sound(self._parts.autoencoder, source.latents[0])
            samples = spliced(samples, kept, edit.span, self.rate)
        return Clip(np.ascontiguousarray(samples[:, : round(seconds * self.rate)]), self.rate)

    def _frames(self, seconds: float) -> int:
        """Frames of latents that are sampled for a piece."""
        window = self._parts.denoiser.window
        if not self._parts.any_length:
            return window
        return min(window, max(1, math.ceil(round(seconds * self.rate / self._hop, 6))))

    def _groups(self, request: GenerationRequest) -> Iterator[tuple[int, ...]]:
        """Numbers of the pieces that are sampled together: neighbours of one length."""
        most = _TOGETHER.get(self._parts.denoiser.device.type, 1)
        numbers = range(len(request.prompts))
        for _, alike in itertools.groupby(numbers, lambda n: self._frames(request.lengths[n])):
            left = tuple(alike)
            while left:
                yield left[:most]
                left = left[most:]

    def _check(self, request: GenerationRequest) -> None:
        """Refuse what this model can't do."""
        shortest = min(request.lengths)
        if request.seconds > self.max_seconds + 1e-6:
            raise UsageError(
                f"{self.name} makes pieces of up to {self.max_seconds:g} s, not "
                f"{request.seconds:g}: lower --seconds"
            )
        if request.melody is not None or request.guidance_end is not None:
            raise UsageError(
                f"{self.name} follows no melody and has one guidance for the whole piece: leave "
                "out --melody and --guidance-end"
            )
        if request.beginning is not None and request.beginning.seconds >= shortest:
            raise UsageError(
                f"what to continue from is {request.beginning.seconds:.1f} s long already: "
                f"--seconds is the length of the whole and has to be more, not {shortest:g}"
            )


def _edit(request: GenerationRequest) -> Edit | None:
    """What the pieces are made from, if it is not noise alone."""
    if request.beginning is not None:
        begun = request.beginning.seconds
        return Edit(request.beginning, 1.0, (begun, request.seconds))
    if request.source is None:
        return None
    usual = VARIATION if request.inpaint is None else 1.0
    strength = usual if request.strength is None else request.strength
    return Edit(request.source, strength, request.inpaint)


def load_stable_audio(
    card: ModelCard, *, device: str = "auto", offline: bool = False, progress: Progress = silent
) -> StableAudioGenerator:
    """Load a checkpoint in diffusers' format, with the parts that it shares with others."""
    where = torch.device(devices.pick(device))
    dtype = torch.float16 if where.type == "cuda" else torch.float32
    parts = load_parts(card, where, dtype, offline=offline, progress=progress)
    return StableAudioGenerator(card.name, card.family, parts)


def load_parts(
    card: ModelCard,
    device: torch.device,
    dtype: torch.dtype,
    *,
    offline: bool = False,
    progress: Progress = silent,
) -> Parts:
    """Load the parts of a model, its adapters merged; `dtype` is that of the transformer."""
    folder = models.folders(card, offline=offline, progress=progress)[card.name]
    shared = {}
    if card.family == "stable-audio-nano":
        shared = models.folders(models.CATALOGUE["musicgen-nano"], offline=offline)
    return load_folder(
        folder,
        device=device,
        dtype=dtype,
        text=shared.get("minilm"),
        codec=shared.get("spectral-codec-nano"),
        adapters=card.lora,
    )
