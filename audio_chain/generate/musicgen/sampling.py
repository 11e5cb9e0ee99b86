"""From logits to tokens: guidance, truncation, and reproducible draws."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from audio_chain.generate.musicgen.delay import FREE
from audio_chain.generate.musicgen.noise import gumbel


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn; the fields are those of `GenerationRequest`."""

    guidance: float = 3.0
    temperature: float = 1.0
    top_k: int = 250
    top_p: float = 0.0
    guidance_end: float | None = None

    @property
    def greedy(self) -> bool:
        """Whether the most likely token is always taken."""
        return self.top_k == 1

    @property
    def guides(self) -> bool:
        """Whether there is anything to compute besides what follows the prompt."""
        return self.guidance != 1 or self.guidance_end not in (None, 1)

    def schedule(self, frames: int, begin: int, steps: int) -> Tensor:
        """Guidance at the steps from frame `begin` on, float32 (steps,).

        A line from `guidance` at the first of a piece's frames to `guidance_end` at its last.
        """
        end = self.guidance if self.guidance_end is None else self.guidance_end
        way = torch.arange(begin, begin + steps) / max(1, frames - 1)
        return self.guidance + (end - self.guidance) * way.clamp(max=1)


def guided(conditional: Tensor, unconditional: Tensor, guidance: float | Tensor) -> Tensor:
    """Classifier-free guidance (Ho and Salimans 2022): move away from the unconditional logits."""
    return unconditional + guidance * (conditional - unconditional)


def truncated(logits: Tensor, sampling: Sampling) -> Tensor:
    """Logits (..., tokens) at the temperature, with those that may not be drawn at -inf."""
    logits = logits / sampling.temperature
    if 0 < sampling.top_k < logits.shape[-1]:
        least = logits.topk(sampling.top_k, -1).values[..., -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    if 0 < sampling.top_p < 1:
        ordered, order = logits.sort(-1, descending=True)
        share = ordered.softmax(-1)
        # a token stays while those before it have not reached the share
        beyond = share.cumsum(-1) - share >= sampling.top_p
        beyond[..., 0] = False  # also where float32 can't tell the sum wanted from 0
        logits = logits.masked_fill(torch.zeros_like(beyond).scatter(-1, order, beyond), -torch.inf)
    return logits


def draw(logits: Tensor, sampling: Sampling, noise: Tensor | None) -> Tensor:
    """Draw a token for each codebook from logits (pieces, codebooks, tokens).

    The noise, of the same shape, is that of `gumbel`; greedy decoding needs none.
    """
    if sampling.greedy:
        return logits.argmax(-1)
    assert noise is not None
    return (truncated(logits, sampling) + noise).argmax(-1)


def play_column(
    logits: Tensor,
    sampling: Sampling,
    guidance: Tensor,
    seeds: Tensor,
    begin: Tensor,
    place: Tensor,
    sheet: Tensor,
) -> None:
    """Write the next column's tokens into a sheet where they are `FREE`.

    Parameters
    ----------
    logits : Tensor
        float32 (pieces, or with guidance twice as many, codebooks, tokens).
    sampling : Sampling
        How to draw.
    guidance : Tensor
        float32 (pieces, steps).
    seeds : Tensor
        int64 (pieces,).
    begin, place : Tensor
        int64 (1,): frame of the pieces at which the window begins, and the column that was read.
    sheet : Tensor
        int64 (pieces, codebooks, 1 + steps).
    """
    if sampling.guides:
        conditional, other = logits.chunk(2)
        logits = guided(conditional, other, guidance.index_select(1, place)[..., None])
    noise = None
    if not sampling.greedy:
        noise = gumbel(seeds, begin + place, (logits.shape[1], logits.shape[2]))
    drawn = draw(logits, sampling, noise)
    known = sheet.index_select(2, place + 1)[..., 0]
    played = torch.where(known == FREE, drawn, known)
    sheet.index_copy_(2, place + 1, played[..., None])
