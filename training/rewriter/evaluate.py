"""Measure rewriters on the held-out memos.

``python -m training.rewriter.evaluate`` runs the tuned model, the base model with the few-shot
prompt, the keyword baseline and the nearest-memo baseline, prints a table, and writes the numbers
to ``docs/results/rewriter.json``. An answer is right when the memo lists it as acceptable.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from audio_chain import weights
from audio_chain.brief import stated_bpm
from audio_chain.errors import ChainError
from audio_chain.files import write_whole
from audio_chain.models import resolve
from audio_chain.rewrite import model_folder
from audio_chain.rewrite.assemble import with_stated
from audio_chain.rewrite.schema import Answer
from audio_chain.vocabulary import tempo_class
from training.rewriter.baselines import KeywordBaseline, NearestMemo
from training.rewriter.data import MEMOS, Memo, heldout, load_memos, training
from training.rewriter.naming import kept

if TYPE_CHECKING:
    from audio_chain.rewrite.decoding import Decoded

RESULTS: Final = Path("docs/results/rewriter.json")
RESAMPLES: Final = 2000


class System(Protocol):
    """What is measured."""

    def answer(self, text: str) -> Answer:
        """Answer one memo."""


@dataclass(frozen=True)
class Outcome:
    """One memo's answer, judged, with what it took on the clock and on the processor."""

    memo: Memo
    answer: Answer
    seconds: float
    cpu_seconds: float = 0.0
    decoded: Decoded | None = None

    def right(self, field: str) -> bool:
        """Whether a genre, mood or tempo is acceptable; a tempo stated in numbers overrules."""
        value = getattr(self.answer, field)
        if field == "tempo" and (bpm := stated_bpm(self.memo.memo)) is not None:
            value = tempo_class(bpm)
        return value in getattr(self.memo, field)

    @property
    def kept(self) -> list[bool]:
        """For each instrument the speaker named, whether the brief has it."""
        return kept(self.memo.named, with_stated(self.answer, self.memo.memo))


def run(system: System, memos: Sequence[Memo], name: str) -> list[Outcome]:
    """Answer every memo; progress goes to stderr."""
    outcomes = []
    for number, memo in enumerate(memos, 1):
        started, used = time.monotonic(), time.process_time()
        answer = system.answer(memo.memo)
        taken, used = time.monotonic() - started, time.process_time() - used
        outcomes.append(Outcome(memo, answer, taken, used, getattr(system, "last", None)))
        if number % 10 == 0:
            print(f"{name}: {number} of {len(memos)}", file=sys.stderr, flush=True)
    return outcomes


def summarize(outcomes: Sequence[Outcome], seed: int = 0) -> dict[str, Any]:
    """Shares with bootstrap intervals over memos, lengths and times.

    Returns
    -------
    dict
        For ``genre``, ``mood``, ``tempo`` and ``instruments_kept`` the share and its 95 % interval
        (percentiles of 2,000 resamples of the memos); mean ``description_words``; median
        ``seconds`` on the clock and ``cpu_seconds`` of the processor; for language models the mean
        ``tokens`` of an answer, how many of them were ``forced``, and the forward ``passes``.
    """
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(outcomes), (RESAMPLES, len(outcomes)))

    def share(good: Sequence[float], of: Sequence[float]) -> dict[str, Any]:
        top, bottom = np.asarray(good, float), np.asarray(of, float)
        sampled = top[draws].sum(1) / np.maximum(1, bottom[draws].sum(1))
        low, high = np.percentile(sampled, [2.5, 97.5])
        value = top.sum() / max(1, bottom.sum())
        return {"share": round(float(value), 4), "interval": [round(low, 4), round(high, 4)]}

    ones = [1.0] * len(outcomes)
    summary: dict[str, Any] = {
        field: share([float(outcome.right(field)) for outcome in outcomes], ones)
        for field in ("genre", "mood", "tempo")
    }
    summary["instruments_kept"] = share(
        [float(sum(outcome.kept)) for outcome in outcomes],
        [float(len(outcome.kept)) for outcome in outcomes],
    )
    words = [len(outcome.answer.description.split()) for outcome in outcomes]
    summary["description_words"] = round(float(np.mean(words)), 1)
    for clock in ("seconds", "cpu_seconds"):
        times = [getattr(outcome, clock) for outcome in outcomes]
        summary[clock] = round(float(np.median(times)), 2)
    decoded = [outcome.decoded for outcome in outcomes if outcome.decoded is not None]
    if decoded:
        summary["tokens"] = round(float(np.mean([len(one.tokens) for one in decoded])), 1)
        summary["forced"] = round(float(np.mean([one.forced for one in decoded])), 1)
        summary["passes"] = round(float(np.mean([one.passes for one in decoded])), 1)
    return summary


def table(results: dict[str, dict[str, Any]]) -> str:
    """A Markdown table of the summaries."""
    fields = ("genre", "mood", "tempo", "instruments_kept")
    lines = ["| rewriter | genre | mood | tempo | named instruments kept | words | CPU s a memo |"]
    lines.append("|---" * 7 + "|")
    for name, summary in results.items():
        cells = [
            f"{100 * summary[f]['share']:.0f} % "
            f"({100 * summary[f]['interval'][0]:.0f}-{100 * summary[f]['interval'][1]:.0f})"
            for f in fields
        ]
        cells += [str(summary["description_words"]), str(summary["cpu_seconds"])]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def tuned(adapter: Path | None, offline: bool) -> tuple[str, System]:
    """The shipped rewriter, or the base model with another adapter."""
    from audio_chain.rewrite.adapter import dense_folder
    from audio_chain.rewrite.transformers_llm import load

    card = resolve("smollm2-135m-rewriter", "rewrite")
    if adapter is None:
        folder = model_folder(card, offline=offline)
    else:
        base_card = resolve(card.needs[0], "rewrite")
        base = next(weights.fetch(base_card.source, offline=offline).glob("*.gguf"))
        folder = dense_folder(card.name, base, repr(base_card.source), adapter)
    return "SmolLM2-135M, tuned", load(card.name, folder, "tuned", "auto")


def zero_shot(offline: bool) -> tuple[str, System]:
    """The base model with the few-shot prompt."""
    from audio_chain.rewrite.transformers_llm import load

    card = resolve("smollm2-135m", "rewrite")
    folder = model_folder(card, offline=offline)
    return "SmolLM2-135M, few-shot prompt", load(card.name, folder, "few-shot", "auto")


def nearest(memos: Sequence[Memo], offline: bool) -> tuple[str, System]:
    """The nearest training memo."""
    encoder = weights.fetch(resolve("minilm", "embed").source, offline=offline)
    return NearestMemo.name, NearestMemo(training(memos), encoder)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; exit code 1 with one line if something is wrong."""
    parser = argparse.ArgumentParser(description="measure the rewriter on the held-out memos")
    parser.add_argument("--heldout", type=Path, default=MEMOS, help="folder of *.jsonl files")
    parser.add_argument("--adapter", type=Path, help="another adapter than the shipped one")
    parser.add_argument(
        "--systems", nargs="+", default=["tuned", "few-shot", "keywords", "nearest"]
    )
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--answers", type=Path, help="also write every answer, as JSON lines")
    parser.add_argument("--offline", action="store_true", help="don't download weights")
    options = parser.parse_args(argv)
    try:
        memos = load_memos(options.heldout)
        test = heldout(memos)
        makers: dict[str, Callable[[], tuple[str, System]]] = {
            "tuned": lambda: tuned(options.adapter, options.offline),
            "few-shot": lambda: zero_shot(options.offline),
            "keywords": lambda: ("keywords", KeywordBaseline(training(memos))),
            "nearest": lambda: nearest(memos, options.offline),
        }
        results: dict[str, dict[str, Any]] = {}
        lines = []
        for system in options.systems:
            name, measured = makers[system]()
            outcomes = run(measured, test, name)
            results[name] = summarize(outcomes)
            lines += [_line(name, outcome) for outcome in outcomes]
    except ChainError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(table(results))
    report = {"memos": len(test), "conditions": conditions(), "results": results}
    _write(options.output, json.dumps(report, indent=1) + "\n")
    if options.answers:
        _write(options.answers, "".join(lines))
    return 0


def conditions() -> dict[str, Any]:
    """What the times depend on."""
    import torch

    return {
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_average": round(os.getloadavg()[0], 1),
        "torch": torch.__version__,
    }


def _line(system: str, outcome: Outcome) -> str:
    row = {"system": system, "id": outcome.memo.id, "answer": json.loads(outcome.answer.to_json())}
    row["wrong"] = [f for f in ("genre", "mood", "tempo") if not outcome.right(f)]
    return json.dumps(row) + "\n"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, io.BytesIO(text.encode()))


if __name__ == "__main__":
    sys.exit(main())
