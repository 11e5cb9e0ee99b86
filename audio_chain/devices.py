"""Which processor the models run on."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

from audio_chain.errors import UsageError

if TYPE_CHECKING:
    import torch

_DEVICE: Final = re.compile(r"auto|cpu|mps|cuda(?::\d{1,3})?")


def check(name: str) -> str:
    """Return `name` if it can be a device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.

    Raises
    ------
    UsageError
        It can't.
    """
    if not _DEVICE.fullmatch(name):
        raise UsageError(f"no device {name!r}; choose auto, cpu, cuda or mps")
    return name


def pick(name: str = "auto") -> str:
    """Return the device that `name` stands for on this machine, never ``auto``.

    Raises
    ------
    UsageError
        There is no such device, or torch can't use it here.
    """
    import torch

    kind, _, number = check(name).partition(":")
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    usable = {
        "cuda": gpus > int(number or 0),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if kind == "auto":
        return next(device for device, is_usable in usable.items() if is_usable)
    if not usable[kind]:
        raise UsageError(f"torch can't use {name} on this machine; leave the device to be chosen")
    return name


def memory(device: torch.device) -> float:
    """Bytes of a CUDA device's memory, used or not; infinity elsewhere, where it isn't known."""
    import torch

    if device.type != "cuda":
        return math.inf
    return float(torch.cuda.get_device_properties(device).total_memory)
