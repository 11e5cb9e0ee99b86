"""MusicGens of the published sizes with random weights: speed doesn't depend on their values."""

from __future__ import annotations

from typing import Any, Final

import torch
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers import models as tokenizer_models
from transformers import (
    EncodecConfig,
    MusicgenConfig,
    MusicgenForConditionalGeneration,
    PreTrainedTokenizerFast,
    T5Config,
)
from transformers.models.musicgen.configuration_musicgen import MusicgenDecoderConfig

SHAPES: Final[dict[str, dict[str, int]]] = {
    # of no published model: to try the benchmark itself
    "tiny": {"layers": 2, "width": 64, "heads": 2, "ffn": 128},
    "small": {"layers": 24, "width": 1024, "heads": 16, "ffn": 4096},
    "medium": {"layers": 48, "width": 1536, "heads": 24, "ffn": 6144},
    "large": {"layers": 48, "width": 2048, "heads": 32, "ffn": 8192},
}
"""Of the decoders of facebook/musicgen-small, -medium and -large."""

WORDS: Final = 24
"""Tokens of the prompt."""

PROMPT: Final = " ".join(["word"] * WORDS)


def random_model(size: str, device: torch.device, dtype: torch.dtype, *, whole: bool) -> Any:
    """transformers' model of a size, its weights drawn on the device.

    Parameters
    ----------
    size : str
        Of `SHAPES`.
    device, dtype
        Of the weights.
    whole : bool
        With a T5 and an EnCodec as the published ones have, else with small ones.
    """
    shape = SHAPES[size]
    decoder = MusicgenDecoderConfig(
        hidden_size=shape["width"],
        num_hidden_layers=shape["layers"],
        num_attention_heads=shape["heads"],
        ffn_dim=shape["ffn"],
    )
    text = T5Config(vocab_size=32128, d_model=768, d_ff=3072, num_layers=12, num_heads=12)
    codec: dict[str, Any] = {
        "num_filters": 64,
        "hidden_size": 128,
        "codebook_dim": 128,
    }
    if not whole:
        text = T5Config(vocab_size=50, d_model=24, d_kv=8, d_ff=32, num_layers=2, num_heads=3)
        codec |= {"num_filters": 4, "hidden_size": 16, "codebook_dim": 16}
    config = MusicgenConfig(
        text_encoder=text.to_dict(),
        audio_encoder=EncodecConfig(
            target_bandwidths=[2.2],  # 4 codebooks of 11 bits, 50 times a second
            codebook_size=2048,
            sampling_rate=32_000,
            upsampling_ratios=[8, 5, 4, 4],
            use_causal_conv=False,
            **codec,
        ).to_dict(),
        decoder=decoder.to_dict(),
    )
    before = torch.get_default_dtype()
    torch.manual_seed(0)
    try:
        torch.set_default_dtype(dtype)
        with device:
            model: Any = MusicgenForConditionalGeneration(config).eval()
    finally:
        torch.set_default_dtype(before)
    for field in ("decoder_start_token_id", "pad_token_id", "bos_token_id"):
        setattr(model.generation_config, field, decoder.pad_token_id)
    model.generation_config.max_length = 1500
    return model


def tokenizer() -> PreTrainedTokenizerFast:
    """Knows the word of `PROMPT`."""
    words = Tokenizer(
        tokenizer_models.WordLevel({"[PAD]": 0, "[UNK]": 1, "word": 2}, unk_token="[UNK]")
    )
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]")
