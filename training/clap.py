"""Train CLAP-nano on rendered pieces and their captions.

    python -m training.clap RUN --lessons FOLDER --held-out FOLDER [--from MODEL] [--minutes M]

Contrastive over the batch in both directions, with two listening heads (genre, instruments) on
the same tower. The batch seldom holds two captions that differ in one thing only, so each piece
also brings a few pairs that do (`training.factory.contrasts`), and the right one has to win. Level,
treble and noise are varied so that the tower hears the music and not the recording.
"""

from __future__ import annotations

import argparse
import math
import shutil
import time
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from audio_chain.nano.clap import AudioTower, ClapNanoConfig, ClapNanoModel
from audio_chain.vocabulary import GENRES, INSTRUMENTS
from training import checkpoint
from training.factory.contrasts import ATTRIBUTES
from training.journal import Journal
from training.listening import Lesson, read_lessons


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


def preference(audio: Tensor, right: Tensor, wrong: Tensor, scale: Tensor) -> Tensor:
    """Softplus loss of right captions over wrong ones, (batch, pairs).

    The batch's mean is taken off the clips first. What all clips have in common would prefer the
    likelier of two captions unheard, which is no way to tell them apart.

    Parameters
    ----------
    audio : Tensor
        (batch, embedding_width), of unit length.
    right, wrong : Tensor
        (batch, pairs, embedding_width), of unit length.
    scale : Tensor
        What cosines are multiplied by.
    """
    own = audio - audio.mean(0)
    return F.softplus(scale * ((wrong - right) * own[:, None]).sum(-1))


def objective(model: ClapNanoModel, heard: Tensor, batch: Lesson, which: Tensor) -> Tensor:
    """Contrastive loss both ways, that of the contrasts, and those of the listening heads.

    Parameters
    ----------
    model : ClapNanoModel
        The model.
    heard : Tensor
        (pieces, tower.width), what its tower heard.
    batch : Lesson
        The pieces.
    which : Tensor
        (pieces,), which caption of each is taken.
    """
    audio, genre_logits, instrument_logits = model.heads(heard)
    scale = model.logit_scale.clamp(max=math.log(100)).exp()
    own = torch.arange(len(batch), device=audio.device)
    similarity = scale * audio @ model.embed_text(batch.captions[own, which].float()).t()
    contrast = (F.cross_entropy(similarity, own) + F.cross_entropy(similarity.t(), own)) / 2
    right, wrong = (model.embed_text(side.float()) for side in (batch.right, batch.wrong))
    preferred = preference(audio, right, wrong, scale)[batch.said].mean()
    genre = F.cross_entropy(genre_logits.float(), batch.genres, label_smoothing=0.05)
    instrument = F.binary_cross_entropy_with_logits(instrument_logits.float(), batch.instruments)
    return contrast + preferred + 0.5 * genre + 5 * instrument


@torch.no_grad()
def staged(
    tower: AudioTower, spectrograms: Tensor, frozen: int, half: AbstractContextManager[object]
) -> Tensor:
    """What the first `frozen` stages make of (pieces, bands, frames), float16 with channels."""
    if not frozen:
        return spectrograms[:, None]
    stages = tower.stages(0, frozen).train(False)
    with half:
        parts = [stages(part[:, None].float()).half() for part in spectrograms.split(50)]
    return torch.cat(parts).contiguous()


@torch.no_grad()
def validate(
    model: ClapNanoModel, data: Lesson, frozen: int, half: AbstractContextManager[object]
) -> dict[str, object]:
    """Retrieval, contrasts told apart, genre accuracy and instruments on held-out pieces.

    `unheard` are the contrasts that the mean of all clips, in place of each, would tell apart.
    The tower's stages after the first `frozen` compute within `half`.
    """
    model.train(False)
    with half:
        heard = [model.tower(part.float(), frozen) for part in data.spectrograms.split(50)]
    audio, genre, instrument = model.heads(torch.cat(heard).float())
    similarity = audio @ model.embed_text(data.captions[:, 0].float()).t()
    rank = (similarity > similarity.diagonal()[:, None]).sum(1)
    preferred = model.embed_text(data.right.float()) - model.embed_text(data.wrong.float())
    guesses, truth = instrument > 0, data.instruments.bool()
    hits = (guesses & truth).sum().item()
    model.train()
    return {
        "pool": len(rank),
        "recall_1": round((rank < 1).float().mean().item(), 4),
        "recall_10": round((rank < 10).float().mean().item(), 4),
        "told_apart": _shares((preferred * audio[:, None]).sum(-1) > 0, data.said),
        "unheard": _shares(preferred @ audio.mean(0) > 0, data.said),
        "genre": round((genre.argmax(1) == data.genres).float().mean().item(), 4),
        "instrument_precision": round(hits / max(1, guesses.sum().item()), 4),
        "instrument_recall": round(hits / truth.sum().item(), 4),
    }


def _shares(won: Tensor, said: Tensor) -> dict[str, float]:
    """Share of contrasts won, of all and by attribute, where there are any."""
    rows = {"all": (won, said)}
    rows |= {name: (won[:, i], said[:, i]) for i, name in enumerate(ATTRIBUTES)}
    return {
        name: round(won[said].float().mean().item(), 4)
        for name, (won, said) in rows.items()
        if said.any()
    }


def train(options: argparse.Namespace) -> None:
    """Run the training that the command line asks for."""
    began = time.monotonic()
    device = options.device
    torch.manual_seed(options.seed)
    torch.backends.cudnn.allow_tf32 = True
    journal = Journal(options.run)
    log = options.run / "log.jsonl"
    if options.start and not log.exists() and (options.start / "training.jsonl").exists():
        shutil.copy(options.start / "training.jsonl", log)  # the same model's, so far
    held_out = read_lessons(options.held_out, options.held_out_shards, device)
    data = read_lessons(options.lessons, options.shards, device)
    if options.start:
        model = ClapNanoModel.from_pretrained(options.start, dtype=torch.float32)
    else:
        model = ClapNanoModel(ClapNanoConfig(genres=GENRES, instruments=INSTRUMENTS))
    model.to(device).train()
    layers: Any = model.tower.layers
    layers.to(memory_format=torch.channels_last)  # a quarter faster
    half = torch.autocast(device, dtype=torch.bfloat16, enabled=options.bf16)
    frozen = options.frozen
    model.tower.stages(0, frozen).requires_grad_(False)
    held_out, data = (
        replace(lesson, spectrograms=staged(model.tower, lesson.spectrograms, frozen, half))
        for lesson in (held_out, data)
    )
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learned, options.rate, weight_decay=0.05)
    state, first = options.run / "state.safetensors", 0
    if options.resume and state.exists():
        first, _ = checkpoint.load(state, model, optimizer)
    journal.write(parameters=sum(p.numel() for p in learned), pieces=len(data))
    started = time.monotonic()
    step = first
    while step < options.steps:
        torch.manual_seed(options.seed + step)
        batch = data.rows(torch.randint(len(data), (options.batch,), device=device))
        which = torch.randint(data.captions.shape[1], (options.batch,), device=device)
        seen = batch.spectrograms.float()
        with half:
            heard = model.tower(seen if frozen else augmented(seen), frozen)
            loss = objective(model, heard, batch, which)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        rise = min(1.0, (step + 1) / options.warm_up)
        for group in optimizer.param_groups:
            group["lr"] = options.rate * rise * 0.5 * (1 + math.cos(math.pi * step / options.steps))
        optimizer.step()
        step += 1
        if step % options.log_every == 0:
            rate = (step - first) / (time.monotonic() - started)
            if options.minutes:
                left = options.minutes * 60 - (time.monotonic() - began)
                options.steps = step + max(0, int(rate * left))
            figures = {"steps": options.steps, "rate": round(rate, 2)}
            journal.write(step=step, **figures, loss=round(loss.item(), 4))
        if step % options.save_every == 0 or step >= options.steps:
            checkpoint.save(state, step, model, optimizer)
            journal.write(step=step, **validate(model, held_out, frozen, half))
    model.half().save_pretrained(options.run / "model")  # type: ignore[no-untyped-call]
    journal.write(done=True)


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("run", type=Path, help="folder of checkpoints, log and the final model")
    parser.add_argument("--lessons", type=Path, required=True, help="see training.listening")
    parser.add_argument("--held-out", type=Path, required=True)
    parser.add_argument("--from", dest="start", type=Path, help="model to train further")
    parser.add_argument(
        "--frozen",
        type=int,
        default=0,
        help="stages of its tower that stay as they are: computed once, without augmentation",
    )
    parser.add_argument("--rate", type=float, default=1.5e-3, help="highest learning rate")
    parser.add_argument("--warm-up", type=int, default=300, help="steps until it is reached")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--minutes", type=float, default=0, help="be done so long after the start")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--shards", type=int, default=100)
    parser.add_argument("--held-out-shards", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--bf16", action="store_true", help="compute in bfloat16")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--log-every", type=int, default=250)
    parser.add_argument("--save-every", type=int, default=2000)
    train(parser.parse_args())


if __name__ == "__main__":
    main()
