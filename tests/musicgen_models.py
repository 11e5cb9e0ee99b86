"""Whole MusicGens of a few thousand random weights, in transformers' own classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers import models as tokenizer_models
from transformers import (
    EncodecConfig,
    MusicgenConfig,
    MusicgenForConditionalGeneration,
    MusicgenMelodyConfig,
    MusicgenMelodyForConditionalGeneration,
    PreTrainedTokenizerFast,
    T5Config,
)
from transformers.models.musicgen.configuration_musicgen import MusicgenDecoderConfig
from transformers.models.musicgen_melody.configuration_musicgen_melody import (
    MusicgenMelodyDecoderConfig,
)

from audio_chain.generate.musicgen.checkpoint import assemble
from audio_chain.generate.musicgen.generator import MusicgenGenerator
from audio_chain.generate.musicgen.matrices import Precision

CPU = torch.device("cpu")

CHROMA_LENGTH = 7
"""Frames of melody that the tiny melody models read."""

WORDS = ["[PAD]", "[UNK]", "sad", "piano", "fast", "drums", "a", "waltz", "of", "strings"]

TEXT = T5Config(vocab_size=50, d_model=24, d_kv=8, d_ff=32, num_layers=2, num_heads=3)

CODEC = EncodecConfig(
    target_bandwidths=[1.0],  # 4 codebooks of 5 bits, 50 times a second,
    sampling_rate=32_000,
    num_filters=4,
    hidden_size=16,
    codebook_dim=16,
    codebook_size=32,
    upsampling_ratios=[8, 5, 4, 4],
    use_causal_conv=False,
    num_lstm_layers=1,
)


def tiny(
    channels: int = 1, *, melody: bool = False, layers: int = 3, seed: int = 0, limit: int = 60
) -> Any:
    """A model that makes pieces of up to `limit` frames."""
    torch.manual_seed(seed)
    sizes: dict[str, Any] = {
        "vocab_size": 32,
        "hidden_size": 32,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "ffn_dim": 32,
        "num_codebooks": 4 * channels,
        "audio_channels": channels,
        "pad_token_id": 32,
        "bos_token_id": 32,
        "initializer_factor": 0.5,
    }
    parts: dict[str, Any] = {"text_encoder": TEXT.to_dict(), "audio_encoder": CODEC.to_dict()}
    model: Any
    if melody:
        parts["decoder"] = MusicgenMelodyDecoderConfig(**sizes).to_dict()
        model = MusicgenMelodyForConditionalGeneration(
            MusicgenMelodyConfig(**parts, num_chroma=12, chroma_length=CHROMA_LENGTH)
        )
    else:
        parts["decoder"] = MusicgenDecoderConfig(**sizes).to_dict()
        model = MusicgenForConditionalGeneration(MusicgenConfig(**parts))
    for field in ("decoder_start_token_id", "pad_token_id", "bos_token_id"):
        setattr(model.generation_config, field, 32)
    model.generation_config.max_length = limit
    # codebooks are made of zeros: give the codec something to say
    for layer in model.audio_encoder.quantizer.layers:
        layer.codebook.embed.normal_()
    return model.eval()


def tokenizer() -> PreTrainedTokenizerFast:
    """Knows the words of `WORDS`."""
    vocabulary = {word: index for index, word in enumerate(WORDS)}
    words = Tokenizer(tokenizer_models.WordLevel(vocabulary, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]")


def saved(model: Any, folder: Path) -> Path:
    """Write a model with its tokenizer; returns the folder."""
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def player(
    model: Any, device: torch.device = CPU, precision: Precision = "fp32"
) -> MusicgenGenerator:
    """Our generator with the weights of a model."""
    limit = model.generation_config.max_length
    parts = assemble(
        model.config, model.state_dict(), tokenizer(), device, precision, max_frames=limit
    )
    return MusicgenGenerator("tiny", "musicgen", parts)


def codes_of(model: Any, frames: int, **inputs: Any) -> torch.Tensor:
    """The codes that transformers' own `generate` hands to the codec, greedily decoded.

    `frames` are those that it makes; a beginning that is given to it comes before them.
    """
    seen: list[torch.Tensor] = []
    books = model.config.decoder.num_codebooks
    channels = model.config.decoder.audio_channels
    original = model.audio_encoder.decode

    def watched(audio_codes: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        seen.append(audio_codes[0])
        return original(audio_codes[:, :1], *args, **kwargs)  # the sound is not looked at

    model.audio_encoder.decode = watched
    try:
        inputs = {"do_sample": False, **inputs}
        model.generate(**inputs, max_new_tokens=frames + books // channels - 1)
    finally:
        model.audio_encoder.decode = original
    if channels == 1:
        return seen[0]
    return torch.stack(seen, 2).flatten(1, 2)
