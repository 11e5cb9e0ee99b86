"""MusicGen as a `Generator`: prompts in, clips out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from audio_chain import devices, models
from audio_chain.clip import Clip
from audio_chain.errors import UsageError
from audio_chain.generate.musicgen.checkpoint import Parts, is_whole, load_parts, load_whole
from audio_chain.generate.musicgen.decoding import decode
from audio_chain.generate.musicgen.delay import delays
from audio_chain.generate.musicgen.sampling import Sampling
from audio_chain.progress import Progress, silent

if TYPE_CHECKING:
    from audio_chain.generate import GenerationRequest
    from audio_chain.models import ModelCard

MAX_WORDS = 64
"""Tokens of a prompt that are read; the nano model has seen no longer ones."""

SMALL = 512
"""Decoders narrower than this run on one CPU thread: handing out work costs more than it saves."""


class MusicgenGenerator:
    """A loaded MusicGen; see `audio_chain.generate.Generator`."""

    def __init__(self, name: str, family: str, parts: Parts) -> None:
        self.name = name
        self.family = family
        self.rate: int = parts.codec.config.sampling_rate
        self.max_seconds = parts.max_frames / parts.codec.config.frame_rate
        self._parts = parts

    def generate(
        self, request: GenerationRequest, *, progress: Progress = silent
    ) -> Iterator[Clip]:
        """Yield a clip for each prompt, in order; progress counts steps of all together."""
        frames = max(1, round(request.seconds * self._parts.codec.config.frame_rate))
        if frames > self._parts.max_frames:
            raise UsageError(
                f"{self.name} makes pieces of up to {self.max_seconds:g} s, not "
                f"{request.seconds:g}: lower --seconds"
            )
        shape = self._parts.decoder.shape
        steps = frames + max(delays(shape.codebooks, shape.channels))
        sampling = Sampling(request.guidance, request.temperature, request.top_k, request.top_p)
        done = 0

        def stepped() -> None:
            nonlocal done
            done += 1
            progress(done, steps * len(request.prompts))

        # one at a time: sums differ in the last bit between batch sizes, and with them the music
        for prompt, seed in zip(request.prompts, request.seeds, strict=True):
            text, mask, against = self._conditions(prompt, request.negative)
            with _threads(1 if shape.width < SMALL else None):
                codes = decode(
                    self._parts.decoder,
                    text,
                    mask,
                    frames,
                    (seed,),
                    sampling,
                    against=against,
                    stepped=stepped,
                )
            yield self._clip(codes, round(request.seconds * self.rate))

    @torch.inference_mode()
    def _conditions(
        self, prompt: str, negative: str
    ) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor] | None]:
        """Projected text and mask of a prompt, and of what to guide away from."""
        parts = self._parts
        texts = [prompt, negative] if negative.strip() else [prompt]
        words = parts.tokenizer(
            texts, padding=True, truncation=True, max_length=MAX_WORDS, return_tensors="pt"
        ).to(parts.decoder.device)
        states = parts.text_encoder(
            input_ids=words["input_ids"], attention_mask=words["attention_mask"]
        ).last_hidden_state
        text, mask = parts.projection(states), words["attention_mask"]
        return text[:1], mask[:1], (text[1:], mask[1:]) if len(texts) == 2 else None

    @torch.inference_mode()
    def _clip(self, codes: Tensor, samples: int) -> Clip:
        """Turn codes (1, codebooks, frames) into audio; a stereo model's alternate by channel."""
        channels = self._parts.decoder.shape.channels
        sides = [
            self._parts.codec.decode(codes[None, :, side::channels], [None]).audio_values[0, 0]
            for side in range(channels)
        ]
        audio = torch.stack(sides)[:, :samples].float().cpu().numpy()
        return Clip(np.ascontiguousarray(audio), self.rate)


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Let PyTorch use so many CPU threads for a while; None changes nothing."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def load_musicgen(
    card: ModelCard, *, device: str = "auto", offline: bool = False, progress: Progress = silent
) -> MusicgenGenerator:
    """Load a MusicGen: from one folder, or a nano decoder with the parts that it shares."""
    where = torch.device(devices.pick(device))
    dtype = torch.float16 if where.type == "cuda" else torch.float32
    folder = models.folders(card, offline=offline, progress=progress)[card.name]
    if is_whole(folder):
        parts = load_whole(folder, where, dtype)
    else:
        shared = models.folders(models.CATALOGUE["musicgen-nano"], offline=offline)
        parts = load_parts(folder, shared["minilm"], shared["spectral-codec-nano"], where, dtype)
    return MusicgenGenerator(card.name, card.family, parts)
