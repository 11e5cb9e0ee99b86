"""A LoRA adapter merged into its base model, once: the result is an ordinary checkpoint."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Final

from audio_chain import weights
from audio_chain.errors import ChainError

ADAPTER_FILE: Final = "adapter_model.safetensors"
_CONFIG_FILE: Final = "adapter_config.json"
_CONVERSION: Final = "1"  # raise it when the conversion's result changes


def dense_folder(name: str, base: Path, base_key: str, adapter: Path | None = None) -> Path:
    """Return a transformers folder in bfloat16 made from a GGUF file and, if given, an adapter.

    Opening a GGUF file takes 17 to 21 s, the folder 2 s. It is made the first time it is needed.

    Parameters
    ----------
    name : str
        Of the model; begins the folder's name.
    base : Path
        A GGUF file or a transformers folder.
    base_key : str
        What identifies the base's content, such as its hash.
    adapter : Path, optional
        A folder in peft's format, LoRA, safetensors.

    Returns
    -------
    Path
    """
    key = [_CONVERSION, base_key]
    if adapter is not None:
        key += [_digest(adapter / file) for file in (ADAPTER_FILE, _CONFIG_FILE)]
    return weights.derived(name, json.dumps(key), lambda folder: _build(base, adapter, folder))


def _digest(path: Path) -> str:
    if not path.is_file():
        raise ChainError(f"the adapter has no {path.name} (looked in {path.parent})")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _build(base: Path, adapter: Path | None, folder: Path) -> None:
    import torch

    from audio_chain.rewrite.checkpoint import open_checkpoint, quietly

    model, tokenizer = open_checkpoint(base, dtype=torch.float32)
    with quietly():
        if adapter is not None:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
        model.bfloat16().save_pretrained(folder)
        tokenizer.save_pretrained(folder)
