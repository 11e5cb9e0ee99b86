"""The fixed prompt's keys and values, computed once and kept on disk.

For a large model and a prompt with examples this saves most of the time of a first answer (the
few-shot prompt is about 700 tokens, an answer 60).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from audio_chain import weights
from audio_chain.rewrite.decoding import KeysAndValues, compute_prefix

if TYPE_CHECKING:
    from transformers import PreTrainedModel

WORTH_KEEPING: Final = 128
"""Shorter prefixes are computed faster than they are found again."""

_FILE: Final = "prefix.safetensors"
_SAMPLES: Final = 64


def fixed_prefix(model: PreTrainedModel, prefix: Sequence[int]) -> KeysAndValues | None:
    """Return `compute_prefix` of a model's prefix, from the cache folder where it is known.

    Parameters
    ----------
    model : PreTrainedModel
    prefix : sequence of int
        Token ids.

    Returns
    -------
    KeysAndValues or None
        None if the architecture's cache can't be kept.
    """
    if len(prefix) < WORTH_KEEPING or not _is_plain(model):
        return compute_prefix(model, prefix)
    from safetensors.torch import load_file

    key = json.dumps([fingerprint(model), list(prefix)])
    folder = weights.derived("prompt-prefix", key, lambda target: _write(model, prefix, target))
    tensors = load_file(folder / _FILE, device=str(model.device))
    layers = range(len(tensors) // 2)
    return tuple((tensors[f"{index}.keys"], tensors[f"{index}.values"]) for index in layers)


def fingerprint(model: PreTrainedModel) -> str:
    """Hash what decides a model's output: its config, its number type, a sample of its weights.

    Tuning moves every weight a little, so a few numbers of each tensor tell checkpoints apart.
    """
    import torch
    import transformers

    digest = hashlib.sha256()
    for part in (model.config.to_json_string(), model.dtype, model.device.type):
        digest.update(str(part).encode())
    digest.update(f"{torch.__version__} {transformers.__version__}".encode())
    for name, tensor in model.state_dict().items():
        flat = tensor.detach().reshape(-1)
        picked = flat[:: max(1, flat.numel() // _SAMPLES)].to("cpu", torch.float32)
        digest.update(name.encode() + picked.numpy().tobytes())
    return digest.hexdigest()


def _is_plain(model: PreTrainedModel) -> bool:
    """Whether a trial of two tokens leaves keys and values only."""
    return compute_prefix(model, [0, 0]) is not None


def _write(model: PreTrainedModel, prefix: Sequence[int], folder: Path) -> None:
    from safetensors.torch import save_file

    tensors = {}
    for index, (keys, values) in enumerate(compute_prefix(model, prefix) or ()):
        tensors[f"{index}.keys"] = keys.cpu().contiguous()
        tensors[f"{index}.values"] = values.cpu().contiguous()
    save_file(tensors, folder / _FILE)
