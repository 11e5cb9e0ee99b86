"""Measure the estimators of adherence on pieces whose facts are known.

    python -m training.estimator_error [--pieces 300]

Each held-out piece of the data factory is held against its own facts, which an estimator without
error scores 1, and against what it is not, which it scores 0: the facts of the next piece, or for
defects the same piece spoiled. Writes ``docs/results/adherence.json``, the table in
``docs/evaluation.md``, and the figures that are shipped and shown beside each model's:
``eval/adherence/errors.json``. Has to be run again whenever CLAP-nano's weights change.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from audio_chain.clip import Clip
from audio_chain.errors import UsageError
from audio_chain.vocabulary import INSTRUMENTS
from eval import adherence
from eval.adherence.asked import Asked
from eval.adherence.findings import DEFECTS, RULES, Adherence, Measure
from eval.adherence.listener import load_listener
from eval.adherence.measuring import defects, measure
from eval.adherence.summary import rate
from eval.adherence.tempo import estimate_tempo, same_tempo
from training.doc_tables import PAGE, put_table
from training.held_out import SECONDS, HeldOut, brief_of, held_out
from training.results import RESULTS, conclude, revisions, write_results
from training.shards import HELD_OUT_SEED

SHIPPED: Final = Path(adherence.__file__).parent / "errors.json"
AVOIDED: Final = 2
"""Instruments to avoid, in each piece's made-up wish."""

Audio = NDArray[np.float32]


def silenced(audio: Audio, draw: np.random.Generator) -> Audio:
    """60 dB down."""
    return 1e-3 * audio


def clipped(audio: Audio, draw: np.random.Generator) -> Audio:
    """6 to 18 dB too loud for full scale."""
    loud = audio / np.abs(audio).max() * 10 ** (draw.uniform(6, 18) / 20)
    return np.asarray(np.clip(loud, -1, 1), np.float32)


def hanging(audio: Audio, draw: np.random.Generator) -> Audio:
    """From the middle on one period of 10 ms, over and over: a steady tone."""
    return _tiled(audio, round(0.01 * len(audio) / SECONDS), draw)


def stuck(audio: Audio, draw: np.random.Generator) -> Audio:
    """From the middle on the same 0.15 to 0.9 s, over and over."""
    return _tiled(audio, round(draw.uniform(0.15, 0.9) * len(audio) / SECONDS), draw)


def _tiled(audio: Audio, length: int, draw: np.random.Generator) -> Audio:
    middle = len(audio) // 2
    start = int(draw.integers(middle - length))
    energy = np.cumsum(np.square(np.append(0, audio[:middle]), dtype=np.float64))
    power = energy[length:] - energy[:-length]  # of the stretch that starts at each sample
    if power[start] < np.median(power):  # silence, repeated, would be another defect
        start = int(power.argmax())
    piece = audio[start : start + length]
    return np.concatenate([audio[:middle], np.resize(piece, len(audio) - middle)])


SPOILED: Final[Mapping[Measure, Callable[[Audio, np.random.Generator], Audio]]] = {
    "silence": silenced,
    "clipping": clipped,
    "drone": hanging,
    "repetition": stuck,
}


def truth(item: HeldOut) -> Asked:
    """The facts of a piece, and instruments to avoid that it doesn't have."""
    asked = Asked.of(brief_of(item.piece))
    absent = [name for name in INSTRUMENTS if name not in asked.instruments]
    avoid = np.random.default_rng(item.number).choice(absent, AVOIDED, replace=False)
    return replace(asked, avoid=tuple(str(name) for name in avoid))


def untruth(item: HeldOut, other: Asked) -> Asked:
    """Another piece's facts, and instruments to avoid that this piece has."""
    return replace(other, avoid=item.piece.attributes.instruments[:AVOIDED])


def measured(pieces: int) -> dict[str, Any]:
    """Measure; the content of both files."""
    listener = load_listener()
    items = [*held_out(pieces)]
    facts = [truth(item) for item in items]
    right, wrong = [], []
    spoiled: dict[Measure, list[float]] = {name: [] for name in SPOILED}
    for item, (own, other) in zip(items, pairwise([*facts, facts[0]]), strict=True):
        right.append(measure(item.clip, own, listener=listener))
        wrong.append(measure(item.clip, untruth(item, other), listener=listener))
        draw = np.random.default_rng(item.number)
        for name, spoil in SPOILED.items():
            audio = spoil(item.clip.samples[0], draw)
            score = defects(Clip(audio[np.newaxis], item.clip.rate))[name].score
            spoiled[name] += [] if score is None else [score]
        if (done := item.number + 1) % 20 == 0:
            print(f"{done} pieces", file=sys.stderr, flush=True)
    measures: dict[str, Any] = {}
    for name in RULES:
        if name == "loudness":  # by definition, not by estimation
            continue
        false = spoiled[name] if name in DEFECTS else scores(wrong, name)
        measures[name] = {
            "rule": RULES[name],
            "right": rate(scores(right, name)).to_dict(),
            "wrong": rate(false).to_dict(),
        }
    measures["key"]["near"] = dict(Counter(clip["key"].note for clip in right if clip["key"].note))
    measures["tempo"]["right_without_drums"] = rate(drumless(items)).to_dict()
    return {
        "command": f"python -m training.estimator_error --pieces {pieces}",
        "measured_on": f"{pieces} held-out pieces of the data factory (seed {HELD_OUT_SEED}), "
        f"{SECONDS:g} s each",
        "listener": revisions("clap-nano")["clap-nano"],
        "right": "mean score against the piece's own facts; 1 without error",
        "wrong": "mean score against the next piece's facts, of instruments to avoid that are "
        "there, and of spoiled pieces; 0 without error, but for facts that agree by chance",
        "measures": measures,
    }


def scores(clips: Sequence[Adherence], name: Measure) -> list[float]:
    """The scores of a measure, of the clips it applies to."""
    return [score for clip in clips if (score := clip[name].score) is not None]


def drumless(items: Sequence[HeldOut]) -> list[float]:
    """How the tempo of pieces without drums is estimated: why it isn't scored."""
    return [
        float(same_tempo(estimate_tempo(item.clip.samples[0], item.clip.rate), facts.bpm))
        for item in items
        if not (facts := item.piece.attributes).has_drums
    ]


def table(results: Mapping[str, Any]) -> str:
    """A Markdown table of the figures with their 95 % intervals."""
    lines = ["| measure | where it is right | where it is wrong | rule |", "|---|---|---|---|"]
    for name, row in results["measures"].items():
        cells = [_percent(row["right"]), _percent(row["wrong"]), row["rule"]]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    near = results["measures"]["key"]["near"]
    pieces = results["measures"]["key"]["right"]["count"]
    misses = ", ".join(f"{count} {name}" for name, count in sorted(near.items()))
    drumless = _percent(results["measures"]["tempo"]["right_without_drums"])
    lines += [
        "",
        f"On {results['measured_on']}. Of the {pieces} keys, these misses are near ones: {misses}. "
        f"Without drums the tempo is right for {drumless}: that is why it is not scored there.",
    ]
    return "\n".join(lines)


def _percent(figure: Mapping[str, Any]) -> str:
    low, high = figure["interval"]
    return f"{100 * figure['value']:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; exit code 1 or 2 with one line if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pieces", type=int, default=300, help="how many held-out pieces")
    parser.add_argument("--output", type=Path, default=RESULTS / "adherence.json")
    parser.add_argument("--shipped", type=Path, default=SHIPPED, help="the copy that is shipped")
    parser.add_argument("--page", type=Path, default=PAGE, help="page that shows the table")
    options = parser.parse_args(argv)

    def checked() -> tuple[dict[str, Any], str]:
        if options.pieces < 2:
            raise UsageError("--pieces must be at least 2")
        results = measured(options.pieces)
        write_results(options.shipped, results)
        put_table("estimators", table(results), options.page)
        return results, table(results)

    return conclude(checked, options.output)


if __name__ == "__main__":
    sys.exit(main())
