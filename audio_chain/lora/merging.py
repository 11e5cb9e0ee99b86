"""What adapters add to a model's weights: ``W + strength * scale * B A`` (Hu et al. 2022)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from audio_chain.errors import ChainError
from audio_chain.files import shown
from audio_chain.lora.adapter import TENSORS, Adapter

_PREFIX: Final = "base_model.model."
_DOWN, _UP = ".lora_A.weight", ".lora_B.weight"


def merged(tensors: Mapping[str, Tensor], adapters: Sequence[Adapter]) -> dict[str, Tensor]:
    """The weights that adapters change, changed, in float32.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        The base model's, by the names they have in transformers' whole model.
    adapters : sequence of Adapter
        One after the other; sums of floats depend on the order in their last bits.

    Raises
    ------
    ChainError
        An adapter doesn't fit the model, or its file is damaged.
    """
    changed: dict[str, Tensor] = {}
    for adapter in adapters:
        for name, (down, up) in factors(adapter).items():
            before = changed.get(name, tensors.get(name))
            if before is None or before.shape != (up.shape[0], down.shape[1]):
                has = "has no" if before is None else f"has {tuple(before.shape)} in its"
                raise ChainError(
                    f"{shown(adapter.folder)} doesn't fit the model: it changes {name} of "
                    f"{(up.shape[0], down.shape[1])}, and the model {has} {name}"
                )
            there = before.float()
            change = (up @ down) * (adapter.strength * adapter.scale)
            changed[name] = there + change.to(there.device)
    return changed


def factors(adapter: Adapter) -> dict[str, tuple[Tensor, Tensor]]:
    """A and B in float32, by the name of the weight they change.

    Raises
    ------
    ChainError
        The file is damaged, or holds something else than pairs.
    """
    path = adapter.folder / TENSORS
    try:
        with safe_open(path, "pt") as file:
            found = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ChainError(f"{shown(path)} is not a whole safetensors file: {error}") from error
    pairs = {}
    for name, down in found.items():
        up = found.get(name.replace(_DOWN, _UP))
        if name.endswith(_DOWN) and up is not None and up.shape[1:] == down.shape[:1]:
            weight = name.removeprefix(_PREFIX).removesuffix(_DOWN) + ".weight"
            pairs[weight] = (down, up)
    if len(found) != 2 * len(pairs) or not pairs:
        raise ChainError(f"{shown(path)} holds something else than pairs of lora_A and lora_B")
    if not all(torch.isfinite(part).all() for pair in pairs.values() for part in pair):
        raise ChainError(f"{shown(path)} holds numbers that are not finite")
    return pairs
