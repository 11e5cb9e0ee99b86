"""Steps a second and peak memory of fine-tuning, beside transformers' own forward with peft.

    python -m benchmarks.finetune [--shapes small] [--batch 8] [--seconds 10]

Both train the same LoRA in a MusicGen of random weights on random codes, on one device, one after
the other: ours as `audio_chain.finetune.training` does, the peer through the whole model's
`forward`, text encoder included, its weights in 32 bits under autocast as transformers loads them.
With and without checkpointing. Writes ``docs/results/finetune-speed.json``.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch
import torch.nn.functional as F
from transformers import (
    BatchEncoding,
    EncodecConfig,
    MusicgenConfig,
    MusicgenForConditionalGeneration,
    T5Config,
)
from transformers.models.musicgen.configuration_musicgen import MusicgenDecoderConfig

from audio_chain import models
from audio_chain.devices import pick
from audio_chain.finetune.adapting import adapt, learnt
from audio_chain.finetune.memory import estimate
from audio_chain.finetune.musicgen import MusicgenTrainee, delayed
from audio_chain.finetune.recipe import Recipe
from audio_chain.finetune.trainee import Piece
from audio_chain.generate.musicgen.delay import delays
from audio_chain.manifest import describe_platform, installed_versions
from training.results import RESULTS, write_results

GOAL_GB: Final = 12
WORDS: Final = 24
"""Tokens of a caption."""

_RATE: Final = 50
_SHAPES: Final[dict[str, dict[str, int]]] = {
    "tiny": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "ffn_dim": 64},
    "small": {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16},
    "medium": {"hidden_size": 1536, "num_hidden_layers": 48, "num_attention_heads": 24},
    "large": {"hidden_size": 2048, "num_hidden_layers": 48, "num_attention_heads": 32},
}
"""Of the decoder; feed-forwards are four times as wide unless it is said."""


class Words:
    """Stands in for a tokenizer: the same number of words for every caption."""

    model_max_length = WORDS

    def __call__(self, texts: list[str], **options: Any) -> BatchEncoding:
        ids = torch.arange(2, 2 + WORDS).repeat(len(texts), 1)
        encoding = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        return BatchEncoding(encoding, tensor_type="pt")


def model_of(shapes: str) -> Any:
    """A whole MusicGen of random weights; its codec is a small one, since it isn't used."""
    sizes = _SHAPES[shapes]
    decoder = MusicgenDecoderConfig.from_dict({"ffn_dim": 4 * sizes["hidden_size"], **sizes})
    width, layers = (768, 12) if shapes != "tiny" else (48, 1)
    text = T5Config(
        d_model=width, d_ff=4 * width, num_layers=layers, num_heads=12, d_kv=width // 12
    )
    codec = EncodecConfig(sampling_rate=32_000, num_filters=4, hidden_size=16, codebook_dim=16)
    config = MusicgenConfig(
        text_encoder=text.to_dict(), audio_encoder=codec.to_dict(), decoder=decoder.to_dict()
    )
    torch.manual_seed(0)
    return MusicgenForConditionalGeneration(config)


def pieces_of(batch: int, seconds: float, model: Any) -> list[Piece]:
    """Random codes."""
    shape = (model.config.decoder.num_codebooks, round(seconds * _RATE))
    top = model.config.decoder.vocab_size
    return [
        Piece("", 0.0, seconds, "a caption", torch.randint(top, shape).short())
        for _ in range(batch)
    ]


def ours(model: Any, recipe: Recipe, seconds: float, device: str) -> Callable[[], None]:
    """A step as `audio_chain.finetune` makes it."""
    if device.startswith("cuda"):
        model.decoder.to(torch.bfloat16)
    card = models.CATALOGUE["facebook/musicgen-small"]
    trainee = MusicgenTrainee(card, model.to(device), Words(), "random")
    tuned = adapt(trainee, recipe)
    if recipe.checkpointing:
        trainee.use_checkpointing()
    expected = estimate(trainee, recipe, round(seconds * _RATE))
    print(f"  expected: {expected}")
    pieces = pieces_of(recipe.batch, seconds, model)
    optimizer = torch.optim.AdamW(learnt(tuned).values(), 1e-4)

    def step() -> None:
        trainee.network.train()
        optimizer.zero_grad(set_to_none=True)
        trainee.loss(pieces, torch.ones(len(pieces))).backward()
        optimizer.step()

    return step


def peer(model: Any, recipe: Recipe, seconds: float, device: str) -> Callable[[], None]:
    """A step through transformers' whole model, with peft's adapter in it."""
    from peft import LoraConfig, get_peft_model

    settings: dict[str, Any] = {
        "r": recipe.rank,
        "lora_alpha": recipe.alpha,
        "target_modules": list(MusicgenTrainee.targets[recipe.targets]),
    }
    tuned: Any = get_peft_model(model.to(device), LoraConfig(**settings)).train()
    if recipe.checkpointing:
        model.decoder.gradient_checkpointing_enable({"use_reentrant": False})
    decoder = model.config.decoder
    lags = delays(decoder.num_codebooks, 1)
    codes = [piece.codes.long() for piece in pieces_of(recipe.batch, seconds, model)]
    tokens = delayed(codes, lags, decoder.pad_token_id).to(device)
    words = Words()(["a caption"] * recipe.batch).to(device)
    labels = tokens[..., 1:].flatten(0, 1)
    labels = labels.masked_fill(labels == decoder.pad_token_id, -100)
    optimizer = torch.optim.AdamW([p for p in tuned.parameters() if p.requires_grad], 1e-4)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.split(":")[0], torch.bfloat16, enabled=device != "cpu"):
            logits = tuned(
                **words, decoder_input_ids=tokens[..., :-1].flatten(0, 1), use_cache=False
            ).logits
        loss = F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten())
        loss.backward()
        optimizer.step()

    return step


def timed(step: Callable[[], None], steps: int, device: str) -> dict[str, float | None]:
    """Steps a second after two to warm up, and the most memory in use, GB."""
    is_cuda = device.startswith("cuda")
    if is_cuda:
        torch.cuda.reset_peak_memory_stats()
    for _ in range(2):
        step()
    if is_cuda:
        torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(steps):
        step()
    if is_cuda:
        torch.cuda.synchronize()
    rate = steps / (time.perf_counter() - began)
    peak = torch.cuda.max_memory_allocated() / 1e9 if is_cuda else None
    return {"steps_a_second": round(rate, 3), "peak_gb": None if peak is None else round(peak, 2)}


def main() -> None:
    """Time both, print and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--shapes", choices=list(_SHAPES), default="small")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--output", type=Path, default=RESULTS / "finetune-speed.json")
    options = parser.parse_args()
    device = pick(options.device)
    rows: dict[str, Any] = {}
    for checkpointing in (False, True):
        recipe = Recipe(
            rank=options.rank,
            alpha=2.0 * options.rank,
            batch=options.batch,
            checkpointing=checkpointing,
        )
        for name, make in (("transformers and peft", peer), ("audio-chain", ours)):
            label = f"{name}, checkpointing" if checkpointing else name
            print(label, flush=True)
            step = make(model_of(options.shapes), recipe, options.seconds, device)
            rows[label] = timed(step, options.steps, device)
            print(f"  {rows[label]}", flush=True)
            del step
            gc.collect()
            if device.startswith("cuda"):
                torch.cuda.empty_cache()
    pair = [rows[name]["steps_a_second"] for name in ("audio-chain", "transformers and peft")]
    settings = {name: value for name, value in vars(options).items() if name != "output"}
    record = {
        "command": "python -m benchmarks.finetune "
        f"--shapes {options.shapes} --batch {options.batch} --seconds {options.seconds:g}",
        **settings,
        "device": device,
        "goal_gb": GOAL_GB,
        "ratio": round(pair[0] / pair[1], 2),
        "rows": rows,
        "platform": describe_platform(),
        "versions": installed_versions(("torch", "transformers", "peft")),
    }
    write_results(options.output, record)


if __name__ == "__main__":
    main()
