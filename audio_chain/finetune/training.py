"""Learning: steps, validations, an early stop, and what is written on the way."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch
from torch import nn

from audio_chain.clip import Clip
from audio_chain.errors import ChainError, UsageError
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
from audio_chain.finetune.team import Team
from audio_chain.finetune.trainee import Piece, Trainee
from audio_chain.lora.choosing import weights_digest
from audio_chain.progress import Progress, silent

if TYPE_CHECKING:
    from audio_chain.finetune.preparing import Prepared

JOURNAL: Final = "log.jsonl"

MOST_VALIDATED: Final = 16
"""Pieces that a validation is made on."""

_CLIP: Final = 1.0  # largest norm of the gradient

_UNTITLED: Final = 0.5
"""Share of ordinary pieces that are rehearsed without their captions: guidance multiplies what
either answer, with words and without, is off by."""


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
    steps_a_second : float or None
        Of this call, without validations and samples, after a first step that warms up; None
        where there were fewer than two.
    """

    history: History
    estimate: Estimate
    parameters: int
    peak_bytes: int | None
    steps_a_second: float | None


def train(
    trainee: Trainee,
    prepared: Prepared,
    recipe: Recipe,
    folder: Path,
    *,
    rehearsed: Sequence[Piece] = (),
    team: Team | None = None,
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
    rehearsed : sequence of Piece
        Ordinary ones, whose answers are kept as they are with the weight of the recipe.
    team : Team, optional
        The processes among which every batch is shared; each of them calls this. They come to
        what one comes to alone, but for the order in which numbers are added.
    reached : callable
        In the team's first process: told the history at every validation, and a sample where one
        was due.
    progress : Progress
        Told steps.

    Raises
    ------
    UsageError
        It won't fit into memory, the folder holds another training, or the team is larger than
        the batch.
    ChainError
        The loss is no number any more, or nothing can be written.
    """
    team = team or Team()
    if team.size > recipe.batch:
        raise UsageError(
            f"{team.size} processes can't share a batch of {recipe.batch}: give a --batch of "
            f"{team.size} or more"
        )
    model = adapt(trainee, recipe)
    weights = learnt(model)
    pieces = (*prepared.train, *prepared.validation, *rehearsed)
    longest = max(piece.codes.shape[-1] for piece in pieces)
    expected = estimate(trainee, recipe, longest, team.size)
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
    lessons = _lessons(trainee, prepared.train, rehearsed, recipe)
    begun = time.monotonic() - (history.points[-1].seconds if history.points else 0.0)
    losses: list[list[float]] = []
    spent: list[float] = []  # seconds of each step; its losses are read, so it is over

    def validated() -> History:
        point = Point(
            history.step,
            validate(trainee, held_out, recipe, team),
            _mean(losses, 0),
            round(time.monotonic() - begun, 2),
            _mean(losses, 1),
        )
        losses.clear()
        after = history.added(point)
        if not team.leads:
            return after
        if after.best is point:
            write_adapter(model, folder)
        save_state(state, key, after, weights, optimizer)
        write_whole(folder / JOURNAL, io.BytesIO(journal(after)))
        sample = _sample(trainee, held_out, recipe, history.step)
        reached(after, sample)
        return after

    if not history.points:
        history = validated()
    progress(history.step, recipe.steps)
    while history.step < recipe.steps and history.since_best < recipe.patience:
        began = time.perf_counter()
        losses.append(_step(trainee, lessons, recipe, history.step, optimizer, team))
        spent.append(time.perf_counter() - began)
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
        round((len(spent) - 1) / sum(spent[1:]), 3) if len(spent) > 1 else None,
    )


def training_key(trainee: Trainee, prepared: Prepared, recipe: Recipe) -> str:
    """Identify a training by all that its result depends on."""
    sides = (prepared.train, prepared.validation)
    pieces = [[(piece.file, piece.begin_s, piece.caption) for piece in side] for side in sides]
    return key_of(weights_digest(trainee.card), recipe.to_dict(), pieces)


@dataclass(frozen=True, eq=False)
class Lesson:
    """What a step learns from a batch of one kind of pieces.

    Attributes
    ----------
    loss : callable
        Of pieces and of which captions are kept, as `Trainee.loss`.
    weight : float
        Beside the other lessons.
    drawing : Drawing
        Of the batches.
    dropout : float
        Share of captions that are left out.
    """

    loss: Callable[[Sequence[Piece], torch.Tensor], torch.Tensor]
    weight: float
    drawing: Drawing
    dropout: float


def _lessons(
    trainee: Trainee, style: Sequence[Piece], rehearsed: Sequence[Piece], recipe: Recipe
) -> list[Lesson]:
    """The style, and what is rehearsed beside it.

    Only ordinary pieces are rehearsed without captions: guidance then leads from ordinary music,
    as the base model has it, to the style.
    """
    batch, seed = recipe.batch, recipe.seed
    own = Drawing(style, batch, seed)
    if not rehearsed:
        return [Lesson(trainee.loss, 1.0, own, recipe.caption_dropout)]
    ordinary = Drawing(rehearsed, batch, seed + 1)
    return [
        Lesson(trainee.loss, 1.0, own, 0.0),
        Lesson(trainee.drift, recipe.keep, ordinary, _UNTITLED),
    ]


def _step(
    trainee: Trainee,
    lessons: Sequence[Lesson],
    recipe: Recipe,
    step: int,
    optimizer: torch.optim.Optimizer,
    team: Team,
) -> list[float]:
    """One step; the mean loss of each lesson."""
    batches = [lesson.drawing.batch(step) for lesson in lessons]
    chance = recipe.seed * 1_000_003 + step
    torch.manual_seed(chance)
    kept = [
        (torch.rand(len(batch)) >= lesson.dropout).float()
        for lesson, batch in zip(lessons, batches, strict=True)
    ]
    if team.rank:
        torch.manual_seed(chance + (team.rank << 40))  # the network's own dropout
    trainee.network.train()
    optimizer.zero_grad(set_to_none=True)
    found = [
        _learn(lesson, batch, heard, recipe, team)
        for lesson, batch, heard in zip(lessons, batches, kept, strict=True)
    ]
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    means = _joined(weights, found, team)
    if not all(math.isfinite(mean) for mean in means):
        raise ChainError(
            f"the loss of step {step + 1} is no number: train again with a lower --learning-rate"
        )
    nn.utils.clip_grad_norm_(weights, _CLIP)
    for group in optimizer.param_groups:
        group["lr"] = recipe.rate_at(step)
    optimizer.step()
    return means


def _learn(
    lesson: Lesson, batch: list[Piece], kept: torch.Tensor, recipe: Recipe, team: Team
) -> float:
    """Add the gradients of this process's share of a batch; its part of the batch's mean loss.

    Parts count by their frames, so that shares and parts of any size add up to the whole.
    """
    whole = _frames(batch)
    share, heard = batch[team.share], kept[team.share]
    size = -(-len(share) // recipe.accumulate)
    total = 0.0
    for first in range(0, len(share), size):
        part = share[first : first + size]
        loss = lesson.loss(part, heard[first : first + size]) * (_frames(part) / whole)
        (lesson.weight * loss).backward()
        total += float(loss.detach())
    return total


def _joined(weights: Sequence[nn.Parameter], found: Sequence[float], team: Team) -> list[float]:
    """Sum gradients and losses over the team; the losses."""
    if team.size == 1:
        return list(found)
    grads = [torch.zeros_like(w) if w.grad is None else w.grad for w in weights]
    losses = torch.tensor(found, dtype=torch.float32, device=grads[0].device)
    together = team.total(torch.cat([*(grad.float().flatten() for grad in grads), losses]))
    summed = together[: -len(found)].split([grad.numel() for grad in grads])
    for weight, grad in zip(weights, summed, strict=True):
        weight.grad = grad.view_as(weight).to(weight.dtype)
    return [float(one) for one in together[-len(found) :]]


def _frames(pieces: Sequence[Piece]) -> int:
    return sum(piece.codes.shape[-1] for piece in pieces)


def _mean(losses: Sequence[Sequence[float]], which: int) -> float | None:
    """Of one lesson over steps; None without any."""
    values = [one[which] for one in losses if which < len(one)]
    return sum(values) / len(values) if values else None


@torch.no_grad()
def validate(
    trainee: Trainee, pieces: Sequence[Piece], recipe: Recipe, team: Team | None = None
) -> float:
    """Mean loss of pieces, by their length, with their captions."""
    team = team or Team()
    trainee.network.eval()
    share = pieces[team.share]
    size = -(-recipe.batch // recipe.accumulate)
    total = 0.0
    for first in range(0, len(share), size):
        part = share[first : first + size]
        total += float(trainee.loss(part, torch.ones(len(part)))) * _frames(part)
    device = next(trainee.network.parameters()).device
    together = team.total(torch.tensor(total, dtype=torch.float64, device=device))
    return round(float(together) / _frames(pieces), 5)


def _sample(trainee: Trainee, pieces: Sequence[Piece], recipe: Recipe, step: int) -> Clip | None:
    """A sample where one is due, always of the same words and the same chance."""
    if not recipe.sample_every or step % recipe.sample_every:
        return None
    return trainee.play(pieces[0].caption, min(5.0, trainee.most_seconds), recipe.seed)
