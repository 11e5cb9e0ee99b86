"""Measure what Stable-Audio-nano keeps of a piece that it varies, or makes a part of anew.

    python -m training.measure_editing [--pieces 16] [--seed 0]

Held-out pieces are inpainted from 4 to 6 s: outside, the result is held against the piece after the
autoencoder, which it should equal, and inside against the same, which it should not. Then each is
varied towards the prompt of the next piece: with more strength CLAP-nano should hear less of the
piece and more of the prompt. Writes ``docs/results/editing-nano.json``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from audio_chain import models
from audio_chain.clip import Clip
from audio_chain.errors import UsageError
from audio_chain.generate import GenerationRequest, load_generator
from audio_chain.nano.autoencoder import SpectralAutoencoder
from eval.adherence.listener import load_listener
from eval.bootstrap import estimate, mean
from training.held_out import SECONDS, held_out
from training.measure_stable_audio import GENERATOR
from training.results import RESULTS, conclude, revisions

SPAN: Final = (4.0, 6.0)
STRENGTHS: Final = (0.3, 0.5, 0.7, 0.9)


def signal_to_noise(signal: Clip, other: Clip, begin: float, end: float) -> float:
    """Decibels between a signal and what differs from it, from `begin` to `end` seconds."""
    part = slice(round(begin * signal.rate), round(end * signal.rate))
    wanted, found = signal.samples[:, part].astype(float), other.samples[:, part].astype(float)
    error = np.square(found - wanted).sum()
    return float(10 * np.log10(max(np.square(wanted).sum(), 1e-12) / max(error, 1e-12)))


def coded(autoencoder: SpectralAutoencoder, clip: Clip) -> Clip:
    """Pass a clip through the autoencoder."""
    audio = torch.tensor(clip.samples)[None]
    samples = autoencoder.decode(autoencoder.encode(audio))[0, :, : clip.frames]
    return Clip(samples.numpy(), clip.rate)


def measure(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Measure everything: results for JSON, and a table for people."""
    if options.pieces < 2 or options.seed < 0:
        raise UsageError("--pieces must be at least 2, --seed at least 0")
    card = models.CATALOGUE[GENERATOR]
    folders = models.folders(card)
    codec = folders["spectral-codec-nano"]
    autoencoder = SpectralAutoencoder.from_pretrained(folders[GENERATOR] / "vae", codec)
    generator, listener = load_generator(card, device="cpu"), load_listener()
    items = list(held_out(options.pieces))
    heard = [listener.hear(item.clip).embedding for item in items]
    texts = listener.embed_text([item.prompt for item in items])
    figures: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        figures.setdefault(name, []).append(value)

    for number, item in enumerate(items):
        through = coded(autoencoder, item.clip)
        note("autoencoder_snr_db", signal_to_noise(item.clip, through, 0, SECONDS))
        seeds = (options.seed + number,)
        (anew,) = generator.generate(
            GenerationRequest((item.prompt,), SECONDS, seeds, source=item.clip, inpaint=SPAN)
        )
        note("inpainted_before_snr_db", signal_to_noise(through, anew, 0, SPAN[0]))
        note("inpainted_after_snr_db", signal_to_noise(through, anew, SPAN[1], SECONDS))
        note("inpainted_inside_snr_db", signal_to_noise(through, anew, *SPAN))
        note("inpainted_like_prompt", float(listener.hear(anew).embedding @ texts[number]))
        other = (number + 1) % len(items)
        for strength in STRENGTHS:
            (varied,) = generator.generate(
                GenerationRequest(
                    (items[other].prompt,), SECONDS, seeds, source=item.clip, strength=strength
                )
            )
            embedding = listener.hear(varied).embedding
            note(f"varied_{strength:g}_like_piece", float(embedding @ heard[number]))
            note(f"varied_{strength:g}_like_prompt", float(embedding @ texts[other]))
    found = {name: estimate(mean, row, seed=options.seed) for name, row in figures.items()}
    results = {
        "command": f"python -m training.measure_editing --pieces {options.pieces} "
        f"--seed {options.seed}",
        "models": revisions(GENERATOR, "clap-nano"),
        "pieces": options.pieces,
        "span": SPAN,
        "figures": {name: one.to_dict() for name, one in found.items()},
    }
    lines = ["| figure | mean |", "|---|---|"]
    lines += [f"| {name.replace('_', ' ')} | {one.value:.3f} |" for name, one in found.items()]
    return results, "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; exit code 1 or 2 with one line if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pieces", type=int, default=16, help="how many held-out pieces")
    parser.add_argument("--seed", type=int, default=0, help="of the clips and of the intervals")
    parser.add_argument("--output", type=Path, default=RESULTS / "editing-nano.json")
    options = parser.parse_args(argv)
    return conclude(lambda: measure(options), options.output)


if __name__ == "__main__":
    sys.exit(main())
