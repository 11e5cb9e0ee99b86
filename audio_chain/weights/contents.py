"""Is what a model needs in this folder, and is any of it pickled? Judged by names and first bytes.

A pickle can run code when it is loaded, so only formats that are plain tensors are accepted:
safetensors, GGUF, and CTranslate2's ``model.bin``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from audio_chain.weights.sources import WeightsError

_CONFIGS: Final = ("config.json", "model_index.json", "adapter_config.json")
_PICKLES: Final = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


def check_weights(path: Path) -> None:
    """Accept a GGUF file, or a folder of safetensors, GGUF or CTranslate2 weights.

    Raises
    ------
    WeightsError
        Something needed is missing, cut off, unreadable, or only there as a pickle; it is named.
    """
    try:
        _check(path)
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from error


def _check(path: Path) -> None:
    if path.is_file():
        _check_gguf(path)
        return
    if not path.is_dir():
        raise WeightsError(f"there is no folder or GGUF file {path}")
    files = sorted(path.glob("*.gguf"))
    if files:
        for file in files:
            _check_gguf(file)
    elif (path / "model.bin").is_file():
        _check_ctranslate2(path)
    elif any(path.rglob("*.safetensors")):
        _check_safetensors(path)
    else:
        _refuse_empty(path)


def _refuse_empty(folder: Path) -> None:
    for pattern in _PICKLES:
        if pickled := next(folder.rglob(pattern), None):
            raise WeightsError(
                f"{pickled} may be pickled, and a pickle can run code when it is loaded: convert "
                "it to safetensors"
            )
    raise WeightsError(f"{folder} holds no weights (*.safetensors, *.gguf or model.bin)")


def _check_gguf(file: Path) -> None:
    with file.open("rb") as stream:
        magic = stream.read(4)
    if magic != b"GGUF":
        raise WeightsError(f"{file} is not a GGUF file")


def _check_ctranslate2(folder: Path) -> None:
    """CTranslate2 begins with a version, and the length and name of the model's kind."""
    with (folder / "model.bin").open("rb") as stream:
        head = stream.read(64)
    version = int.from_bytes(head[:4], "little")
    length = int.from_bytes(head[4:6], "little")
    kind = head[6 : 6 + length - 1]
    if not (0 < version < 100 and 1 < length < 50 and kind.isascii() and kind.isalnum()):
        raise WeightsError(
            f"{folder / 'model.bin'} is not in CTranslate2's format, so it may be pickled: convert "
            "it with ct2-transformers-converter"
        )
    for name in ("config.json", "tokenizer.json"):
        if not (folder / name).is_file():
            raise WeightsError(f"{folder} lacks {name}")


def _check_safetensors(folder: Path) -> None:
    if not any((folder / name).is_file() for name in _CONFIGS):
        raise WeightsError(f"{folder} lacks {' or '.join(_CONFIGS)}")
    for index in folder.rglob("*.safetensors.index.json"):
        try:
            shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise WeightsError(f"{index} is not an index of shards") from error
        for shard in sorted(shards):
            if not (index.parent / shard).is_file():
                raise WeightsError(f"{index.parent} lacks the shard {shard}")
    for file in folder.rglob("*.safetensors"):
        size = file.stat().st_size
        with file.open("rb") as stream:
            header = int.from_bytes(stream.read(8), "little")
        if size < 8 or header > size - 8:
            raise WeightsError(f"{file} is not a whole safetensors file")
