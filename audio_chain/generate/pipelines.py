"""Stable Audio 3 and ACE-Step by diffusers' own pipelines, a piece at a time.

A thin layer: what is asked becomes the pipeline's arguments, and what it has no argument for is
refused. Noise comes from the CPU, by seed, so that a piece is the same whatever comes with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from audio_chain import devices, models
from audio_chain.clip import Clip
from audio_chain.errors import UsageError
from audio_chain.files import read_json, shown
from audio_chain.generate.seeds import mixed
from audio_chain.generate.stable_audio.checkpoint import INDEX
from audio_chain.generate.stable_audio.editing import spliced
from audio_chain.progress import Progress, silent

if TYPE_CHECKING:
    from audio_chain.generate import GenerationRequest
    from audio_chain.models import ModelCard

PIPELINES: Final[Mapping[str, str]] = {
    "stable-audio-3": "StableAudio3Pipeline",
    "ace-step": "AceStepPipeline",
}
"""diffusers' classes by family."""

_LIBRARIES: Final = ("diffusers", "transformers", "stable_audio_3", "ace_step")
"""Where a checkpoint's components may come from: nothing of its own is run."""


@dataclass(frozen=True)
class Asked:
    """One piece of a request, for a pipeline.

    Parameters
    ----------
    prompt : str
    seconds : float
    generator : torch.Generator
        Of all its noise.
    steps : int
    guidance : float
    source : Clip, optional
        At the pipeline's rate, as long as the piece, with its channels.
    """

    prompt: str
    seconds: float
    generator: torch.Generator
    steps: int
    guidance: float
    source: Clip | None


class PipelineGenerator:
    """A loaded pipeline; see `audio_chain.generate.Generator`."""

    least_seconds = 0.0

    def __init__(self, name: str, family: str, pipeline: Any) -> None:
        self.name = name
        self.family = family
        self._pipeline = pipeline
        self._player = _stable_audio_3 if family == "stable-audio-3" else _ace_step
        config = pipeline.vae.config
        self.rate = int(config.sampling_rate)
        self._channels = int(config.audio_channels)
        if family == "stable-audio-3":
            distilled = bool(pipeline.scheduler.config.stochastic_sampling)
            self.max_seconds = float(pipeline.duration_embedder.config.max_val)
            self.defaults: Mapping[str, Any] = {"guidance": 1.0, "steps": 8 if distilled else 100}
        else:
            self.max_seconds = 600.0
            turbo = bool(pipeline.is_turbo)
            self.defaults = {"guidance": 1.0 if turbo else 7.0, "steps": 8 if turbo else 50}

    def generate(
        self, request: GenerationRequest, *, progress: Progress = silent
    ) -> Iterator[Clip]:
        """Yield a clip for each prompt, in order; progress counts steps of all together."""
        self._check(request)
        steps = request.steps or self.defaults["steps"]
        guidance = self.defaults["guidance"] if request.guidance is None else request.guidance
        pieces = len(request.prompts)
        source = request.source if request.beginning is None else request.beginning
        for piece, (prompt, seed, seconds) in enumerate(
            zip(request.prompts, request.seeds, request.lengths, strict=True)
        ):

            def stepped(
                pipeline: Any, step: int, time: Any, tensors: dict[str, Any], before: int = piece
            ) -> dict[str, Any]:
                progress(before * steps + min(step + 1, steps), pieces * steps)
                return tensors

            asked = Asked(
                prompt,
                seconds,
                torch.Generator().manual_seed(mixed(seed, 0)),
                steps,
                guidance,
                None if source is None else self._fitted(source, seconds),
            )
            samples = self._player(self._pipeline, asked, request, stepped)
            samples = samples[:, : round(seconds * self.rate)]
            yield Clip(np.ascontiguousarray(samples, dtype=np.float32), self.rate)

    def _fitted(self, clip: Clip, seconds: float) -> Clip:
        """The sound at the pipeline's rate, with its channels, filled up with silence."""
        clip = clip.resampled(self.rate)
        sides = clip.samples
        if len(sides) != self._channels:
            sides = np.repeat(clip.mono().samples, self._channels, 0)
        fitted = np.zeros((self._channels, round(seconds * self.rate)), np.float32)
        length = min(fitted.shape[1], sides.shape[1])
        fitted[:, :length] = sides[:, :length]
        return Clip(fitted, self.rate)

    def _check(self, request: GenerationRequest) -> None:
        """Refuse what this pipeline can't do."""
        edits = request.source is not None or request.beginning is not None
        refused = {
            "--sampler": request.sampler is not None,
            "--melody": request.melody is not None,
            "--guidance-end": request.guidance_end is not None,
        }
        if self.family == "stable-audio-3":
            guides = (request.guidance or 1.0) != 1.0
            refused["--guidance with a recording to change"] = edits and guides
            refused["--strength with --inpaint"] = (
                request.strength is not None and request.inpaint is not None
            )
        else:
            whole = request.source is not None and request.inpaint is None
            refused["--variation-of without --inpaint"] = whole
            refused["--strength"] = request.strength is not None
        for what, wanted in refused.items():
            if wanted:
                raise UsageError(f"{self.name} can't use {what}: leave it out")
        if request.seconds > self.max_seconds:
            raise UsageError(
                f"{self.name} makes pieces of up to {self.max_seconds:g} s, not "
                f"{request.seconds:g}: lower --seconds"
            )
        begun = request.beginning
        if begun is not None and begun.seconds >= min(request.lengths):
            raise UsageError(
                f"what to continue from is {begun.seconds:.1f} s long already: --seconds is the "
                f"length of the whole and has to be more, not {min(request.lengths):g}"
            )


_Stepped = Callable[[Any, int, Any, dict[str, Any]], dict[str, Any]]


def _span(request: GenerationRequest, seconds: float) -> tuple[float, float] | None:
    """The part that is made anew, if not all is."""
    if request.beginning is not None:
        return request.beginning.seconds, seconds
    return request.inpaint


def _stable_audio_3(
    pipeline: Any, asked: Asked, request: GenerationRequest, stepped: _Stepped
) -> np.ndarray[Any, Any]:
    """Samples (channels, samples) of Stable Audio 3."""
    from diffusers import StableAudio3AudioToAudioPipeline, StableAudio3InpaintPipeline

    more: dict[str, Any] = {
        "duration": asked.seconds,
        "num_inference_steps": asked.steps,
        "generator": asked.generator,
        "callback_on_step_end": stepped,
        "output_type": "np",
    }
    if asked.source is None:
        words = {"negative_prompt": request.negative or None, "guidance_scale": asked.guidance}
        return np.asarray(pipeline(asked.prompt, **words, **more).audios[0])
    vae = pipeline.vae
    heard = torch.from_numpy(asked.source.samples.copy())[None].to(vae.device, vae.dtype)
    span = _span(request, asked.seconds)
    if span is None:
        varied = StableAudio3AudioToAudioPipeline(**pipeline.components)
        varied.set_progress_bar_config(disable=True)
        level = 0.6 if request.strength is None else request.strength
        return np.asarray(
            varied(asked.prompt, audio=heard, init_noise_level=level, **more).audios[0]
        )
    filled = StableAudio3InpaintPipeline(**pipeline.components)
    filled.set_progress_bar_config(disable=True)
    ends = {"mask_start_seconds": span[0], "mask_end_seconds": span[1]}
    fresh = np.asarray(filled(asked.prompt, audio=heard, **ends, **more).audios[0])
    with torch.inference_mode():
        ratio = vae.downsampling_ratio
        whole = torch.nn.functional.pad(heard, (0, -heard.shape[-1] % ratio))
        kept = vae.decode(vae.encode(whole).latents).sample[0].float().cpu().numpy()
    return spliced(fresh, kept[:, : fresh.shape[1]], span, asked.source.rate)


def _ace_step(
    pipeline: Any, asked: Asked, request: GenerationRequest, stepped: _Stepped
) -> np.ndarray[Any, Any]:
    """Samples (channels, samples) of ACE-Step, without a voice."""
    more: dict[str, Any] = {}
    span = _span(request, asked.seconds)
    if asked.source is not None and span is not None:
        heard = torch.from_numpy(asked.source.samples.copy())
        heard = torch.nn.functional.pad(heard, (0, -heard.shape[-1] % pipeline.vae.hop_length))
        more = {
            "task_type": "repaint",
            "src_audio": heard,
            "repainting_start": span[0],
            "repainting_end": span[1],
        }
    audios = pipeline(
        asked.prompt,
        lyrics="[Instrumental]",
        audio_duration=asked.seconds,
        num_inference_steps=asked.steps,
        guidance_scale=asked.guidance,
        generator=asked.generator,
        callback_on_step_end=stepped,
        output_type="np",
        **more,
    ).audios
    return np.asarray(audios[0])


def load_pipeline(
    card: ModelCard, *, device: str = "auto", offline: bool = False, progress: Progress = silent
) -> PipelineGenerator:
    """Load a checkpoint of one of `PIPELINES`.

    Raises
    ------
    UsageError
        It is of another pipeline, or names code of its own.
    """
    where = torch.device(devices.pick(device))
    folder = models.folders(card, offline=offline, progress=progress)[card.name]
    name = PIPELINES[card.family]
    _refuse_code(folder, name)
    import diffusers

    pipeline = getattr(diffusers, name).from_pretrained(
        folder,
        dtype=torch.bfloat16 if where.type == "cuda" else torch.float32,
        use_safetensors=True,
        local_files_only=True,
    )
    pipeline.set_progress_bar_config(disable=True)
    return PipelineGenerator(card.name, card.family, pipeline.to(where))


def _refuse_code(folder: Path, name: str) -> None:
    """Refuse a checkpoint whose index names other classes than diffusers' and transformers'."""
    index = read_json(folder / INDEX, "pipeline's index")
    if index.get("_class_name") != name:
        raise UsageError(f"{shown(folder)} is a {index.get('_class_name')}, not a {name}")
    for component, entry in index.items():
        named = isinstance(entry, list) and len(entry) == 2 and entry[0] is not None
        if named and entry[0] not in _LIBRARIES:
            raise UsageError(
                f"{shown(folder / INDEX)}: the {component} is code of the checkpoint's own "
                f"({entry[0]}), which is not run"
            )
