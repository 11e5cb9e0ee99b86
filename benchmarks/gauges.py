"""What benchmarks read off a machine: time, the memory's bandwidth, energy, a profile."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Clock:
    """Time of a device: on a GPU as it passes, on a CPU the processor's, which others don't use up.

    Parameters
    ----------
    device : torch.device
    """

    device: torch.device

    @property
    def name(self) -> str:
        """What is counted."""
        return "time" if self.device.type == "cuda" else "processor time"

    def __call__(self, run: Callable[[], object]) -> float:
        """Seconds that a call takes."""
        if self.device.type != "cuda":
            begun = time.process_time()
            run()
            return time.process_time() - begun
        torch.cuda.synchronize()
        begun = time.perf_counter()
        run()
        torch.cuda.synchronize()
        return time.perf_counter() - begun


def bandwidth(device: torch.device) -> float:
    """Bytes a second at which a long tensor is read, the best of five times."""
    size = 1 << (29 if device.type == "cuda" else 26)
    values = torch.ones(size, device=device)
    clock = Clock(device)
    values.sum()
    return 4 * size / min(clock(values.sum) for _ in range(5))


def joules(device: torch.device) -> Callable[[], float | None]:
    """Reads a GPU's meter, in joules since its driver was loaded; None where there is none."""
    if device.type != "cuda":
        return lambda: None
    try:
        import pynvml  # type: ignore[import-not-found,unused-ignore]

        pynvml.nvmlInit()
        card = pynvml.nvmlDeviceGetHandleByIndex(torch.cuda.current_device())
        pynvml.nvmlDeviceGetTotalEnergyConsumption(card)
    except Exception:  # no library, no driver, no meter: each has errors of its own
        return lambda: None
    return lambda: float(pynvml.nvmlDeviceGetTotalEnergyConsumption(card)) / 1e3


def profile(run: Callable[[], object], device: torch.device, steps: int) -> list[dict[str, Any]]:
    """The operations of so many steps that take the most time, in milliseconds a step."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as recorded

    is_gpu = device.type == "cuda"
    with recorded(activities=[ProfilerActivity.CUDA if is_gpu else ProfilerActivity.CPU]) as found:
        run()
        if is_gpu:
            torch.cuda.synchronize()
    rows = [
        {
            "name": event.key[:60],
            "ms": round(
                (event.self_device_time_total if is_gpu else event.self_cpu_time_total)
                / 1e3
                / steps,
                4,
            ),
            "calls": round(event.count / steps, 1),
        }
        for event in found.key_averages()
    ]
    return sorted(rows, key=lambda row: -row["ms"])[:10]


def facts(device: torch.device) -> dict[str, Any]:
    """What was measured on."""
    about: dict[str, Any] = {
        "device": "CPU " + (_processor() or platform.machine()),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1),
        "clock": Clock(device).name,
        "read_gb_a_second": round(bandwidth(device) / 1e9, 1),
    }
    if device.type == "cuda":
        about["device"] = torch.cuda.get_device_name()
        about["cuda"] = torch.version.cuda
    return about


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(
                (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
                "",
            )
    except OSError:
        return ""
