"""How noise is mixed into latents, level by level, and what a network makes of it.

At a level the latents are ``keep * clean + level * noise``. Two paths are in use: the quarter
circle of the v-objective (Salimans and Ho 2022), divided by its cosine as in EDM (Karras et al.
2022), and the straight line of rectified flow (Liu et al. 2023; Lipman et al. 2023).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from torch import Tensor

from audio_chain.errors import UsageError


class Path(Protocol):
    """From noise to clean latents."""

    def levels(self, steps: int, strength: float = 1.0) -> tuple[float, ...]:
        """Levels before the first step and after each, falling to 0.

        Parameters
        ----------
        steps : int
            At least 1.
        strength : float
            Where on the way to begin, above 0: 1 is nothing but noise. It is the time that the
            network reads, from 0 to 1.
        """
        ...

    def level(self, way: float) -> float:
        """Level of a whole schedule, from its first at 0 to its last above 0 at 1."""
        ...

    def keep(self, level: float) -> float:
        """How much of the clean latents there is at a level."""
        ...

    def deviation(self, level: float) -> float:
        """Standard deviation of latents that begin at a level as nothing but noise."""
        ...

    def scale(self, level: float) -> float:
        """What latents are multiplied by before the network reads them."""
        ...

    def time(self, level: float) -> float:
        """What the network is told of a level."""
        ...

    def clean(self, latents: Tensor, output: Tensor, level: float) -> Tensor:
        """The clean latents that the network's output at a level stands for."""
        ...

    def target(self, clean: Tensor, noise: Tensor, level: float) -> Tensor:
        """What the network is to put out for clean latents with noise of deviation 1."""
        ...


@dataclass(frozen=True)
class Circle:
    """The v-objective: levels are ``tan(pi / 2 * time)``, the network predicts the velocity.

    Parameters
    ----------
    least, most : float
        The last level above 0 and the first of a schedule.
    bend : float
        Of Karras et al.'s schedule; 0 for levels evenly spaced by their logarithm.
    data : float
        Standard deviation of clean latents.
    """

    least: float
    most: float
    bend: float = 0.0
    data: float = 1.0

    def levels(self, steps: int, strength: float = 1.0) -> tuple[float, ...]:
        """Levels of a schedule; with so little strength that it begins below it, of one step."""
        most = self.most if strength >= 1 else min(self.most, math.tan(math.pi / 2 * strength))
        if most <= self.least or steps == 1:
            return most, 0.0
        return *(self._between(most, index / (steps - 1)) for index in range(steps)), 0.0

    def level(self, way: float) -> float:
        return self._between(self.most, way)

    def _between(self, most: float, way: float) -> float:
        if self.bend:
            first, last = (level ** (1 / self.bend) for level in (most, self.least))
            return float((first + way * (last - first)) ** self.bend)
        return float(most * (self.least / most) ** way)

    def keep(self, level: float) -> float:
        return 1.0

    def deviation(self, level: float) -> float:
        return math.hypot(level, 1.0)

    def scale(self, level: float) -> float:
        return 1 / math.hypot(level, self.data)

    def time(self, level: float) -> float:
        return math.atan(level) / (math.pi / 2)

    def clean(self, latents: Tensor, output: Tensor, level: float) -> Tensor:
        scale = self.scale(level)
        return (self.data * scale) ** 2 * latents - level * self.data * scale * output

    def target(self, clean: Tensor, noise: Tensor, level: float) -> Tensor:
        return self.scale(level) * (self.data * noise - level / self.data * clean)


@dataclass(frozen=True)
class Line:
    """Rectified flow: levels are times, the network predicts noise less clean latents.

    Parameters
    ----------
    ticks : int
        What the network counts time in; it reads 0 to `ticks`.
    shift : float
        Above 1 spends more steps where there is much noise.
    """

    ticks: int
    shift: float = 1.0

    def levels(self, steps: int, strength: float = 1.0) -> tuple[float, ...]:
        """Levels as diffusers' FlowMatchEulerDiscreteScheduler has them, from `strength` on."""
        strength = min(strength, 1.0)
        begin = strength / (self.shift - (self.shift - 1) * strength)
        if begin <= self._end or steps == 1:
            return strength, 0.0
        return *(self._between(begin, index / (steps - 1)) for index in range(steps)), 0.0

    def level(self, way: float) -> float:
        return self._between(1.0, way)

    @property
    def _end(self) -> float:
        return self._shifted(1 / self.ticks)

    def _between(self, begin: float, way: float) -> float:
        return self._shifted(begin + (self._end - begin) * way)

    def _shifted(self, time: float) -> float:
        return self.shift * time / (1 + (self.shift - 1) * time)

    def keep(self, level: float) -> float:
        return 1 - level

    def deviation(self, level: float) -> float:
        return level

    def scale(self, level: float) -> float:
        return 1.0

    def time(self, level: float) -> float:
        return level * self.ticks

    def clean(self, latents: Tensor, output: Tensor, level: float) -> Tensor:
        return latents - level * output

    def target(self, clean: Tensor, noise: Tensor, level: float) -> Tensor:
        return noise - clean


_NEEDED: Final[Mapping[str, Mapping[str, object]]] = {
    "CosineDPMSolverMultistepScheduler": {
        "prediction_type": "v_prediction",
        "solver_order": 2,
        "final_sigmas_type": "zero",
    },
    "FlowMatchEulerDiscreteScheduler": {
        "use_dynamic_shifting": False,
        "invert_sigmas": False,
        "shift_terminal": None,
        "use_karras_sigmas": False,
        "use_exponential_sigmas": False,
        "use_beta_sigmas": False,
    },
}
"""Schedulers of diffusers whose paths are known here, and what they must be set to."""


def path_of(config: Mapping[str, Any], where: str) -> tuple[Path, str]:
    """Read a scheduler's configuration.

    Parameters
    ----------
    config : mapping
        As diffusers writes it.
    where : str
        Its file, for errors.

    Returns
    -------
    tuple of Path and str
        And the sampler that the scheduler stands for.

    Raises
    ------
    UsageError
        It is another scheduler, or set in a way that isn't done here.
    """
    name = config.get("_class_name", "")
    if name not in _NEEDED:
        raise UsageError(f"{where}: no scheduler {name!r} here; known are {', '.join(_NEEDED)}")
    for key, value in _NEEDED[name].items():
        if config.get(key, value) != value:
            raise UsageError(f"{where}: {key} is {config[key]!r}; only {value!r} is possible here")
    if name == "FlowMatchEulerDiscreteScheduler":
        line = Line(int(config.get("num_train_timesteps", 1000)), float(config.get("shift", 1.0)))
        return line, "pingpong" if config.get("stochastic_sampling") else "euler"
    circle = Circle(
        least=float(config.get("sigma_min", 0.3)),
        most=float(config.get("sigma_max", 500.0)),
        bend=float(config.get("rho", 7.0)) if config.get("sigma_schedule") == "karras" else 0.0,
        data=float(config.get("sigma_data", 1.0)),
    )
    is_heun = config.get("solver_type", "midpoint") == "heun"
    return circle, "dpmpp-2m-sde-heun" if is_heun else "dpmpp-2m-sde"
