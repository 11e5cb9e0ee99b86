"""Will a training fit? An estimate before anything is computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

from audio_chain.errors import UsageError

if TYPE_CHECKING:
    from audio_chain.finetune.recipe import Recipe
    from audio_chain.finetune.trainee import Trainee

_BASE_GPU: Final = 600_000_000
"""Bytes that CUDA and its libraries take for themselves."""

_A_LEARNT_NUMBER: Final = 16
"""Bytes: itself, its gradient, and AdamW's two moments, in 32 bits."""


@dataclass(frozen=True)
class Estimate:
    """What a training takes, in bytes, and what there is.

    Attributes
    ----------
    weights, learnt, activations : int
        Of the model, as it lies in memory; of the adapter with its optimizer; of a step.
    free : int or None
        Still free beside the weights, which are there already; None where nobody can say.
    """

    weights: int
    learnt: int
    activations: int
    free: int | None

    @property
    def needed(self) -> int:
        """Beside the weights."""
        return self.learnt + self.activations

    def __str__(self) -> str:
        parts = f"weights {_gb(self.weights)}, adapter {_gb(self.learnt)}, "
        free = "" if self.free is None else f"; {_gb(self.free)} are free beside the weights"
        return f"{parts}a step {_gb(self.activations)}{free}"


def estimate(trainee: Trainee, recipe: Recipe, frames: int, processes: int = 1) -> Estimate:
    """Estimate what a training takes, once its adapter is in place.

    Parameters
    ----------
    trainee : Trainee
    recipe : Recipe
    frames : int
        Of the longest piece.
    processes : int
        That share every batch, each on a device of its own.
    """
    network = trainee.network
    parts = [p.numel() * p.element_size() for p in network.parameters() if not p.requires_grad]
    learnt = sum(p.numel() for p in network.parameters() if p.requires_grad)
    share = -(-recipe.batch // processes)
    together = -(-share // recipe.accumulate)
    activations = trainee.footprint(frames, together, checkpointing=recipe.checkpointing)
    device = next(network.parameters()).device
    return Estimate(sum(parts), learnt * _A_LEARNT_NUMBER, activations, _free(device))


def check_fits(found: Estimate, recipe: Recipe) -> None:
    """Refuse a training that won't fit.

    Raises
    ------
    UsageError
        It won't; what would help is named.
    """
    if found.free is None or found.needed <= found.free:
        return
    ways = []
    if recipe.accumulate < recipe.batch:
        ways.append(f"--accumulate {min(recipe.batch, 2 * recipe.accumulate)}")
    if not recipe.checkpointing:
        ways.append("--checkpointing")
    ways += ["shorter pieces with --seconds", "a smaller model"]
    raise UsageError(
        f"training takes about {_gb(found.needed)} beside the weights, and {_gb(found.free or 0)} "
        f"are free: try {', '.join(ways)}"
    )


def _free(device: torch.device) -> int | None:
    """Bytes that are free on a device."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return max(0, free + kept - _BASE_GPU)
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return None


def _gb(count: int) -> str:
    return f"{count / 1e9:.2f} GB"
