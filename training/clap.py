"""Train CLAP-nano on rendered pieces and their captions.

    python -m training.clap RUN --data SHARDS --held-out SHARDS --text MODEL

Contrastive over the batch in both directions, with two listening heads (genre, instruments) on
the same tower. Level, bandwidth and noise are varied so that the tower hears the music and not
the recording.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

from audio_chain.nano.clap import ClapNanoConfig, ClapNanoModel
from audio_chain.vocabulary import GENRES, INSTRUMENTS
from training import checkpoint
from training.codes import tokenised
from training.journal import Journal
from training.musicgen import text_states
from training.shards import read_shard

LEARNING_RATE: Final = 1.5e-3
WARM_UP: Final = 300


class Listening:
    """Audio, captions and labels of a folder of shards, on the device."""

    def __init__(self, folder: Path, shards: int, tokenizer: Any, device: str) -> None:
        audio, words, genres, instruments = [], [], [], []
        for number in range(shards):
            samples, records = read_shard(folder, number)
            audio.append(torch.tensor(samples).to(device))
            words.append(tokenised(tokenizer, records))
            genres += [GENRES.index(record["genre"]) for record in records]
            for record in records:
                heard = torch.zeros(len(INSTRUMENTS))
                heard[[INSTRUMENTS.index(name) for name in record["instruments"]]] = 1
                instruments.append(heard)
        self.audio = torch.cat(audio)
        self.words = torch.cat(words).to(device)
        self.genres = torch.tensor(genres, device=device)
        self.instruments = torch.stack(instruments).to(device)


@torch.no_grad()
def pooled_text(encoder: nn.Module, words: Tensor) -> Tensor:
    """Mean of the token states over the words of (batch, words) ids."""
    states, mask = text_states(encoder, words)
    return (states.float() * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


def augmented(spectrogram: Tensor) -> Tensor:
    """Vary level, treble and noise floor of log-mel spectrograms, and mask bands and times."""
    batch, _, bands, frames = spectrogram.shape
    device = spectrogram.device
    level = (torch.rand(batch, 1, 1, 1, device=device) - 0.5) * 0.7
    tilt = (torch.rand(batch, 1, 1, 1, device=device) - 0.5) * 0.5
    tilt = tilt * torch.linspace(-1, 1, bands, device=device)[None, None, :, None]
    x = spectrogram + level + tilt
    x = x + 0.1 * torch.rand(batch, 1, 1, 1, device=device) * torch.randn_like(x)
    for size, dim, width in ((bands, 2, 12), (frames, 3, 60)):
        start = torch.randint(size - width, (batch, 1), device=device)
        length = torch.randint(width, (batch, 1), device=device)
        index = torch.arange(size, device=device)[None]
        hidden = (index >= start) & (index < start + length)
        x = x.masked_fill(hidden[:, None, :, None] if dim == 2 else hidden[:, None, None, :], -1.5)
    return x


def objective(
    model: ClapNanoModel, heard: Tensor, text: Tensor, genres: Tensor, instruments: Tensor
) -> Tensor:
    """Contrastive loss both ways, and the losses of the listening heads."""
    audio, genre_logits, instrument_logits = model.heads(heard)
    scale = model.logit_scale.clamp(max=math.log(100)).exp()
    similarity = scale * audio @ model.embed_text(text).t()
    own = torch.arange(len(similarity), device=similarity.device)
    contrast = (F.cross_entropy(similarity, own) + F.cross_entropy(similarity.t(), own)) / 2
    genre = F.cross_entropy(genre_logits.float(), genres, label_smoothing=0.05)
    instrument = F.binary_cross_entropy_with_logits(instrument_logits.float(), instruments)
    return contrast + 0.5 * genre + 5 * instrument


@torch.no_grad()
def validate(model: ClapNanoModel, encoder: nn.Module, data: Listening) -> dict[str, float]:
    """Caption retrieval, genre accuracy and instrument average on held-out pieces."""
    model.train(False)
    audio, genre, instrument = [], [], []
    for batch in data.audio.split(50):
        a, g, i = model.listen(batch.float() / 32768)
        audio.append(a)
        genre.append(g)
        instrument.append(i)
    text = model.embed_text(pooled_text(encoder, data.words[:, 0]))
    similarity = torch.cat(audio) @ text.t()
    rank = (similarity > similarity.diagonal()[:, None]).sum(1)
    guesses = torch.cat(instrument) > 0
    truth = data.instruments.bool()
    hits = (guesses & truth).sum().item()
    model.train()
    return {
        "pool": len(rank),
        "recall_1": round((rank < 1).float().mean().item(), 4),
        "recall_10": round((rank < 10).float().mean().item(), 4),
        "genre": round((torch.cat(genre).argmax(1) == data.genres).float().mean().item(), 4),
        "instrument_precision": round(hits / max(1, guesses.sum().item()), 4),
        "instrument_recall": round(hits / truth.sum().item(), 4),
    }


def train(options: argparse.Namespace) -> None:
    """Run the training that the command line asks for."""
    device = options.device
    torch.manual_seed(options.seed)
    torch.backends.cudnn.allow_tf32 = True
    journal = Journal(options.run)
    tokenizer = AutoTokenizer.from_pretrained(options.text)
    encoder = AutoModel.from_pretrained(options.text, dtype=torch.float32).to(device).eval()
    held_out = Listening(options.held_out, options.held_out_shards, tokenizer, device)
    data = Listening(options.data, options.shards, tokenizer, device)
    model = ClapNanoModel(ClapNanoConfig(genres=GENRES, instruments=INSTRUMENTS)).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=0.05)
    state, first = options.run / "state.safetensors", 0
    if options.resume and state.exists():
        first, _ = checkpoint.load(state, model, optimizer)
    half = torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda")
    journal.write(parameters=sum(p.numel() for p in model.parameters()), pieces=len(data.audio))
    started = time.monotonic()
    for step in range(first, options.steps):
        torch.manual_seed(options.seed + step)
        row = torch.randint(len(data.audio), (options.batch,), device=device)
        which = torch.randint(data.words.shape[1], (options.batch,), device=device)
        spectrogram = model.tower.spectrogram(data.audio[row].float() / 32768)
        with half:
            text = pooled_text(encoder, data.words[row, which])
            heard = model.tower(augmented(spectrogram))
            loss = objective(model, heard, text, data.genres[row], data.instruments[row])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        rise = min(1.0, (step + 1) / WARM_UP)
        for group in optimizer.param_groups:
            group["lr"] = (
                LEARNING_RATE * rise * 0.5 * (1 + math.cos(math.pi * step / options.steps))
            )
        optimizer.step()
        if (step + 1) % options.log_every == 0:
            rate = (step + 1 - first) / (time.monotonic() - started)
            journal.write(step=step + 1, rate=round(rate, 2), loss=round(loss.item(), 4))
        if (step + 1) % options.save_every == 0 or step + 1 == options.steps:
            checkpoint.save(state, step + 1, model, optimizer)
            journal.write(step=step + 1, **validate(model, encoder, held_out))
    model.half().save_pretrained(options.run / "model")
    journal.write(done=True)


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("run", type=Path, help="folder of checkpoints, log and the final model")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--held-out", type=Path, required=True)
    parser.add_argument("--text", type=Path, required=True, help="folder of the sentence encoder")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--shards", type=int, default=100)
    parser.add_argument("--held-out-shards", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--log-every", type=int, default=250)
    parser.add_argument("--save-every", type=int, default=2000)
    train(parser.parse_args())


if __name__ == "__main__":
    main()
