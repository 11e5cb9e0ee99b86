"""Mixed precision: weights that aren't learnt in 16 bits, adapters and losses in 32."""

from __future__ import annotations

import torch
from torch import Tensor


def kept_in(device: torch.device) -> torch.dtype:
    """What weights that aren't learnt are kept in on a device."""
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def mixed(weight: Tensor) -> torch.autocast:
    """Compute in 16 bits where a network's weights, of which this is one, are kept in 16 bits."""
    is_half = weight.dtype in (torch.bfloat16, torch.float16)
    return torch.autocast(
        weight.device.type, dtype=weight.dtype if is_half else torch.bfloat16, enabled=is_half
    )
