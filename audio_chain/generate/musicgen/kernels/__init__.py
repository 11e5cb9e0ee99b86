"""The step of a few rows in kernels of our own, written in Triton (Tillet et al. 2019).

With two rows a step is little but reading the weights once, cut into hundreds of kernels that each
do almost nothing. Here a layer is seven kernels, each of which reads its weights in one go. More
than `MOST_ROWS` rows are matrix products again, and cuBLAS's; what lies between them stays ours.

Triton is imported where there is a GPU only; see `stepping`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import torch

MOST_ROWS: Final = 6
"""Rows that are not multiplied by cuBLAS."""

OPT_OUT: Final = "AUDIO_CHAIN_KERNELS"
"""Environment variable; 0 leaves every step to PyTorch's kernels."""


def may_run(device: torch.device) -> bool:
    """Whether kernels exist for a device, and nobody has opted out."""
    return device.type == "cuda" and os.environ.get(OPT_OUT, "1") != "0"


def reason(error: Exception) -> str:
    """One line about what Triton, a compiler that it calls, or the driver has raised."""
    said = str(error).strip() or type(error).__name__
    return said.splitlines()[0]
