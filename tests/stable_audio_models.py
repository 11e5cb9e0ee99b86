"""Whole Stable Audio pipelines of a few thousand random weights, in diffusers' own format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderOobleck,
    CosineDPMSolverMultistepScheduler,
    StableAudioDiTModel,
    StableAudioPipeline,
)
from diffusers.pipelines.stable_audio import StableAudioProjectionModel
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers import models as tokenizer_models
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

from audio_chain.generate.stable_audio.checkpoint import load_folder
from audio_chain.generate.stable_audio.generator import StableAudioGenerator

CPU = torch.device("cpu")

RATE, HOP, WINDOW, CHANNELS = 1000, 8, 64, 4
"""Samples a second, samples a frame, frames and channels of the tiny latents."""

WORDS = ["[PAD]", "[UNK]", "sad", "piano", "fast", "drums", "a", "waltz", "of", "strings"]


def tiny(
    seed: int = 0,
    *,
    stereo: bool = True,
    fine: bool = False,
    window: int = WINDOW,
    **scheduler: Any,
) -> StableAudioPipeline:
    """A pipeline with half a second's window, at 1000 samples a second or (`fine`) at 8000."""
    torch.manual_seed(seed)
    vocabulary = {word: index for index, word in enumerate(WORDS)}
    words = Tokenizer(tokenizer_models.WordLevel(vocabulary, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]", model_max_length=7
    )
    pipeline = StableAudioPipeline(
        vae=AutoencoderOobleck(
            encoder_hidden_size=2 * CHANNELS,
            downsampling_ratios=[2, 4, 8] if fine else [2, 4],
            channel_multiples=[1, 2, 2] if fine else [1, 2],
            decoder_channels=8,
            decoder_input_channels=CHANNELS,
            audio_channels=2 if stereo else 1,
            sampling_rate=8 * RATE if fine else RATE,
        ),
        text_encoder=T5EncoderModel(
            T5Config(vocab_size=50, d_model=24, d_kv=8, d_ff=32, num_layers=2, num_heads=3)
        ),
        projection_model=StableAudioProjectionModel(24, 16, 0, 1),
        tokenizer=tokenizer,
        transformer=StableAudioDiTModel(
            sample_size=window,
            in_channels=CHANNELS,
            out_channels=CHANNELS,
            num_layers=2,
            attention_head_dim=16,
            num_attention_heads=4,
            num_key_value_attention_heads=2,
            cross_attention_dim=32,
            cross_attention_input_dim=16,
            global_states_input_dim=32,
            time_proj_dim=8,
        ),
        scheduler=CosineDPMSolverMultistepScheduler(**scheduler),
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def saved(pipeline: StableAudioPipeline, folder: Path) -> Path:
    """Write a pipeline as diffusers does."""
    pipeline.save_pretrained(folder)
    return folder


def of_any_length(folder: Path) -> Path:
    """Let a saved pipeline say that it plays pieces of any length."""
    index = json.loads((folder / "model_index.json").read_text())
    settings = {"any_length": True, "steps": 3, "guidance": 2.0, "sampler": "euler"}
    (folder / "model_index.json").write_text(json.dumps(index | settings))
    return folder


def player(folder: Path, device: torch.device = CPU) -> StableAudioGenerator:
    """Our generator of a saved pipeline."""
    return StableAudioGenerator("tiny", "stable-audio", load_folder(folder, device=device))
