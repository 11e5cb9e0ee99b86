"""Checkpoints in transformers' MusicGen format, whole or with parts shared between models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import safe_open
from torch import Tensor

from audio_chain.generate.musicgen.decoder import Decoder, DecoderShape
from audio_chain.generate.musicgen.melody import Chroma, MelodyReader

DIGIT_BY_DIGIT: Final = "digit_by_digit"
"""The mark in ``generation_config.json`` of a model to whom numbers are said digit by digit."""


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
    melody : MelodyReader or None
        Of a model that reads melodies.
    digit_by_digit : bool
        Whether it learned from texts in which the digits of numbers are parted.
    """

    tokenizer: Any
    text_encoder: Any
    projection: torch.nn.Module
    decoder: Decoder
    codec: Any
    max_frames: int
    melody: MelodyReader | None = None
    digit_by_digit: bool = False


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
    from transformers import (
        AutoTokenizer,
        MusicgenForConditionalGeneration,
        MusicgenMelodyForConditionalGeneration,
    )

    import audio_chain.nano.codec  # noqa: F401 - makes the spectral codec known to transformers

    kind = json.loads((folder / "config.json").read_text())["model_type"]
    is_melody = kind == "musicgen_melody"
    model = (
        MusicgenMelodyForConditionalGeneration if is_melody else MusicgenForConditionalGeneration
    ).from_pretrained(folder, dtype=torch.float32)
    parts = parts_of(model, AutoTokenizer.from_pretrained(folder), device, dtype)
    if parts.melody is None:
        return parts
    return replace(parts, melody=replace(parts.melody, chroma=Chroma.read(folder)))


def parts_of(model: Any, tokenizer: Any, device: torch.device, dtype: torch.dtype) -> Parts:
    """Parts of transformers' `MusicgenForConditionalGeneration`, or of its melody sister."""
    model.eval()
    config, limits = model.config, model.generation_config
    melody = None
    if config.model_type == "musicgen_melody":
        melody = MelodyReader(
            chroma=Chroma(classes=config.num_chroma),
            projection=getattr(model, "audio_enc_to_dec_proj", torch.nn.Identity()).to(device),
            columns=config.chroma_length,
        )
    return Parts(
        tokenizer=tokenizer,
        text_encoder=model.text_encoder.to(device),
        projection=getattr(model, "enc_to_dec_proj", torch.nn.Identity()).to(device),
        decoder=Decoder(
            DecoderShape.of(config.decoder),
            _stripped(model.decoder.state_dict(), "", device, dtype),
        ),
        codec=model.audio_encoder.to(device),
        max_frames=limits.max_length or config.decoder.max_position_embeddings,
        melody=melody,
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
        digit_by_digit=limits.get(DIGIT_BY_DIGIT, False),
    )
