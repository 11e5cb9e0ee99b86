"""What is trained on, in which order: everything about a training run but the gradient."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from training.rewriter.augment import vary
from training.rewriter.compose import Composer
from training.rewriter.data import MEMOS, Memo, MemoError, training
from training.rewriter.targets import Example

VALIDATION: Final = MEMOS / "validation.txt"
"""Ids of memos to stop by, never trained on: an adapter that goes on must not have seen them."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the result, apart from the memos and the base model.

    Each epoch has every training memo once and `composed` ones made from cues. `validation` memos
    are put aside to stop by; with 0 all memos are trained on and the last epoch is kept. A batch
    is read `at_once` examples at a time (16 take 10 GB). `max_steps` 0 means all epochs.
    """

    seed: int = 0
    epochs: int = 12
    composed: int = 1500
    batch: int = 16
    at_once: int = 16
    learning_rate: float = 1e-3
    rank: int = 8
    alpha: int = 16
    dropout: float = 0.1
    weight_decay: float = 0.01
    warmup: float = 0.1
    preferred: float = 0.6
    validation: int = 48
    max_steps: int = 0


def epoch_examples(memos: Sequence[Memo], recipe: Recipe, epoch: int) -> list[Example]:
    """One epoch: each memo said differently with an acceptable answer, and composed memos."""
    rng = random.Random(f"{recipe.seed}/{epoch}")
    examples = [vary(memo, rng, recipe.preferred) for memo in memos]
    composer = Composer(memos)
    examples += [composer.compose(rng) for _ in range(recipe.composed)]
    rng.shuffle(examples)
    return examples


def split(memos: Sequence[Memo], recipe: Recipe) -> tuple[list[Memo], list[Memo]]:
    """Training and validation memos, from what may be trained on; the same for every seed.

    The first ``recipe.validation`` of `VALIDATION` are put aside: more memos don't change which.

    Raises
    ------
    MemoError
        If the list or the memos have fewer of them.
    """
    listed = VALIDATION.read_text(encoding="utf-8").split()
    known = {memo.id: memo for memo in training(memos)}
    aside = [known[name] for name in listed[: recipe.validation] if name in known]
    if len(aside) < recipe.validation:
        raise MemoError(
            f"{recipe.validation} validation memos asked for, but of the {len(listed)} in "
            f"{VALIDATION.name} {len(aside)} are here; --validation 0 trains on all memos"
        )
    learning = [memo for memo in known.values() if memo not in aside]
    return learning, aside
