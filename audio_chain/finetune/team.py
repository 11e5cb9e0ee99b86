"""The processes that train together, each on its share of every batch."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar

import torch

from audio_chain.errors import ChainError

if TYPE_CHECKING:
    from torch import Tensor

_T = TypeVar("_T")

_PATIENCE: Final = timedelta(days=1)
"""How long the others wait while the first prepares the music or plays a sample."""


@dataclass(frozen=True)
class Team:
    """One process's place among those that train together.

    Attributes
    ----------
    rank : int
        From 0; the first is the one that writes and speaks.
    size : int
        Processes.
    device : str or None
        The process's own; None leaves the choice to whoever loads the model.
    """

    rank: int = 0
    size: int = 1
    device: str | None = None

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    @property
    def share(self) -> slice:
        """Which items of a sequence are this process's; none where there are too few."""
        return slice(self.rank, None, self.size)

    def total(self, values: Tensor) -> Tensor:
        """The sum of all processes' values, in each of them."""
        if self.size == 1:
            return values
        from accelerate.utils import reduce

        summed: Tensor = reduce(values, "sum")
        return summed

    def from_first(self, make: Callable[[], _T]) -> _T:
        """What the first process makes, in each of them; an error it ends in is everybody's."""
        if self.size == 1:
            return make()
        from accelerate.utils import broadcast_object_list

        made: list[_T | ChainError | None] = [None]
        if self.leads:
            try:
                made = [make()]
            except ChainError as error:
                made = [error]
        broadcast_object_list(made)
        if isinstance(made[0], ChainError):
            raise made[0]
        return made[0]  # type: ignore[return-value]

    def part(self) -> None:
        """End what the processes have in common; each goes on by itself."""
        if self.size > 1:
            from accelerate import PartialState

            PartialState().destroy_process_group()


def join_team(device: str = "auto") -> Team:
    """The team of the processes that ``accelerate launch`` or ``torchrun`` has started, or one."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return Team()
    from accelerate import PartialState

    on_cpu = device == "cpu" or not torch.cuda.is_available()
    state = PartialState(cpu=on_cpu, timeout=_PATIENCE)
    own = "cpu" if on_cpu else str(state.device)
    return Team(state.process_index, state.num_processes, own)
