"""Checkpoints in transformers' MusicGen format, whole or with parts shared between models."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from audio_chain.generate.musicgen.decoder import Decoder, DecoderShape
from audio_chain.generate.musicgen.matrices import choose
from audio_chain.generate.musicgen.melody import Chroma, MelodyReader
from audio_chain.lora.adapter import Adapter
from audio_chain.lora.merging import merged
from audio_chain.weights import WeightsError
from audio_chain.weights.mapped import MappedTensors, Part

LONGEST_TEXT: Final = 512
"""Tokens of a prompt that are read where a checkpoint sets no limit; T5 was trained on these."""

NANO_TEXT: Final = 64
"""Tokens of a prompt that the nano models were trained on."""

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
    max_words : int
        Tokens of a prompt that are read.
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
    max_words: int
    melody: MelodyReader | None = None
    digit_by_digit: bool = False


def is_whole(folder: Path) -> bool:
    """Whether a folder holds a text encoder and a codec too, or only the decoder."""
    return bool(Part(MappedTensors(folder), "text_encoder."))


def _adapted(folder: Path, adapters: Sequence[Adapter]) -> Mapping[str, Tensor]:
    """A folder's tensors, with adapters merged into them."""
    tensors = MappedTensors(folder)
    return {**tensors, **merged(tensors, adapters)} if adapters else tensors


def load_whole(
    folder: Path, device: torch.device, precision: str, adapters: Sequence[Adapter] = ()
) -> Parts:
    """Load a folder that holds text encoder, decoder and codec, as on the hub.

    Adapters are merged into its weights.

    Raises
    ------
    WeightsError
        A tensor is missing.
    UsageError
        There is no such precision here.
    """
    from transformers import AutoConfig, AutoTokenizer

    import audio_chain.nano.codec  # noqa: F401 - makes the spectral codec known to transformers

    limits = folder / "generation_config.json"
    return assemble(
        AutoConfig.from_pretrained(folder),
        _adapted(folder, adapters),
        AutoTokenizer.from_pretrained(folder),
        device,
        precision,
        max_frames=json.loads(limits.read_text()).get("max_length") if limits.is_file() else None,
        chroma=Chroma.read(folder),
    )


def assemble(
    config: Any,
    tensors: Mapping[str, Tensor],
    tokenizer: Any,
    device: torch.device,
    precision: str,
    *,
    max_frames: int | None = None,
    chroma: Chroma | None = None,
) -> Parts:
    """Build the parts of a `MusicgenForConditionalGeneration`, or of its melody sister.

    Each is built from its own tensors, read when they are placed: no part is in memory twice.

    Parameters
    ----------
    config : object
        transformers' `MusicgenConfig` or `MusicgenMelodyConfig`.
    tensors : mapping of str to Tensor
        The model's state.
    tokenizer : object
        transformers' tokenizer.
    device : torch.device
        Where to compute.
    precision : str
        Of the decoder, as for `matrices.choose`.
    max_frames : int, optional
        The longest piece; by default as many as it has positions.
    chroma : Chroma, optional
        What a melody model hears; by default the pitch classes that it was made for.
    """
    from transformers import MODEL_FOR_TEXT_ENCODING_MAPPING, MODEL_MAPPING

    text, codec = config.text_encoder, config.audio_encoder
    melody = None
    if config.model_type == "musicgen_melody":
        melody = MelodyReader(
            chroma=chroma or Chroma(classes=config.num_chroma),
            projection=_projection(tensors, "audio_enc_to_dec_proj", device),
            columns=config.chroma_length,
        )
    return Parts(
        tokenizer=tokenizer,
        text_encoder=_built(
            MODEL_FOR_TEXT_ENCODING_MAPPING[type(text)], text, tensors, "text_encoder", device
        ),
        projection=_projection(tensors, "enc_to_dec_proj", device),
        decoder=_decoder(config.decoder, tensors, device, precision),
        codec=_built(MODEL_MAPPING[type(codec)], codec, tensors, "audio_encoder", device),
        max_frames=max_frames or config.decoder.max_position_embeddings,
        # tokenizers without a limit say 10^30
        max_words=min(tokenizer.model_max_length, LONGEST_TEXT),
        melody=melody,
    )


def _decoder(
    config: Any, tensors: Mapping[str, Tensor], device: torch.device, precision: str
) -> Decoder:
    own = Part(tensors, "decoder.")
    return Decoder(DecoderShape.of(config), own, device, choose(precision, device))


def _built(
    kind: Any, config: Any, tensors: Mapping[str, Tensor], name: str, device: torch.device
) -> Any:
    """One of transformers' models, from the tensors that belong to it."""
    model, said = kind.from_pretrained(
        None,
        config=config,
        state_dict=dict(Part(tensors, f"{name}.")),
        dtype=torch.float32,
        output_loading_info=True,
    )
    if missing := sorted(said["missing_keys"]):
        raise WeightsError(
            f"the checkpoint's {name} lacks {missing[0]}"
            + (f" and {len(missing) - 1} more tensors" if len(missing) > 1 else "")
            + ": get it anew, whole"
        )
    return model.eval().to(device)


def _projection(tensors: Mapping[str, Tensor], name: str, device: torch.device) -> torch.nn.Module:
    """From one width to another; nothing where they are the same."""
    own = Part(tensors, f"{name}.")
    if not own:
        return torch.nn.Identity()
    outputs, inputs = own["weight"].shape
    linear = torch.nn.Linear(inputs, outputs, bias="bias" in own)
    linear.load_state_dict(own)
    return linear.to(device)


def load_parts(
    folder: Path,
    text: Path,
    codec: Path,
    device: torch.device,
    precision: str,
    adapters: Sequence[Adapter] = (),
) -> Parts:
    """Load a decoder whose text encoder and codec lie in folders of their own.

    The decoder's folder has the same ``config.json`` and tensor names as a whole checkpoint.
    Adapters are merged into its weights.
    """
    from transformers import AutoModel, AutoTokenizer, MusicgenDecoderConfig

    from audio_chain.nano.codec import SpectralCodecModel

    config = json.loads((folder / "config.json").read_text())
    limits = json.loads((folder / "generation_config.json").read_text())
    tensors = _adapted(folder, adapters)
    return Parts(
        tokenizer=AutoTokenizer.from_pretrained(text),
        text_encoder=AutoModel.from_pretrained(text, dtype=torch.float32).eval().to(device),
        projection=_projection(tensors, "enc_to_dec_proj", device),
        decoder=_decoder(MusicgenDecoderConfig(**config["decoder"]), tensors, device, precision),
        codec=SpectralCodecModel.from_pretrained(codec, dtype=torch.float32)
        .train(False)
        .to(device),
        max_frames=limits["max_length"],
        max_words=NANO_TEXT,
        digit_by_digit=limits.get(DIGIT_BY_DIGIT, False),
    )
