"""Training state as safetensors, so that a killed run goes on where it was."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn


def save(
    path: Path,
    step: int,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    extra: Mapping[str, Tensor] | None = None,
) -> None:
    """Write the state after `step` steps to `path`, replacing it at once."""
    tensors = {f"module.{name}": value for name, value in module.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
    tensors |= {f"extra.{name}": value for name, value in (extra or {}).items()}
    partial = path.with_name(path.name + ".partial")
    save_file(
        {name: value.contiguous().cpu() for name, value in tensors.items()},
        partial,
        metadata={"state": json.dumps({"step": step})},
    )
    os.replace(partial, path)


def load(
    path: Path, module: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[int, dict[str, Tensor]]:
    """Restore what `save` wrote; returns the step to go on from, and the extra tensors."""
    groups: dict[str, dict[str, Tensor]] = {"module": {}, "optimizer": {}, "extra": {}}
    with safe_open(path, "pt") as file:
        step = int(json.loads(file.metadata()["state"])["step"])
        for key in file.keys():  # noqa: SIM118 - not a mapping
            group, name = key.split(".", 1)
            groups[group][name] = file.get_tensor(key)
    module.load_state_dict(groups["module"])
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in groups["optimizer"].items():
        index, name = key.split(".")
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )
    return step, groups["extra"]
