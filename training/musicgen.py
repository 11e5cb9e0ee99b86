"""Train the nano MusicGen decoder on the codec's codes of rendered pieces.

    python -m training.musicgen RUN --codes CODES --held-out CODES --text MODEL

Captions are dropped now and then, so that the model can be guided away from its unconditional
self (Ho and Salimans 2022).

What a piece is asked to be is decided in its first seconds: later, the past says it better than any
text, and nothing would ever be learned from the number in a prompt. So the first `FIRST_SECONDS`
weigh more; now and then a piece's past is hidden up to some frame, from which on it is as if it
began there; and the decoder has to name the tempo and the place in the beat as well (see
`training.pulse_head`).
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import AutoModel

from audio_chain.errors import ChainError
from audio_chain.nano.codec import SpectralCodecConfig
from training import checkpoint
from training.asked import OWN
from training.codes import TEXT_TOKENS, Corpus
from training.decoder import (
    ConditionedDecoder,
    decoder_config,
    load_exported,
    surprise,
    text_states,
)
from training.journal import Journal
from training.pulse_head import WEIGHTS, PulseHead

LEARNING_RATE: Final = 1.2e-3
WARM_UP: Final = 500
WEIGHT_DECAY: Final = 0.1
TEXT_DROPOUT: Final = 0.15
CODEC: Final = SpectralCodecConfig()

FIRST_SECONDS: Final = 2
FIRST_WEIGHT: Final = 4.0
"""Of a frame in the first seconds; all others weigh 1, so half of a 10 s piece's loss is there."""
HIDDEN_SHARE: Final = 0.25
"""Of the pieces, whose past is hidden up to a frame of their first half."""

Objective = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
"""Loss of each codebook, of the tempo and of the place in the beat, (codebooks + 2,).

It takes codes, token ids of texts, pulses, which texts are kept, and first frames.
"""


def frame_weights(begin: Tensor, frames: int, stress: float) -> Tensor:
    """Weights (batch, 1, frames): 0 before `begin`, `stress` for the first seconds, then 1."""
    since = torch.arange(frames, device=begin.device) - begin[:, None]
    weights = torch.where(since < FIRST_SECONDS * CODEC.frame_rate, stress, 1.0)
    return (weights * (since >= 0))[:, None]


def beginnings(pieces: int, frames: int, device: torch.device | str) -> Tensor:
    """First frame that each piece shows, (pieces,): mostly 0."""
    hidden = torch.rand(pieces, device=device) < HIDDEN_SHARE
    return hidden * torch.randint(1, max(2, frames // 2), (pieces,), device=device)


@torch.no_grad()
def validate(objective: Objective, corpus: Corpus, batch: int) -> dict[str, list[float]]:
    """Loss by codebook, of tempo and place, with right texts, with others' texts, and without."""
    codes, words = corpus.codes, corpus.words[:, -OWN]
    sums = {"right": 0.0, "swapped": 0.0, "none": 0.0}
    totals = {name: torch.zeros(codes.shape[1] + 2, device=codes.device) for name in sums}
    count = len(codes) // batch
    for start in range(0, count * batch, batch):
        part, pulse = codes[start : start + batch], corpus.pulse[start : start + batch]
        for name in totals:
            chosen = words[start : start + batch]
            if name == "swapped":
                chosen = chosen.roll(1, 0)
            kept = torch.full((batch,), float(name != "none"), device=codes.device)
            begin = torch.zeros(batch, dtype=torch.long, device=codes.device)
            totals[name] += objective(part, chosen, pulse, kept, begin) / count
    return {name: [round(float(v), 4) for v in value] for name, value in totals.items()}


def total(parts: Tensor) -> Tensor:
    """What is minimised: the codebooks' mean, and the shares of tempo and place."""
    return parts[:-2].mean() + WEIGHTS[0] * parts[-2] + WEIGHTS[1] * parts[-1]


def learning_rate(step: int, steps: int, peak: float = LEARNING_RATE) -> float:
    """Rate at `step`: a short rise, then a cosine down to 3 % of `peak`."""
    rise = min(1.0, (step + 1) / WARM_UP)
    return peak * rise * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * step / steps)))


def train(options: argparse.Namespace) -> None:
    """Run the training that the command line asks for."""
    began = time.monotonic()
    device = options.device
    torch.manual_seed(options.seed)
    torch.backends.cuda.matmul.allow_tf32 = True
    journal = Journal(options.run)
    half = torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda")

    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    encoder = AutoModel.from_pretrained(options.text, dtype=dtype).to(device).eval()
    config = decoder_config(CODEC.codebook_size, CODEC.num_quantizers)
    pad = CODEC.codebook_size
    # nothing drops out; in training mode the layers' unused coin would break torch.compile's graph
    model = ConditionedDecoder(config, encoder.config.hidden_size).to(device).eval()
    if options.go_on is not None:
        load_exported(model, options.go_on)
    head = PulseHead(config.hidden_size).to(device)
    both = nn.ModuleList([model, head])
    matrices = [p for p in both.parameters() if p.requires_grad and p.ndim > 1]
    vectors = [p for p in both.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": WEIGHT_DECAY},
        {"params": vectors, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, options.peak, betas=(0.9, 0.95), fused=device == "cuda")
    state, first = options.run / "state.safetensors", 0
    if options.resume and state.exists():
        first, _ = checkpoint.load(state, both, optimizer)

    def weighted(
        codes: Tensor,
        words: Tensor,
        pulse: Tensor,
        kept: Tensor,
        begin: Tensor,
        stress: float = FIRST_WEIGHT,
    ) -> Tensor:
        nats, states = surprise(model, codes, *text_states(encoder, words), kept, begin, pad)
        nats = torch.cat([nats, head(states, pulse)], 1)
        weights = frame_weights(begin, codes.shape[-1], stress)
        return (nats * weights).sum((0, 2)) / weights.sum()

    even = partial(weighted, stress=1.0)
    step_objective: Objective = weighted
    if options.compile:  # takes a minute, which rendering and the codec's training may need as well
        # CUDA graphs: a step launches so many small kernels that one core can't keep a GPU busy
        step_objective = torch.compile(weighted, mode="reduce-overhead")
        silence = torch.zeros(options.batch, config.num_codebooks, 10 * CODEC.frame_rate)
        words = torch.ones(options.batch, TEXT_TOKENS, dtype=torch.int16, device=device)
        kept = torch.zeros(options.batch, device=device)
        begin = torch.zeros(options.batch, dtype=torch.long, device=device)
        pulse = torch.tensor([[120.0, 0.0]], device=device).repeat(options.batch, 1)
        for _ in range(3):  # compiles, warms up, records
            torch.compiler.cudagraph_mark_step_begin()
            optimizer.zero_grad(set_to_none=True)
            with half:
                parts = step_objective(silence.short().to(device), words, pulse, kept, begin)
            total(parts).backward()

    corpus = Corpus(options.codes, options.shards, device)
    held_out = Corpus(options.held_out, options.held_out_shards, device)
    parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    journal.write(steps=options.steps, parameters=parameters, pieces=len(corpus.codes))

    started = time.monotonic()
    step = first
    while step < options.steps:
        torch.manual_seed(options.seed + step)
        codes, words, pulse = corpus.batch(options.batch)
        kept = (torch.rand(options.batch, device=device) >= TEXT_DROPOUT).float()
        begin = beginnings(options.batch, codes.shape[-1], device)
        if options.compile:
            torch.compiler.cudagraph_mark_step_begin()
        optimizer.zero_grad(set_to_none=True)
        with half:
            parts = step_objective(codes, words, pulse, kept, begin)
        total(parts).backward()
        nn.utils.clip_grad_norm_(matrices + vectors, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, options.steps, options.peak)
        optimizer.step()
        if options.minutes and step == first + 100:
            timed = time.monotonic()
        if (step + 1) % options.log_every == 0:
            corpus.grow()
            now = time.monotonic()
            if options.minutes and step > first + 100:
                rate = (step - first - 100) / (now - timed)
                left = options.minutes * 60 - (now - began)
                options.steps = step + 1 + max(0, int(rate * left))
            journal.write(
                step=step + 1,
                steps=options.steps,
                rate=round((step + 1 - first) / (now - started), 2),
                pieces=len(corpus.codes),
                loss=[round(v, 4) for v in parts.tolist()],
            )
        if (step + 1) % options.save_every == 0 or step + 1 == options.steps:
            checkpoint.save(state, step + 1, both, optimizer)
            with half:
                figures = validate(even, held_out, options.batch)
            journal.write(step=step + 1, **figures)
        step += 1
    model.half()
    model.decoder.save_pretrained(options.run / "decoder")
    tensors = {f"enc_to_dec_proj.{k}": v for k, v in model.enc_to_dec_proj.state_dict().items()}
    save_file(
        {k: v.contiguous().cpu() for k, v in tensors.items()},
        options.run / "projection.safetensors",
    )
    journal.write(done=True)


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("run", type=Path, help="folder of checkpoints, log and the final model")
    parser.add_argument("--codes", type=Path, required=True, help="see training.codes")
    parser.add_argument("--held-out", type=Path, required=True)
    parser.add_argument("--text", type=Path, required=True, help="folder of the sentence encoder")
    parser.add_argument("--steps", type=int, default=30_000)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--shards", type=int, default=100, help="shards to begin with")
    parser.add_argument("--held-out-shards", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=0, help="be done so long after the start")
    parser.add_argument("--go-on", type=Path, help="folder of an exported decoder to start from")
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
