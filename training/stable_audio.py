"""Train the nano diffusion transformer on the autoencoder's latents of rendered pieces.

    python -m training.stable_audio RUN --latents LATENTS --held-out LATENTS --text MODEL

Captions are dropped now and then, so that the model can be guided away from its unconditional self
(Ho and Salimans 2022). What is kept is an average of the weights over the last steps, twentieth
part of the training whatever its length (Karras et al. 2024).
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from transformers import AutoModel

from audio_chain.errors import ChainError
from training import checkpoint, diffusion
from training.asked import OWN, draw
from training.codes import TEXT_TOKENS
from training.diffusion import SECONDS, ConditionedTransformer
from training.journal import Journal
from training.latents import Corpus, text_states

LEARNING_RATE: Final = 1e-3
WARM_UP: Final = 200
WEIGHT_DECAY: Final = 0.05
TEXT_DROPOUT: Final = 0.1
AVERAGING: Final = 17.0
"""Exponent of the average of weights; a relative width of 5 %."""
PARTS: Final = (2, 4)
"""A short step is on halves or quarters of as many more pieces: more captions for the time."""
VALIDATED: Final = 100

Objective = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
"""Error of each clip from latents, noise, times, states, kept captions, and seconds."""


def learning_rate(step: int, steps: int, peak: float = LEARNING_RATE) -> float:
    """Rate at `step`: a short rise, then a cosine down to 1 % of `peak`."""
    rise = min(1.0, (step + 1) / WARM_UP)
    return peak * rise * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / steps)))


@torch.no_grad()
def average(averaged: nn.Module, model: nn.Module, step: int) -> None:
    """Take the weights after `step` steps into the average."""
    keep = (1 - 1 / (step + 1)) ** (AVERAGING + 1)
    torch._foreach_lerp_(list(averaged.parameters()), list(model.parameters()), 1 - keep)


def cut(latents: Tensor, parts: int) -> tuple[Tensor, Tensor]:
    """A `parts`-th of each piece, half of the time its beginning, and its seconds (batch, 2)."""
    device, length = latents.device, latents.shape[-1] // parts
    start = torch.randint(latents.shape[-1] - length + 1, (len(latents),), device=device)
    start *= torch.randint(2, (len(latents),), device=device)
    frames = start[:, None] + torch.arange(length, device=device)
    short = latents.gather(2, frames[:, None].expand(-1, latents.shape[1], -1))
    limits = torch.stack([start, start + length], 1)
    return short, limits * SECONDS / latents.shape[-1]


@torch.no_grad()
def validate(objective: Objective, latents: Tensor, states: Tensor, seed: int) -> dict[str, float]:
    """Error with right captions, with captions swapped between pieces, and without."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(latents.shape, generator=generator).to(latents.device)
    at = (torch.arange(len(latents)) + 0.5) / len(latents)
    times = diffusion.draw_times(at)[torch.randperm(len(latents), generator=generator)]
    seconds = torch.tensor([[0.0, SECONDS]]).expand(len(latents), 2).to(latents.device)
    figures = {}
    for name, text in (("right", states), ("swapped", states.roll(1, 0)), ("none", states)):
        kept = torch.full((len(latents),), float(name != "none"), device=latents.device)
        parts = zip(
            *(
                tensor.split(20)
                for tensor in (latents, noise, times.to(latents.device), text, kept, seconds)
            ),
            strict=True,
        )
        figures[name] = round(float(torch.cat([objective(*part) for part in parts]).mean()), 4)
    return figures


def train(options: argparse.Namespace) -> None:
    """Run the training that the command line asks for."""
    began = time.monotonic()
    device = options.device
    torch.manual_seed(options.seed)
    torch.backends.cuda.matmul.allow_tf32 = True
    journal = Journal(options.run)
    half = torch.autocast(device, dtype=torch.bfloat16)

    corpus, held_out = Corpus(options.latents, device), Corpus(options.held_out, device)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    encoder = AutoModel.from_pretrained(options.text, dtype=dtype).to(device).eval()

    def states_of(text: Tensor) -> Tensor:
        states = text if text.is_floating_point() else text_states(encoder, text)
        return states.float()

    channels, frames = corpus.shape
    text_width = encoder.config.hidden_size

    def untrained() -> ConditionedTransformer:
        return ConditionedTransformer(
            diffusion.transformer(channels, frames, text_width, options.width, options.layers),
            diffusion.projection(text_width),
        ).to(device)

    model, averaged = untrained(), untrained().requires_grad_(False)
    if options.go_on is not None:
        diffusion.load_exported(model, options.go_on)
    averaged.load_state_dict(model.state_dict())
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, options.peak, betas=(0.9, 0.95), fused=True)
    state, first = options.run / "state.safetensors", 0
    if options.resume and state.exists():
        first, extra = checkpoint.load(state, model, optimizer)
        averaged.load_state_dict(extra)

    def objective(*parts: Tensor) -> Tensor:
        return diffusion.losses(model, *parts)

    def averaged_objective(*parts: Tensor) -> Tensor:
        with half:
            return diffusion.losses(averaged, *parts)

    step_objective: Objective = objective
    if options.compile:  # CUDA graphs, as in training.musicgen; meanwhile shards are made
        step_objective = torch.compile(objective, mode="reduce-overhead", dynamic=options.short > 0)
        for parts in (1, *PARTS) if options.short else (1,):
            size = options.batch * parts
            shape = (size, channels, frames // parts)
            shapes = (shape, shape, (size,), (size, TEXT_TOKENS, text_width), (size,), (size, 2))
            zeros = [torch.zeros(shape, device=device) for shape in shapes]
            for _ in range(3):  # compiles, warms up, records
                torch.compiler.cudagraph_mark_step_begin()
                optimizer.zero_grad(set_to_none=True)
                with half:
                    loss = step_objective(*zeros).mean()
                loss.backward()
    corpus.wait(options.shards)

    parameters = sum(p.numel() for p in trained)
    journal.write(steps=options.steps, parameters=parameters, pieces=len(corpus))
    rows = torch.arange(VALIDATED)
    judged, words = held_out.take(rows, torch.full_like(rows, -OWN))
    judged, judged_states = judged.float(), states_of(words)

    started = timed = time.monotonic()
    step = first
    while step < options.steps:
        torch.manual_seed(options.seed + step)
        dice = random.Random(options.seed + step)
        parts = 1
        if dice.random() < options.short:
            parts = dice.choice(PARTS)
        size = options.batch * parts
        rows = torch.randint(len(corpus), (size,))
        latents, text = corpus.take(rows, draw(size, corpus.texts, rows.device))
        latents, seconds = cut(latents.float(), parts)
        states = states_of(text)
        kept = (torch.rand(size, device=device) >= TEXT_DROPOUT).float()
        times = diffusion.draw_times(diffusion.spread(size, device))
        noise = torch.randn_like(latents)
        if options.compile:
            torch.compiler.cudagraph_mark_step_begin()
        optimizer.zero_grad(set_to_none=True)
        with half:
            loss = step_objective(latents, noise, times, states, kept, seconds).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, options.steps, options.peak)
        optimizer.step()
        average(averaged, model, step)
        if (step + 1) % options.log_every == 0:
            corpus.grow()
            now = time.monotonic()
            if options.minutes and step - first >= options.log_every:
                rate = options.log_every / (now - timed)
                left = options.minutes * 60 - (now - began)
                options.steps = step + 1 + max(0, int(rate * left))
            timed = now
            journal.write(
                step=step + 1,
                steps=options.steps,
                rate=round((step + 1 - first) / (now - started), 2),
                pieces=len(corpus),
                loss=round(loss.item(), 4),
            )
        if (step + 1) % options.save_every == 0 or step + 1 == options.steps:
            checkpoint.save(state, step + 1, model, optimizer, averaged.state_dict())
            figures = validate(averaged_objective, judged, judged_states, options.seed)
            journal.write(step=step + 1, **figures)
            timed = time.monotonic()
        step += 1
    averaged.half()
    averaged.transformer.save_pretrained(options.run / "transformer")
    averaged.projection_model.save_pretrained(options.run / "projection_model")
    journal.write(done=True)


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("run", type=Path, help="folder of checkpoints, log and the final model")
    parser.add_argument("--latents", type=Path, required=True, help="see training.latents")
    parser.add_argument("--held-out", type=Path, required=True)
    parser.add_argument("--text", type=Path, required=True, help="folder of the sentence encoder")
    parser.add_argument("--steps", type=int, default=16_000)
    parser.add_argument("--batch", type=int, default=128, help="pieces of a step, if whole")
    parser.add_argument("--short", type=float, default=0.3, help="share of short steps")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--shards", type=int, default=100, help="shards to begin with")
    parser.add_argument("--minutes", type=float, default=0, help="be done so long after the start")
    parser.add_argument("--go-on", type=Path, help="folder of an exported pipeline to start from")
    parser.add_argument("--peak", type=float, default=LEARNING_RATE, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--log-every", type=int, default=500)
    parser.add_argument("--save-every", type=int, default=3000)
    try:
        train(parser.parse_args())
    except ChainError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
