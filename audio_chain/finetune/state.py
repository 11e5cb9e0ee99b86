"""How far a training is: written whole, so that a killed one goes on where it was."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from audio_chain.errors import UsageError
from audio_chain.files import shown, write_whole

STATE: Final = "state.safetensors"


@dataclass(frozen=True)
class Point:
    """Losses at a step.

    Attributes
    ----------
    step : int
        Steps done.
    loss : float
        On the validation pieces.
    train : float or None
        Mean over the steps since the last point; None before the first.
    seconds : float
        Since training began, all runs together.
    drift : float or None
        From the base model on ordinary prompts, mean over the steps since the last point; None
        where it isn't looked at.
    """

    step: int
    loss: float
    train: float | None
    seconds: float
    drift: float | None = None


@dataclass(frozen=True)
class History:
    """What a training has come to.

    Attributes
    ----------
    step : int
        Steps done.
    points : tuple of Point
        Of every validation, the first before anything was learnt.
    """

    step: int = 0
    points: tuple[Point, ...] = field(default_factory=tuple)

    def added(self, point: Point) -> Self:
        """The history with another validation."""
        return replace(self, step=point.step, points=(*self.points, point))

    @property
    def best(self) -> Point:
        """The validation with the lowest loss, the first of equals."""
        return min(self.points, key=lambda point: point.loss)

    @property
    def since_best(self) -> int:
        """Validations since then."""
        return len(self.points) - 1 - self.points.index(self.best)


def key_of(*facts: object) -> str:
    """Identify all that a training depends on."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def save_state(
    path: Path,
    key: str,
    history: History,
    adapter: Mapping[str, Tensor],
    optimizer: torch.optim.Optimizer,
) -> None:
    """Write the state of a training, replacing the last one at once."""
    tensors = {f"adapter.{name}": value for name, value in adapter.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
    content = save(
        {name: value.detach().contiguous().cpu() for name, value in tensors.items()},
        metadata={"key": key, "history": json.dumps(asdict(history))},
    )
    write_whole(path, io.BytesIO(content))


def load_state(
    path: Path, key: str, adapter: Mapping[str, Tensor], optimizer: torch.optim.Optimizer
) -> History | None:
    """Restore what `save_state` wrote; None if there is nothing.

    Raises
    ------
    UsageError
        It is the state of another training, or damaged.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
            if metadata["key"] != key:
                raise UsageError(
                    f"{shown(path.parent)} holds a training with other settings or other music: "
                    "give the same ones to go on, or another folder with -o"
                )
            raw = json.loads(metadata["history"])
            moments: dict[int, dict[str, Tensor]] = {}
            for name in file.keys():  # noqa: SIM118 - not a mapping
                kind, rest = name.split(".", 1)
                if kind == "adapter":
                    adapter[rest].data.copy_(file.get_tensor(name))
                else:
                    index, field_name = rest.split(".")
                    moments.setdefault(int(index), {})[field_name] = file.get_tensor(name)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise UsageError(
            f"{shown(path)} is damaged ({error}): remove it to train from the start"
        ) from error
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": moments, "param_groups": groups})
    points = tuple(Point(**point) for point in raw["points"])
    return History(raw["step"], points)


def journal(history: History) -> bytes:
    """The validations as JSON lines."""
    lines: list[dict[str, Any]] = [asdict(point) for point in history.points]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()
