"""What the transformer does between its matrix products: PyTorch's code, or kernels of our own.

Between two products there is little to compute but much to read and write: at 16 rows of
1,025 frames each of PyTorch's operations moves 100 MB or more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audio_chain.generate.musicgen.kernels import may_run, reason


class AddNorm(Protocol):
    """Adds to hidden states in place, and normalises what comes out (Ba et al. 2016)."""

    def __call__(self, hidden: Tensor, more: Tensor, norm: nn.LayerNorm, out: Tensor) -> None:
        """Add `more` to `hidden`; write the sum's norm to `out`. All are (rows, frames, width)."""
        ...


class Turn(Protocol):
    """Turns queries and keys by their rotary positions, in place."""

    def __call__(self, states: Tensor, cosine: Tensor, sine: Tensor) -> None:
        """Turn the first channels of each head, of which the halves are pairs.

        Parameters
        ----------
        states : Tensor
            (rows, frames, 2, heads, size).
        cosine, sine : Tensor
            (frames, channels that are turned).
        """
        ...


class Gate(Protocol):
    """SwiGLU (Shazeer 2020)."""

    def __call__(self, both: Tensor) -> Tensor:
        """Values (rows, frames, width) of values and gates (rows, frames, 2 * width)."""
        ...


def add_norm(hidden: Tensor, more: Tensor, norm: nn.LayerNorm, out: Tensor) -> None:
    """As `AddNorm`."""
    hidden += more
    out.copy_(norm(hidden))


def turn(states: Tensor, cosine: Tensor, sine: Tensor) -> None:
    """As `Turn`."""
    turning = states[..., : cosine.shape[-1]]
    first, second = turning.chunk(2, -1)
    cosine, sine = cosine[:, None, None], sine[:, None, None]
    turning.copy_(turning * cosine + torch.cat([-second, first], -1) * sine)


def gate(both: Tensor) -> Tensor:
    """As `Gate`."""
    values, gates = both.chunk(2, -1)
    return values * F.silu(gates)


@dataclass(frozen=True)
class Operations:
    """How they are done.

    Attributes
    ----------
    add_norm : AddNorm
    turn : Turn
    gate : Gate
    failure : str
        Why kernels are not used where they could be; else "".
    """

    add_norm: AddNorm = add_norm
    turn: Turn = turn
    gate: Gate = gate
    failure: str = ""


def operations(device: torch.device, size: int) -> Operations:
    """The fastest ones on a device, for heads of so many channels."""
    if not may_run(device) or size & (size - 1):  # kernels work on powers of 2
        return Operations()
    try:
        return in_kernels(device)
    except Exception as error:  # of Triton, of the compilers that it calls, of the driver
        return Operations(failure=reason(error))


@torch.inference_mode()
def in_kernels(device: torch.device) -> Operations:
    """Kernels, tried once.

    Raises
    ------
    Exception
        Triton isn't there, or something of it fails.
    """
    from audio_chain.generate.stable_audio import kernels

    def zeros(*shape: int) -> Tensor:
        return torch.zeros(shape, device=device)

    norm = nn.LayerNorm(16, device=device)
    kernels.add_norm(zeros(1, 1, 16), zeros(1, 1, 16), norm, zeros(1, 1, 16))
    kernels.turn(zeros(1, 1, 2, 1, 16), zeros(1, 8), zeros(1, 8))
    kernels.gate(zeros(1, 1, 16))
    return Operations(kernels.add_norm, kernels.turn, kernels.gate)
