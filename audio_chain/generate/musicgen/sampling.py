"""From logits to tokens: guidance, truncation, and reproducible draws."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor


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


class Draws:
    """Gumbel noise for each piece from a generator of its own.

    Adding it to logits and taking the largest draws from their softmax (Gumbel 1954). The noise
    comes from the CPU whatever the device, so that a seed means the same everywhere.

    Parameters
    ----------
    seeds : sequence of int
        One a piece.
    shape : tuple of int
        Of one step's logits of one piece.
    device : torch.device
        Where the noise is wanted.
    """

    BLOCK = 64

    def __init__(self, seeds: Iterable[int], shape: tuple[int, int], device: torch.device) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._shape, self._device = shape, device
        self._left: list[Tensor] = []

    def step(self) -> Tensor:
        """Noise of the next step, (pieces, *shape)."""
        if not self._left:
            uniform = torch.stack(
                [
                    torch.rand(self.BLOCK, *self._shape, generator=generator)
                    for generator in self._generators
                ],
                1,
            )
            tiny = torch.finfo(uniform.dtype).tiny
            noise = -torch.log(-torch.log(uniform.clamp_min(tiny)))
            self._left = list(noise.to(self._device).flip(0))
        return self._left.pop()


def draw(logits: Tensor, sampling: Sampling, noise: Tensor | None) -> Tensor:
    """Draw a token for each codebook from logits (pieces, codebooks, tokens).

    The noise, of the same shape, comes from `Draws`; greedy decoding needs none.
    """
    if sampling.greedy:
        return logits.argmax(-1)
    assert noise is not None
    return (truncated(logits, sampling) + noise).argmax(-1)
