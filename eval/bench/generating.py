"""Make the clips of a benchmark that are not there yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audio_chain.errors import ChainError, UsageError
from audio_chain.generate import Generator, load_generator
from audio_chain.progress import Progress, silent
from eval.bench.contenders import Contender, Weights
from eval.bench.questions import Questions
from eval.bench.store import Entry, Store, Task


def tasks(
    contender: Contender,
    weights: Weights,
    questions: Questions,
    seeds: Sequence[int],
    seconds: float,
) -> list[Task]:
    """List the clips that a contender has to make: all prompts with a seed, then with the next."""
    return [
        Task(contender, weights, prompt, asked, seed, seconds)
        for seed in seeds
        for prompt, asked in zip(questions.suite.prompts, questions.asked, strict=True)
    ]


def generate(
    store: Store,
    wanted: Sequence[Task],
    *,
    device: str = "auto",
    offline: bool = False,
    progress: Progress = silent,
) -> Iterator[Entry]:
    """Find each clip, or make it. The model is loaded only if one is missing.

    Parameters
    ----------
    store : Store
    wanted : sequence of Task
        Of one contender.
    device : str
        As for `load_generator`.
    offline : bool
        Never use the network.
    progress : Progress
        Told clips.

    Yields
    ------
    Entry
        As soon as it is on the disk: what was made before a stop is kept.

    Raises
    ------
    UsageError
        A clip is longer than the model can make.
    """
    generator: Generator | None = None
    progress(0, len(wanted))
    for done, task in enumerate(wanted, 1):
        entry = store.entry(task)
        if entry is None:
            if generator is None:
                generator = _load(task, device, offline)
            try:
                (clip,) = generator.generate(task.request)
            except ChainError as error:
                error.add_note("the clips made so far are kept; the same command goes on")
                raise
            entry = store.add(task, clip)
        yield entry
        progress(done, len(wanted))


def _load(task: Task, device: str, offline: bool) -> Generator:
    card = task.contender.card
    generator = load_generator(card, device=device, offline=offline)
    if task.seconds > generator.max_seconds:
        raise UsageError(
            f"{card.name} makes at most {generator.max_seconds:g} s at a time, not "
            f"{task.seconds:g}; give fewer --seconds"
        )
    return generator
