"""Tensors of a folder into a network of our own, every one accounted for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from eval.embedders.embedder import EmbeddingError

Network = TypeVar("Network", bound=nn.Module)

_WRAPPERS = ("backbone.", "model.")
"""What conversions put before every name."""


def load_tensors(
    make: Callable[[], Network], folder: Path, name: str, *, unused: Sequence[str] = ()
) -> Network:
    """Fill a network from the safetensors of a folder.

    Parameters
    ----------
    make : callable
        Makes the network; its numbers are all replaced.
    folder : Path
        Holds ``*.safetensors``. Names may begin with a wrapper's, such as ``backbone.``.
    name : str
        Of the model, for messages.
    unused : sequence of str
        Beginnings of names that may be there and are left out.

    Returns
    -------
    torch.nn.Module
        In evaluation mode, float32.

    Raises
    ------
    EmbeddingError
        A tensor is missing, of another shape, or unheard of; it is named.
    """
    from safetensors.torch import load_file

    found: dict[str, torch.Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        found |= load_file(path)
    tensors = {_bare(key): value for key, value in found.items()}
    with torch.device("meta"):
        network = make()
    wanted = network.state_dict()
    for key, value in wanted.items():
        if key not in tensors and not key.endswith("num_batches_tracked"):
            raise EmbeddingError(f"{name} lacks the tensor {key}: {folder} holds another model")
        if key in tensors and tensors[key].shape != value.shape:
            shapes = f"{tuple(tensors[key].shape)}, not {tuple(value.shape)}"
            raise EmbeddingError(f"{name} has {key} of shape {shapes}: it is another model")
    for key in tensors:
        if key not in wanted and not key.startswith(tuple(unused)):
            raise EmbeddingError(f"{name} has a tensor {key} that is unheard of: another model?")
    zero = torch.zeros((), dtype=torch.long)
    filled = {key: tensors.get(key, zero) for key in wanted}
    network.load_state_dict(filled, assign=True)
    return network.float().eval()


def _bare(key: str) -> str:
    for wrapper in _WRAPPERS:
        key = key.removeprefix(wrapper)
    return key
