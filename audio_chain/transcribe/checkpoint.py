"""Whisper's weights in openai-whisper's form, from the forms in which others publish them.

The reference package loads pickles; here the same tensors come from a CTranslate2 folder or from
a transformers folder's safetensors, and rest as safetensors in between.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from audio_chain.errors import ChainError
from audio_chain.transcribe import ct2
from audio_chain.weights import derived

if TYPE_CHECKING:
    from torch import Tensor

CONVERSION: Final = "1"  # raise it when `from_ct2` gives other tensors
FILE: Final = "whisper.safetensors"

# transformers' name -> openai-whisper's, replaced in this order
TRANSFORMERS_NAMES: Final = (
    ("model.encoder.layer_norm", "encoder.ln_post"),
    ("model.decoder.layer_norm", "decoder.ln"),
    ("model.encoder.embed_positions.weight", "encoder.positional_embedding"),
    ("model.decoder.embed_positions.weight", "decoder.positional_embedding"),
    ("model.decoder.embed_tokens", "decoder.token_embedding"),
    ("model.", ""),
    (".layers.", ".blocks."),
    (".self_attn_layer_norm", ".attn_ln"),
    (".encoder_attn_layer_norm", ".cross_attn_ln"),
    (".final_layer_norm", ".mlp_ln"),
    (".self_attn.", ".attn."),
    (".encoder_attn.", ".cross_attn."),
    (".q_proj", ".query"),
    (".k_proj", ".key"),
    (".v_proj", ".value"),
    (".out_proj", ".out"),
    (".fc1", ".mlp.0"),
    (".fc2", ".mlp.2"),
)


@dataclass(frozen=True)
class Checkpoint:
    """``whisper.model.ModelDimensions``' fields, and a state dict for ``whisper.model.Whisper``."""

    dimensions: Mapping[str, int]
    tensors: Mapping[str, Tensor]


def load(folder: Path) -> Checkpoint:
    """Load a Whisper checkpoint: a CTranslate2 folder or a transformers folder (safetensors).

    A CTranslate2 folder is converted once; the result stays in the cache.

    Raises
    ------
    ChainError
        It is neither, or damaged; the message names the file.
    """
    if (folder / "model.bin").is_file():
        with (folder / "model.bin").open("rb") as file:
            key = f"{CONVERSION}-{hashlib.file_digest(file, 'sha256').hexdigest()}"
        return _read(derived("openai-whisper", key, lambda out: _write(from_ct2(folder), out)))
    if (folder / "config.json").is_file():
        return from_transformers(folder)
    raise ChainError(
        f"{folder}: no Whisper model: neither model.bin (CTranslate2) "
        "nor config.json and model.safetensors (transformers)"
    )


def from_ct2(folder: Path) -> Checkpoint:
    """Convert a CTranslate2 folder (as made for faster-whisper).

    CTranslate2 fuses projections of one input (query, key and value; the encoder's key and
    value); they are split again. Whisper's keys have no bias, so theirs must be zero.

    Raises
    ------
    ChainError
        ``model.bin`` is damaged, or holds another kind of model.
    """
    import torch

    path = folder / "model.bin"
    model = ct2.read(path)
    if model.specification != "WhisperSpec":
        raise ChainError(f"{path}: holds a {model.specification}, not a Whisper model")
    tensors: dict[str, Tensor] = {}

    def get(name: str) -> Tensor:
        return torch.tensor(model.dense(name))

    def norm(source: str, target: str) -> None:
        tensors[f"{target}.weight"] = get(f"{source}/gamma")
        tensors[f"{target}.bias"] = get(f"{source}/beta")

    def linear(source: str, *targets: str) -> None:
        parts = len(targets)
        weights, biases = get(f"{source}/weight").chunk(parts), get(f"{source}/bias").chunk(parts)
        for target, weight, bias in zip(targets, weights, biases, strict=True):
            tensors[f"{target}.weight"] = weight.clone()
            if not target.endswith(".key"):
                tensors[f"{target}.bias"] = bias.clone()
            elif bias.any():
                raise ChainError(f"{path}: {source} has a bias on its keys; not a Whisper model")

    for side in ("encoder", "decoder"):
        for layer in range(_layers(model, side)):
            theirs, ours = f"{side}/layer_{layer}", f"{side}.blocks.{layer}"
            attention = f"{theirs}/self_attention"
            norm(f"{attention}/layer_norm", f"{ours}.attn_ln")
            linear(
                f"{attention}/linear_0", *(f"{ours}.attn.{x}" for x in ("query", "key", "value"))
            )
            linear(f"{attention}/linear_1", f"{ours}.attn.out")
            if side == "decoder":
                attention = f"{theirs}/attention"
                norm(f"{attention}/layer_norm", f"{ours}.cross_attn_ln")
                linear(f"{attention}/linear_0", f"{ours}.cross_attn.query")
                linear(
                    f"{attention}/linear_1", *(f"{ours}.cross_attn.{x}" for x in ("key", "value"))
                )
                linear(f"{attention}/linear_2", f"{ours}.cross_attn.out")
            norm(f"{theirs}/ffn/layer_norm", f"{ours}.mlp_ln")
            linear(f"{theirs}/ffn/linear_0", f"{ours}.mlp.0")
            linear(f"{theirs}/ffn/linear_1", f"{ours}.mlp.2")
        tensors[f"{side}.positional_embedding"] = get(f"{side}/position_encodings/encodings")
    for name in ("conv1", "conv2"):
        for kind in ("weight", "bias"):
            tensors[f"encoder.{name}.{kind}"] = get(f"encoder/{name}/{kind}")
    norm("encoder/layer_norm", "encoder.ln_post")
    norm("decoder/layer_norm", "decoder.ln")
    tensors["decoder.token_embedding.weight"] = get("decoder/embeddings/weight")
    return Checkpoint(_dimensions(tensors), tensors)


def from_transformers(folder: Path) -> Checkpoint:
    """Rename the tensors of a transformers checkpoint (``model.safetensors``, sharded or not).

    Raises
    ------
    ChainError
        There are no safetensors, they are damaged, or the model isn't a Whisper.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    whole = folder / "model.safetensors"
    files = [whole] if whole.is_file() else sorted(folder.glob("model-*-of-*.safetensors"))
    if not files:
        raise ChainError(f"{folder}: no model.safetensors; pickled weights are never loaded")
    tensors: dict[str, Tensor] = {}
    for file in files:
        try:
            stored = load_file(file)
        except (SafetensorError, OSError) as error:
            raise ChainError(f"{file}: damaged, fetch it again ({error})") from error
        for name, tensor in stored.items():
            if name == "proj_out.weight":  # the token embedding again
                continue
            renamed = name
            for theirs, ours in TRANSFORMERS_NAMES:
                renamed = renamed.replace(theirs, ours)
            tensors[renamed] = tensor
    try:
        return Checkpoint(_dimensions(tensors), tensors)
    except KeyError as error:
        raise ChainError(f"{folder}: not a Whisper model: it has no {error}") from error


def _layers(model: ct2.Ct2Model, side: str) -> int:
    prefix = f"{side}/layer_"
    found = {
        name[len(prefix) :].split("/")[0] for name in model.variables if name.startswith(prefix)
    }
    return sum(name.isdigit() for name in found)  # "layer_norm" starts like a layer


def _dimensions(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    """The model's sizes, read off its tensors; every Whisper's attention heads are 64 wide."""
    audio, state = tensors["encoder.positional_embedding"].shape
    text = tensors["decoder.positional_embedding"].shape[0]
    layers = {
        side: len({name.split(".")[2] for name in tensors if name.startswith(f"{side}.blocks.")})
        for side in ("encoder", "decoder")
    }
    return {
        "n_mels": tensors["encoder.conv1.weight"].shape[1],
        "n_audio_ctx": audio,
        "n_audio_state": state,
        "n_audio_head": state // 64,
        "n_audio_layer": layers["encoder"],
        "n_vocab": tensors["decoder.token_embedding.weight"].shape[0],
        "n_text_ctx": text,
        "n_text_state": state,
        "n_text_head": state // 64,
        "n_text_layer": layers["decoder"],
    }


def _write(checkpoint: Checkpoint, folder: Path) -> None:
    from safetensors.torch import save_file

    metadata = {"dimensions": json.dumps(dict(checkpoint.dimensions)), "format": "pt"}
    save_file(dict(checkpoint.tensors), folder / FILE, metadata=metadata)


def _read(folder: Path) -> Checkpoint:
    from safetensors import safe_open

    with safe_open(folder / FILE, framework="pt") as file:
        dimensions = json.loads(file.metadata()["dimensions"])
        names = file.keys()
        return Checkpoint(dimensions, {name: file.get_tensor(name) for name in names})
