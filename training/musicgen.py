"""Train the nano MusicGen decoder on the codec's codes of rendered pieces.

    python -m training.musicgen RUN --codes CODES --held-out CODES --text MODEL

The decoder is transformers' `MusicgenForCausalLM` with the delay pattern of MusicGen (Copet et al.
2023). Text comes as the token states of a frozen sentence encoder, through one trained projection.
Captions are dropped now and then, so that the model can be guided away from its unconditional
self (Ho and Salimans 2022).
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import AutoModel, MusicgenForCausalLM
from transformers.models.musicgen.configuration_musicgen import MusicgenDecoderConfig

from audio_chain.nano.codec import SpectralCodecConfig
from training import checkpoint
from training.codes import TEXT_TOKENS, Corpus
from training.journal import Journal

LEARNING_RATE: Final = 1.2e-3
WARM_UP: Final = 500
WEIGHT_DECAY: Final = 0.1
TEXT_DROPOUT: Final = 0.15
IGNORED: Final = -100
CODEC: Final = SpectralCodecConfig()

Objective = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Loss of each codebook from codes, token ids of captions, and which captions are kept."""


def decoder_config(codebook_size: int, codebooks: int) -> MusicgenDecoderConfig:
    """Shape of the nano decoder, 13 million parameters."""
    return MusicgenDecoderConfig(
        vocab_size=codebook_size,
        num_codebooks=codebooks,
        hidden_size=320,
        num_hidden_layers=8,
        num_attention_heads=5,
        ffn_dim=768,
        max_position_embeddings=2048,
        dropout=0.0,
        pad_token_id=codebook_size,
        bos_token_id=codebook_size,
        audio_channels=1,
        attn_implementation="sdpa",  # type: ignore[call-arg]
    )


class ConditionedDecoder(nn.Module):
    """The decoder and the projection of text states to its width."""

    def __init__(self, config: MusicgenDecoderConfig, text_width: int) -> None:
        super().__init__()
        self.decoder = MusicgenForCausalLM(config)
        self.enc_to_dec_proj = nn.Linear(text_width, config.hidden_size)

    def forward(self, tokens: Tensor, text: Tensor, mask: Tensor, kept: Tensor) -> Tensor:
        """Logits (batch, codebooks, frames, codebook_size).

        Parameters
        ----------
        tokens : Tensor
            (batch, codebooks, frames), delayed.
        text, mask : Tensor
            Token states (batch, words, text_width) and which of them are words (batch, words).
        kept : Tensor
            (batch,), 0 where the caption is dropped. A dropped caption is all zeros, as in
            `MusicgenForConditionalGeneration`'s unconditional half.
        """
        batch, books, frames = tokens.shape
        states = self.enc_to_dec_proj(text) * (mask * kept[:, None])[..., None]
        output = self.decoder(
            input_ids=tokens.reshape(batch * books, frames),
            encoder_hidden_states=states,
            encoder_attention_mask=mask,
            use_cache=False,
        )
        logits: Tensor = output.logits
        return logits.view(batch, books, frames, -1)


def delayed(codes: Tensor, pad: int) -> Tensor:
    """Delay pattern: codebook k of (batch, books, frames) starts k + 1 frames late."""
    batch, books, frames = codes.shape
    tokens = torch.full((batch, books, frames + books), pad, device=codes.device)
    for book in range(books):
        tokens[:, book, book + 1 : book + 1 + frames] = codes[:, book]
    return tokens


def losses(
    model: ConditionedDecoder, codes: Tensor, text: Tensor, mask: Tensor, kept: Tensor, pad: int
) -> Tensor:
    """Cross-entropy in nats of each codebook, (books,)."""
    tokens = delayed(codes.long(), pad)
    logits = model(tokens[..., :-1], text, mask, kept)
    targets = tokens[..., 1:].masked_fill(tokens[..., 1:] == pad, IGNORED)
    return torch.stack(
        [
            F.cross_entropy(logits[:, book].flatten(0, 1).float(), targets[:, book].flatten())
            for book in range(codes.shape[1])
        ]
    )


@torch.no_grad()
def text_states(encoder: nn.Module, words: Tensor) -> tuple[Tensor, Tensor]:
    """States (batch, words, width) of the frozen encoder, and the mask of real words."""
    mask = (words != 0).long()
    return encoder(input_ids=words.long(), attention_mask=mask).last_hidden_state, mask


@torch.no_grad()
def validate(objective: Objective, corpus: Corpus, batch: int) -> dict[str, list[float]]:
    """Loss by codebook with right captions, with captions swapped between clips, and without."""
    codes, words = corpus.codes, corpus.words[:, 0]
    sums = {"right": 0.0, "swapped": 0.0, "none": 0.0}
    totals = {name: torch.zeros(codes.shape[1], device=codes.device) for name in sums}
    count = len(codes) // batch
    for start in range(0, count * batch, batch):
        part = codes[start : start + batch]
        for name in totals:
            chosen = words[start : start + batch]
            if name == "swapped":
                chosen = chosen.roll(1, 0)
            kept = torch.full((batch,), float(name != "none"), device=codes.device)
            totals[name] += objective(part, chosen, kept) / count
    return {name: [round(float(v), 4) for v in value] for name, value in totals.items()}


def learning_rate(step: int, steps: int) -> float:
    """Rate at `step`: a short rise, then a cosine down to 3 %."""
    rise = min(1.0, (step + 1) / WARM_UP)
    return LEARNING_RATE * rise * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * step / steps)))


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
    model = ConditionedDecoder(config, encoder.config.hidden_size).to(device)
    matrices = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    vectors = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": WEIGHT_DECAY},
        {"params": vectors, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, LEARNING_RATE, betas=(0.9, 0.95), fused=device == "cuda")
    state, first = options.run / "state.safetensors", 0
    if options.resume and state.exists():
        first, _ = checkpoint.load(state, model, optimizer)

    def objective(codes: Tensor, words: Tensor, kept: Tensor) -> Tensor:
        return losses(model, codes, *text_states(encoder, words), kept, pad)

    step_objective: Objective = objective
    if options.compile:  # takes a minute, which rendering and the codec's training may need as well
        # CUDA graphs: a step launches so many small kernels that one core can't keep a GPU busy
        step_objective = torch.compile(objective, mode="reduce-overhead")
        silence = torch.zeros(options.batch, config.num_codebooks, 10 * CODEC.frame_rate)
        words = torch.ones(options.batch, TEXT_TOKENS, dtype=torch.int16, device=device)
        kept = torch.zeros(options.batch, device=device)
        for _ in range(3):  # compiles, warms up, records
            torch.compiler.cudagraph_mark_step_begin()
            optimizer.zero_grad(set_to_none=True)
            with half:
                by_book = step_objective(silence.short().to(device), words, kept)
            by_book.mean().backward()

    corpus = Corpus(options.codes, options.shards, device)
    held_out = Corpus(options.held_out, options.held_out_shards, device)
    parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    journal.write(steps=options.steps, parameters=parameters, pieces=len(corpus.codes))

    started = time.monotonic()
    step = first
    while step < options.steps:
        torch.manual_seed(options.seed + step)
        codes, words = corpus.batch(options.batch)
        kept = (torch.rand(options.batch, device=device) >= TEXT_DROPOUT).float()
        if options.compile:
            torch.compiler.cudagraph_mark_step_begin()
        optimizer.zero_grad(set_to_none=True)
        with half:
            by_book = step_objective(codes, words, kept)
        by_book.mean().backward()
        nn.utils.clip_grad_norm_(matrices + vectors, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, options.steps)
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
                loss=[round(v, 4) for v in by_book.tolist()],
            )
        if (step + 1) % options.save_every == 0 or step + 1 == options.steps:
            checkpoint.save(state, step + 1, model, optimizer)
            with half:
                figures = validate(objective, held_out, options.batch)
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
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--log-every", type=int, default=500)
    parser.add_argument("--save-every", type=int, default=3000)
    train(parser.parse_args())


if __name__ == "__main__":
    main()
