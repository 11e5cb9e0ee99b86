"""Checkpoints in transformers' MusicGen format, whole or with parts shared between models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from audio_chain.generate.musicgen.decoder import Decoder, DecoderShape


@dataclass(frozen=True)
class Parts:
    """A loaded MusicGen.

    Attributes
    ----------
    tokenizer, text_encoder : object
        transformers' tokenizer and encoder of the prompt.
    projection : torch.nn.Module
        From the encoder's width to the decoder's.
    decoder : Decoder
        Ours.
    codec : object
        `EncodecModel` or `SpectralCodecModel`.
    max_frames : int
        The longest piece the model was made for.
    """

    tokenizer: Any
    text_encoder: Any
    projection: torch.nn.Module
    decoder: Decoder
    codec: Any
    max_frames: int


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """All tensors of a folder's safetensors, mapped from the file."""
    tensors: dict[str, Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118 - not a mapping
                tensors[name] = file.get_tensor(name)
    return tensors


def is_whole(folder: Path) -> bool:
    """Whether a folder holds a text encoder and a codec too, or only the decoder."""
    for path in folder.glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            if any(name.startswith("text_encoder.") for name in file.keys()):  # noqa: SIM118
                return True
    return False


def _stripped(
    tensors: Mapping[str, Tensor], prefix: str, device: torch.device, dtype: torch.dtype
) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor.to(device, dtype)
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def load_whole(folder: Path, device: torch.device, dtype: torch.dtype) -> Parts:
    """Load a folder that holds text encoder, decoder and codec, as on the hub."""
    from transformers import AutoTokenizer, MusicgenForConditionalGeneration

    import audio_chain.nano.codec  # noqa: F401 - makes the spectral codec known to transformers

    model = MusicgenForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    shape = DecoderShape.of(model.config.decoder)
    tensors = _stripped(model.decoder.state_dict(), "", device, dtype)
    projection = getattr(model, "enc_to_dec_proj", torch.nn.Identity())
    limit = model.generation_config.max_length or model.config.decoder.max_position_embeddings
    return Parts(
        tokenizer=AutoTokenizer.from_pretrained(folder),
        text_encoder=model.text_encoder.to(device),
        projection=projection.to(device),
        decoder=Decoder(shape, tensors),
        codec=model.audio_encoder.to(device),
        max_frames=limit,
    )


def load_parts(
    folder: Path, text: Path, codec: Path, device: torch.device, dtype: torch.dtype
) -> Parts:
    """Load a decoder whose text encoder and codec lie in folders of their own.

    The decoder's folder has the same ``config.json`` and tensor names as a whole checkpoint.
    """
    from transformers import AutoModel, AutoTokenizer, MusicgenDecoderConfig

    from audio_chain.nano.codec import SpectralCodecModel

    config = json.loads((folder / "config.json").read_text())
    limits = json.loads((folder / "generation_config.json").read_text())
    tensors = read_tensors(folder)
    weight = tensors["enc_to_dec_proj.weight"]
    projection = torch.nn.Linear(weight.shape[1], weight.shape[0])
    projection.load_state_dict(_stripped(tensors, "enc_to_dec_proj.", device, torch.float32))
    shape = DecoderShape.of(MusicgenDecoderConfig(**config["decoder"]))
    return Parts(
        tokenizer=AutoTokenizer.from_pretrained(text),
        text_encoder=AutoModel.from_pretrained(text, dtype=torch.float32).eval().to(device),
        projection=projection.to(device),
        decoder=Decoder(shape, _stripped(tensors, "decoder.", device, dtype)),
        codec=SpectralCodecModel.from_pretrained(codec, dtype=torch.float32)
        .train(False)
        .to(device),
        max_frames=limits["max_length"],
    )
