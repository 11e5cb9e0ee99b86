"""A function recorded as a CUDA graph: launched as one piece instead of kernel by kernel.

MusicGen's step is some hundreds of kernels that each run for microseconds, so that launching
them from Python takes longer than they do. A graph launches them all at once. What is recorded
works on the same memory every time: inputs are written into tensors that stay, results are read
from others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable
from typing import Final

import torch
from torch import Tensor

OPT_OUT: Final = "AUDIO_CHAIN_CUDA_GRAPHS"
"""Environment variable; 0 runs every step kernel by kernel."""

_WARM_UP: Final = 2
"""Calls before recording: libraries choose and allocate on the first ones."""


def can_capture(device: torch.device) -> bool:
    """Whether graphs exist on a device, and nobody has opted out."""
    return device.type == "cuda" and os.environ.get(OPT_OUT, "1") != "0"


class Captured:
    """Calls a function, or replays its graph.

    A graph is made for each key on its first call, and no longer used once any of the tensors
    that `watched` gives has changed its place or shape. Where recording fails the function is
    called as it is from then on, with the same results.

    Parameters
    ----------
    function : callable
        Works in place on tensors that stay. Running it, undone by `undo`, changes nothing.
    watched : callable
        The tensors that it works on.
    undo : callable
        Takes back what a call has changed; called after those that only warm up.
    device : torch.device
        Where it works. Off CUDA the function is just called.

    Attributes
    ----------
    failure : str
        Why graphs are not used, where they could be; else "".
    """

    def __init__(
        self,
        function: Callable[[], None],
        watched: Callable[[], Iterable[Tensor]],
        undo: Callable[[], None],
        device: torch.device,
    ) -> None:
        self._function, self._watched, self._undo = function, watched, undo
        self._device = device
        self._graphs: dict[Hashable, torch.cuda.CUDAGraph] = {}
        self._places: tuple[tuple[int, torch.Size], ...] = ()
        self._enabled = can_capture(device)
        self.failure = ""

    def __call__(self, key: Hashable) -> None:
        """Run once. Calls with the same key do the same to tensors of the same shapes."""
        if not self._enabled:
            self._function()
            return
        places = tuple((tensor.data_ptr(), tensor.shape) for tensor in self._watched())
        if places != self._places:
            self._graphs.clear()
            self._places = places
        if key not in self._graphs:
            try:
                self._graphs[key] = self._record()
            except RuntimeError as error:  # torch's own, and CUDA's
                self._enabled, self.failure = False, str(error).splitlines()[0]
                torch.cuda.synchronize(self._device)
                self._function()
                return
        self._graphs[key].replay()

    def _record(self) -> torch.cuda.CUDAGraph:
        stream = torch.cuda.Stream(self._device)
        stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP):
                self._function()
                self._undo()
        torch.cuda.current_stream(self._device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):  # records, doesn't run
            self._function()
        return graph
