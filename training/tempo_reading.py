"""Measure whether MusicGen-nano reads the tempo that a prompt states.

    python -m training.tempo_reading [--pieces 200] [--model FOLDER]

The decoder is asked for held-out pieces in the chain's own words, and for the same with a tempo
that is 20 % too low: how much less likely does that make the piece's own codes, in its first
seconds, where only the prompt says how fast it will be, and later, where the past says so? For
scale, the same without any prompt. Writes ``docs/results/tempo.json``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer

from audio_chain import models
from audio_chain.brief import render
from audio_chain.errors import UsageError
from audio_chain.generate.musicgen.checkpoint import DIGIT_BY_DIGIT
from audio_chain.nano.codec import SpectralCodecModel
from audio_chain.nano.digits import spaced
from eval.bootstrap import RESAMPLES, Estimate, estimate, mean
from training.codes import TEXT_TOKENS, coded
from training.decoder import (
    ConditionedDecoder,
    decoder_config,
    load_exported,
    surprise,
    text_states,
)
from training.held_out import HeldOut, brief_of, held_out
from training.musicgen import CODEC, FIRST_SECONDS
from training.results import RESULTS, conclude, revisions
from training.shards import HELD_OUT_SEED

WRONG: Final = 0.8
"""The wrong tempo, in parts of the right one."""

SPANS: Final = {
    "first": slice(None, FIRST_SECONDS * CODEC.frame_rate),
    "later": slice(FIRST_SECONDS * CODEC.frame_rate, None),
    "all": slice(None),
}


class TempoReader:
    """A decoder and what it takes to ask it.

    Parameters
    ----------
    folder : Path
        An exported decoder.
    """

    def __init__(self, folder: Path) -> None:
        where = models.folders(models.CATALOGUE["musicgen-nano"])
        marks = folder / "generation_config.json"
        self._digit_by_digit = marks.is_file() and json.loads(marks.read_text()).get(DIGIT_BY_DIGIT)
        self._tokenizer = AutoTokenizer.from_pretrained(where["minilm"])
        self._encoder = AutoModel.from_pretrained(where["minilm"], dtype=torch.float32).eval()
        codec = where["spectral-codec-nano"]
        self._codec = SpectralCodecModel.from_pretrained(codec, dtype=torch.float32).train(False)
        config = decoder_config(CODEC.codebook_size, CODEC.num_quantizers)
        self._decoder = ConditionedDecoder(config, self._encoder.config.hidden_size).eval()
        load_exported(self._decoder, folder)

    @torch.no_grad()
    def nats(self, item: HeldOut) -> NDArray[np.float64]:
        """Nats a code with the right prompt, a wrong tempo and no prompt, (3, frames)."""
        brief = brief_of(item.piece)
        assert brief.tempo_bpm is not None
        wrong = replace(brief, tempo_bpm=round(WRONG * brief.tempo_bpm))
        prompts = [render(asked, "musicgen-nano") for asked in (brief, wrong, brief)]
        if self._digit_by_digit:
            prompts = [spaced(prompt) for prompt in prompts]
        words = self._tokenizer(
            prompts, padding=True, truncation=True, max_length=TEXT_TOKENS, return_tensors="pt"
        )
        codes = coded(self._codec, torch.tensor(item.piece.audio)[None]).expand(3, -1, -1)
        nats, _ = surprise(
            self._decoder,
            codes,
            *text_states(self._encoder, words["input_ids"]),
            kept=torch.tensor([1.0, 1.0, 0.0]),
            begin=torch.zeros(3, dtype=torch.long),
            pad=CODEC.codebook_size,
        )
        return nats.mean(1).double().numpy()


def summarize(nats: NDArray[np.float64]) -> dict[str, dict[str, Estimate]]:
    """How many nats a code are lost by a wrong tempo and without a prompt, by span.

    Parameters
    ----------
    nats : array, shape (pieces, 3, frames)
        As from `TempoReader.nats`.
    """
    return {
        name: {
            span: estimate(mean, (nats[:, row] - nats[:, 0])[:, frames].mean(1))
            for span, frames in SPANS.items()
        }
        for row, name in ((1, "wrong_tempo"), (2, "no_prompt"))
    }


def measure(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Measure everything: results for JSON, and a table for people."""
    if options.pieces < 2:
        raise UsageError("--pieces must be at least 2")
    shipped = models.folders(models.CATALOGUE["musicgen-nano"])["musicgen-nano"]
    reader = TempoReader(options.model or shipped)
    rows = []
    for done, item in enumerate(held_out(options.pieces), 1):
        rows.append(reader.nats(item))
        if done % 20 == 0:
            print(f"{done} pieces", file=sys.stderr, flush=True)
    losses = summarize(np.stack(rows))
    results = {
        "command": f"python -m training.tempo_reading --pieces {options.pieces}",
        "models": revisions("musicgen-nano"),
        "held_out": {"seed": HELD_OUT_SEED, "pieces": options.pieces},
        "wrong_tempo": WRONG,
        "first_seconds": FIRST_SECONDS,
        "bootstrap": {"resamples": RESAMPLES, "interval": 0.95},
        "nats_lost": {
            name: {span: figure.to_dict() for span, figure in spans.items()}
            for name, spans in losses.items()
        },
    }
    return results, table(losses)


def table(losses: Mapping[str, Mapping[str, Estimate]]) -> str:
    """A Markdown table of the nats lost, with their 95 % intervals."""
    lines = ["| nats a code lost | " + " | ".join(SPANS) + " |", "|---" * (len(SPANS) + 1) + "|"]
    for name, spans in losses.items():
        cells = [f"{f.value:.4f} ({f.low:.4f} to {f.high:.4f})" for f in spans.values()]
        lines.append(f"| {name.replace('_', ' ')} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; exit code 1 or 2 with one line if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pieces", type=int, default=200, help="how many held-out pieces")
    parser.add_argument("--model", type=Path, help="an exported decoder; else the shipped one")
    parser.add_argument("--output", type=Path, default=RESULTS / "tempo.json")
    options = parser.parse_args(argv)
    return conclude(lambda: measure(options), options.output)


if __name__ == "__main__":
    sys.exit(main())
