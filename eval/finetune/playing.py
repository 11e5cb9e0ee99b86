"""The clips that an adapter is measured on: same words and chances, without it and with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from audio_chain.errors import ChainError
from audio_chain.generate import GenerationRequest, load_generator
from audio_chain.lora.choosing import adapted
from audio_chain.models import ModelCard
from audio_chain.progress import Progress, silent
from eval.adherence.asked import Asked
from eval.bench.contenders import Contender, weights_of
from eval.bench.generating import tasks
from eval.bench.questions import Questions
from eval.bench.store import Entry, Store, Task
from prompts.suite import Suite, SuitePrompt

TOGETHER: Final = 8
"""Clips that are generated in one batch."""


def contenders(card: ModelCard, adapter: str) -> tuple[Contender, Contender]:
    """The model before and after, as a benchmark's contenders."""
    after = adapted(card, [adapter])
    return Contender("before", card, {}), Contender("after", after, {})


def style_questions(captions: Sequence[str], count: int, seconds: float) -> Questions:
    """Prompts of the style: the held-out songs' captions in turn, `count` clips in all."""
    distinct = list(dict.fromkeys(captions))
    prompts = tuple(
        SuitePrompt(f"style-{number:03d}", distinct[number % len(distinct)], "", {})
        for number in range(count)
    )
    suite = Suite("style", "Captions of the style's held-out songs", seconds, prompts)
    return Questions(suite, (Asked(),) * count)


def play(
    store: Store,
    contender: Contender,
    questions: Questions,
    seconds: float,
    *,
    device: str = "auto",
    offline: bool = False,
    progress: Progress = silent,
) -> list[Entry]:
    """Find each clip, or make it; clips that are missing are made in batches.

    Raises
    ------
    ChainError
        The model can't be had, or a clip can't be kept.
    """
    weights = weights_of(contender, offline=offline)
    wanted = tasks(contender, weights, questions, (0,), seconds)
    missing = [task for task in wanted if store.entry(task) is None]
    progress(len(wanted) - len(missing), len(wanted))
    if missing:
        generator = load_generator(contender.card, device=device, offline=offline)
        for first in range(0, len(missing), TOGETHER):
            some = missing[first : first + TOGETHER]
            for task, clip in zip(some, generator.generate(_together(some)), strict=True):
                store.add(task, clip)
            progress(len(wanted) - len(missing) + first + len(some), len(wanted))
    found = [store.entry(task) for task in wanted]
    if None in found:
        raise ChainError("a clip that was just made is gone; run the same command again")
    return [entry for entry in found if entry is not None]


def _together(some: Sequence[Task]) -> GenerationRequest:
    requests = [task.request for task in some]
    return replace(
        requests[0],
        prompts=tuple(request.prompts[0] for request in requests),
        seeds=tuple(request.seeds[0] for request in requests),
        lengths=tuple(request.seconds for request in requests),
    )
