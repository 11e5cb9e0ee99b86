"""Kernels that begin while the one before them still runs (programmatic dependent launch).

A step is a chain of two hundred kernels of some microseconds each, and between two of them a GPU
does nothing for about one. From Hopper on a kernel may be launched as soon as all programs of the
last one have said that they have begun; it reads its weights, which nobody writes, and waits with
all else until the last one has ended. Since each waits before it writes, what a kernel wrote is
there for all that follow (CUDA C++ Programming Guide, "Programmatic Dependent Launch").
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch

try:
    from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait
except ImportError:  # Triton before 3.4
    gdc_launch_dependents = gdc_wait = None

__all__ = ["gdc_launch_dependents", "gdc_wait", "overlap"]

HOPPER = (9, 0)


@cache
def overlap(device: torch.device) -> dict[str, Any]:
    """Arguments for a kernel's launch: whether it overlaps, and Triton's option for that."""
    if device.type != "cuda" or gdc_wait is None:
        return {"OVERLAPS": False}
    if torch.cuda.get_device_capability(device) < HOPPER:
        return {"OVERLAPS": False}
    return {"OVERLAPS": True, "launch_pdl": True}
