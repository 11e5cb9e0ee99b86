"""Learning: steps, validations, an early stop, and what is written on the way."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import nn

from audio_chain.clip import Clip
from audio_chain.errors import ChainError
from audio_chain.files import write_whole
from audio_chain.finetune.adapting import adapt, learnt, write_adapter
from audio_chain.finetune.drawing import Drawing
from audio_chain.finetune.memory import Estimate, check_fits, estimate
from audio_chain.finetune.recipe import Recipe
from audio_chain.finetune.state import (
    STATE,
    History,
    Point,
    journal,
    key_of,
    load_state,
    save_state,
)
from audio_chain.finetune.trainee import Piece, Trainee
from audio_chain.lora.choosing import weights_digest
from audio_chain.progress import Progress, silent

if TYPE_CHECKING:
    from audio_chain.finetune.preparing import Prepared

JOURNAL: Final = "log.jsonl"

MOST_VALIDATED: Final = 16
"""Pieces that a validation is made on."""

_CLIP: Final = 1.0  # largest norm of the gradient


@dataclass(frozen=True, eq=False)
class Trained:
    """A training that has come to its end.

    Attributes
    ----------
    history : History
    estimate : Estimate
        What was expected of the memory.
    parameters : int
        Learnt.
    peak_bytes : int or None
        The most memory that a GPU had in use; None on a CPU.
    """

    history: History
    estimate: Estimate
    parameters: int
    peak_bytes: int | None


def train(
    trainee: Trainee,
    prepared: Prepared,
    recipe: Recipe,
    folder: Path,
    *,
    reached: Callable[[History, Clip | None], None] = lambda history, sample: None,
    progress: Progress = silent,
) -> Trained:
    """Train an adapter; stopped at any time, the same call goes on.

    The folder always holds the best adapter so far, and the state to go on from, which the caller
    removes. Every step's chance depends on the seed and the step alone, so a training that was
    stopped comes to the same adapter as one that wasn't.

    Parameters
    ----------
    trainee : Trainee
        Its network gets the adapter.
    prepared : Prepared
        What to learn from.
    recipe : Recipe
    folder : Path
        Of the adapter; there already.
    reached : callable
        Told the history at every validation, and a sample where one was due.
    progress : Progress
        Told steps.

    Raises
    ------
    UsageError
        It won't fit into memory, or the folder holds another training.
    ChainError
        The loss is no number any more, or nothing can be written.
    """
    model = adapt(trainee, recipe)
    weights = learnt(model)
    pieces = (*prepared.train, *prepared.validation)
    expected = estimate(trainee, recipe, max(piece.codes.shape[-1] for piece in pieces))
    check_fits(expected, recipe)
    if recipe.checkpointing:
        trainee.use_checkpointing()
    optimizer = torch.optim.AdamW(
        weights.values(), recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    key = training_key(trainee, prepared, recipe)
    state = folder / STATE
    history = load_state(state, key, weights, optimizer) or History()
    held_out = prepared.validation[:MOST_VALIDATED]
    drawing = Drawing(prepared.train, recipe.batch, recipe.seed)
    begun = time.monotonic() - (history.points[-1].seconds if history.points else 0.0)
    losses: list[float] = []

    def validated() -> History:
        point = Point(
            history.step,
            validate(trainee, held_out, recipe),
            sum(losses) / len(losses) if losses else None,
            round(time.monotonic() - begun, 2),
        )
        after = history.added(point)
        if after.best is point:
            write_adapter(model, folder)
        save_state(state, key, after, weights, optimizer)
        write_whole(folder / JOURNAL, io.BytesIO(journal(after)))
        sample = _sample(trainee, held_out, recipe, history.step)
        reached(after, sample)
        losses.clear()
        return after

    if not history.points:
        history = validated()
    progress(history.step, recipe.steps)
    while history.step < recipe.steps and history.since_best < recipe.patience:
        losses.append(_step(trainee, drawing.batch(history.step), recipe, history.step, optimizer))
        history = History(history.step + 1, history.points)
        progress(history.step, recipe.steps)
        if history.step % recipe.every == 0 or history.step == recipe.steps:
            history = validated()
    is_cuda = torch.cuda.is_available() and next(model.parameters()).is_cuda
    return Trained(
        history,
        expected,
        sum(value.numel() for value in weights.values()),
        torch.cuda.max_memory_allocated() if is_cuda else None,
    )


def training_key(trainee: Trainee, prepared: Prepared, recipe: Recipe) -> str:
    """Identify a training by all that its result depends on."""
    sides = (prepared.train, prepared.validation)
    pieces = [[(piece.file, piece.begin_s, piece.caption) for piece in side] for side in sides]
    return key_of(weights_digest(trainee.card), recipe.to_dict(), pieces)


def _step(trainee: Trainee, batch: list[Piece], recipe: Recipe, step: int, optimizer: Any) -> float:
    """One step; its mean loss."""
    torch.manual_seed(recipe.seed * 1_000_003 + step)
    kept = (torch.rand(len(batch)) >= recipe.caption_dropout).float()
    size = -(-len(batch) // recipe.accumulate)
    trainee.network.train()
    optimizer.zero_grad(set_to_none=True)
    total = 0.0
    for first in range(0, len(batch), size):
        part = batch[first : first + size]
        loss = trainee.loss(part, kept[first : first + size]) * (len(part) / len(batch))
        loss.backward()
        total += float(loss.detach())
    for group in optimizer.param_groups:
        group["lr"] = recipe.rate_at(step)
        nn.utils.clip_grad_norm_(group["params"], _CLIP)
    if not torch.isfinite(torch.tensor(total)):
        raise ChainError(
            f"the loss of step {step + 1} is no number: train again with a lower --learning-rate"
        )
    optimizer.step()
    return total


@torch.no_grad()
def validate(trainee: Trainee, pieces: Sequence[Piece], recipe: Recipe) -> float:
    """Mean loss of pieces, by their length, with their captions."""
    trainee.network.eval()
    size = -(-recipe.batch // recipe.accumulate)
    total = weight = 0.0
    for first in range(0, len(pieces), size):
        part = pieces[first : first + size]
        seconds = sum(piece.seconds for piece in part)
        total += float(trainee.loss(part, torch.ones(len(part)))) * seconds
        weight += seconds
    return round(total / weight, 5)


def _sample(trainee: Trainee, pieces: Sequence[Piece], recipe: Recipe, step: int) -> Clip | None:
    """A sample where one is due, always of the same words and the same chance."""
    if not recipe.sample_every or step % recipe.sample_every:
        return None
    return trainee.play(pieces[0].caption, min(5.0, trainee.most_seconds), recipe.seed)
