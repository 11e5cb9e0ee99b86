"""Word error rate of the transcriber over the shipped memos.

``python -m eval.wer [--engine openai-whisper] [--model whisper-base] [--no-context] [--json]``

Both texts are normalised by Whisper's own English normaliser (case, punctuation, hesitations,
contractions, "seventy" and "70") before jiwer aligns them, so that only other words count.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, get_args

import numpy as np

from audio_chain.errors import ChainError
from audio_chain.transcribe import MUSIC_REQUEST, EngineName, Transcriber, load_transcriber

MEMOS: Final = Path(__file__).parents[1] / "examples" / "memos"
RESAMPLES: Final = 2000


@dataclass(frozen=True)
class Score:
    """One memo: how many of its words came out wrong, and how long that took."""

    file: str
    errors: int
    words: int
    seconds: float
    took: float
    confidence: float
    said: str
    heard: str

    @property
    def rate(self) -> float:
        """Substitutions, deletions and insertions over the words said."""
        return self.errors / self.words


def normaliser() -> Callable[[str], str]:
    """Whisper's normaliser of English text (without its table of British spellings)."""
    from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

    make: Callable[[dict[str, str]], Callable[[str], str]] = EnglishTextNormalizer
    return make({})


def count_errors(said: str, heard: str) -> tuple[int, int]:
    """Word errors in `heard`, and the words in `said`, both as they are."""
    import jiwer

    result = jiwer.process_words(said, heard)
    errors = result.substitutions + result.deletions + result.insertions
    return errors, result.hits + result.substitutions + result.deletions


def references(folder: Path = MEMOS) -> list[tuple[Path, str]]:
    """The memos in `folder` and what is said in each (``references.tsv``)."""
    with (folder / "references.tsv").open(encoding="utf-8", newline="") as file:
        return [(folder / row["file"], row["text"]) for row in csv.DictReader(file, delimiter="\t")]


def score(transcriber: Transcriber, memos: Iterable[tuple[Path, str]]) -> list[Score]:
    """Transcribe `memos` and compare with what is said in them."""
    normal = normaliser()
    scores = []
    for path, text in memos:
        began = time.perf_counter()
        transcript = transcriber.transcribe(path, language="en")
        took = time.perf_counter() - began
        errors, words = count_errors(normal(text), normal(transcript.text))
        scores.append(
            Score(
                path.name, errors, words, transcript.seconds, took, transcript.confidence,
                text, transcript.text,
            )
        )  # fmt: skip
    return scores


def word_error_rate(scores: Iterable[Score]) -> float:
    """All errors over all words."""
    scores = list(scores)
    return sum(one.errors for one in scores) / sum(one.words for one in scores)


def interval(scores: list[Score], *, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the rate, by drawing the memos anew with replacement."""
    draws = np.random.default_rng(seed).integers(len(scores), size=(RESAMPLES, len(scores)))
    errors = np.array([one.errors for one in scores])[draws].sum(axis=1)
    words = np.array([one.words for one in scores])[draws].sum(axis=1)
    low, high = np.quantile(errors / words, (0.025, 0.975))
    return float(low), float(high)


def peak_memory_mb() -> float | None:
    """The most memory this process has held, in 10^6 bytes; ``None`` where that isn't known."""
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def main(arguments: list[str] | None = None) -> int:
    """Print the table; return the exit code."""
    parser = argparse.ArgumentParser(description="Word error rate over the shipped memos.")
    parser.add_argument("--model", default="whisper-tiny.en")
    parser.add_argument("--engine", default="auto", choices=get_args(EngineName))
    parser.add_argument("--no-context", action="store_true", help="don't tell Whisper it's music")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    try:
        began = time.perf_counter()
        context = "" if options.no_context else MUSIC_REQUEST
        transcriber = load_transcriber(options.model, engine=options.engine, context=context)
        load_seconds = time.perf_counter() - began
        scores = score(transcriber, references())
    except ChainError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    _report(scores, transcriber.name, load_seconds, as_json=options.json)
    return 0


def _report(scores: list[Score], model: str, load_seconds: float, *, as_json: bool) -> None:
    low, high = interval(scores)
    summary = {
        "model": model,
        "memos": len(scores),
        "words": sum(one.words for one in scores),
        "wer": word_error_rate(scores),
        "wer_95": [low, high],
        "load_seconds": load_seconds,
        "real_time_factor": sum(one.took for one in scores) / sum(one.seconds for one in scores),
        "peak_memory_mb": peak_memory_mb(),
    }
    if as_json:
        print(json.dumps({**summary, "scores": [asdict(one) for one in scores]}, indent=2))
        return
    for one in scores:
        print(
            f"{one.file:<20} {one.errors:>2}/{one.words:<3} {one.rate:6.1%}"
            f"  {one.took / one.seconds:.2f}x  {one.heard}"
        )
    memory = summary["peak_memory_mb"]
    print(
        f"\n{model}: word error rate {summary['wer']:.1%} (95 % interval {low:.1%} to {high:.1%}) "
        f"over {summary['words']} words in {len(scores)} memos\n"
        f"loaded in {load_seconds:.1f} s, real-time factor {summary['real_time_factor']:.2f}"
        + (f", peak memory {memory:.0f} MB" if memory else "")
    )


if __name__ == "__main__":
    sys.exit(main())
