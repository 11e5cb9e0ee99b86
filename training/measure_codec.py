"""Measure the shipped spectral codec on held-out pieces, and on recordings.

    python -m training.measure_codec [--pieces 200] [--recordings FILE...]

Codes and decodes stretches of 10 s, prints a table, and writes ``docs/results/codec.json``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audio_chain import models
from audio_chain.audio import probe, stream
from audio_chain.errors import UsageError
from audio_chain.nano.codec import SpectralCodecModel
from eval.bootstrap import Estimate, estimate, mean, median
from training.codec import perplexity, signal_to_noise
from training.factory.sampling import RATE
from training.fidelity import CHROMA, chroma_cosine
from training.held_out import SECONDS, held_out
from training.results import RESULTS, conclude, revisions
from training.shards import HELD_OUT_SEED

CODEC: Final = "spectral-codec-nano"
TARGETS: Final = {"snr_db_median": 6.5, "chroma_cqt": 0.99, "perplexity": 400}
SHORTEST: Final = 3.0  # seconds of a recording's last stretch, below which it is left out
SNR: Final = "10 log10 of the original's energy over that of the difference, whole stretches"


@dataclass(frozen=True, eq=False)
class Coded:
    """A stretch of audio after the codec.

    Attributes
    ----------
    snr_db : float
        Signal-to-noise ratio.
    chroma_cqt, chroma_stft : float
        As `chroma_cosine`.
    codes : Tensor
        (frames, codebooks).
    """

    snr_db: float
    chroma_cqt: float
    chroma_stft: float
    codes: Tensor


@torch.no_grad()
def code(model: SpectralCodecModel, audio: NDArray[np.float32]) -> Coded | None:
    """Code and decode mono audio (samples,) at the model's rate; None if it is silent."""
    original = torch.tensor(audio)
    coded = model.encode(original[None, None]).audio_codes
    assert coded is not None
    decoded = model.decode(coded).audio_values
    assert decoded is not None
    result = decoded[0, 0, : len(original)]
    rate = model.config.sampling_rate
    cqt = chroma_cosine(audio, result.numpy(), rate, "cqt")
    stft = chroma_cosine(audio, result.numpy(), rate, "stft")
    if cqt is None or stft is None:
        return None
    ratio = signal_to_noise(original[None], result[None]).item()
    return Coded(ratio, cqt, stft, coded[0, 0].t())


def held_out_audio(pieces: int) -> Iterator[NDArray[np.float32]]:
    """Return the first held-out pieces."""
    for item in held_out(pieces):
        yield item.clip.samples[0]


def recording_audio(path: Path, rate: int) -> Iterator[NDArray[np.float32]]:
    """A recording, mono at `rate`, in stretches of the held-out pieces' length."""
    for clip in stream(path, rate=rate, mono=True, block_seconds=SECONDS):
        if clip.seconds >= SHORTEST:
            yield clip.samples[0]


def check_recordings(paths: Sequence[Path]) -> None:
    """Refuse, before the long work, what can't be read or told apart in the results."""
    for path in paths:
        probe(path)
    names = [path.stem for path in paths]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"--recordings has two files called {name}: rename one")


def code_all(
    model: SpectralCodecModel, stretches: Iterable[NDArray[np.float32]], name: str
) -> list[Coded]:
    """Code stretches, leaving out silent ones; progress goes to stderr."""
    results = []
    for number, audio in enumerate(stretches, 1):
        coded = code(model, audio)
        if coded is not None:
            results.append(coded)
        if number % 20 == 0:
            print(f"{name}: {number} stretches", file=sys.stderr, flush=True)
    if not results:
        raise UsageError(f"{name}: there is no stretch of {SHORTEST:g} s with any sound to measure")
    return results


def summary(results: Sequence[Coded]) -> dict[str, Estimate]:
    """Figures over stretches."""
    ratios = [item.snr_db for item in results]
    return {
        "snr_db_median": estimate(median, ratios),
        "snr_db_mean": estimate(mean, ratios),
        "chroma_cqt": estimate(mean, [item.chroma_cqt for item in results]),
        "chroma_stft": estimate(mean, [item.chroma_stft for item in results]),
    }


def table(rows: dict[str, dict[str, Estimate]], perplexities: Sequence[float], size: int) -> str:
    """A Markdown table of the summaries, and the codebooks' use."""
    lines = [
        "| audio | stretches | SNR, median (dB) | SNR, mean (dB) | chroma, CQT | chroma, STFT |",
        "|---" * 6 + "|",
    ]
    for name, row in rows.items():
        cells = [
            f"{item.value:.{digits}f} ({item.low:.{digits}f} to {item.high:.{digits}f})"
            for item, digits in zip(row.values(), (2, 2, 4, 4), strict=True)
        ]
        count = row["snr_db_median"].count
        lines.append(f"| {name} | {count} | " + " | ".join(cells) + " |")
    used = ", ".join(f"{value:.0f}" for value in perplexities)
    return "\n".join([*lines, "", f"codebook perplexities, of {size}: {used}"])


def measure(pieces: int, recordings: Sequence[Path]) -> tuple[dict[str, Any], str]:
    """Measure everything.

    Returns
    -------
    results : dict
        For JSON.
    table : str
        For people.
    """
    folder = models.folders(models.CATALOGUE[CODEC])[CODEC]
    model = SpectralCodecModel.from_pretrained(folder, dtype=torch.float32)
    rate, size = model.config.sampling_rate, model.config.codebook_size
    assert rate == RATE, "the factory and the codec agree on the rate"
    coded = code_all(model, held_out_audio(pieces), "held-out pieces")
    perplexities = perplexity(torch.cat([item.codes for item in coded]), size)
    rows = {"held-out pieces": summary(coded)}
    for path in recordings:
        rows[path.stem] = summary(code_all(model, recording_audio(path, rate), path.stem))
    ours, *others = ({name: item.to_dict() for name, item in row.items()} for row in rows.values())
    command = f"python -m training.measure_codec --pieces {pieces}"
    if recordings:
        command = " ".join([command, "--recordings", *(path.name for path in recordings)])
    results = {
        "command": command,
        "models": revisions(CODEC),
        "codebooks": model.config.num_quantizers,
        "held_out": {"seed": HELD_OUT_SEED, "pieces": pieces, "seconds": SECONDS},
        "measures": {"snr_db": SNR, "chroma_cqt": CHROMA["cqt"], "chroma_stft": CHROMA["stft"]},
        "targets": TARGETS,
        "held_out_pieces": {**ours, "perplexity": [round(value, 1) for value in perplexities]},
        "recordings": {path.stem: row for path, row in zip(recordings, others, strict=True)},
    }
    return results, table(rows, perplexities, size)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; exit code 1 or 2 with one line if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pieces", type=int, default=200, help="held-out pieces of the factory")
    parser.add_argument("--recordings", type=Path, nargs="+", default=[], metavar="FILE")
    parser.add_argument("--output", type=Path, default=RESULTS / "codec.json")
    options = parser.parse_args(argv)

    def checked() -> tuple[dict[str, Any], str]:
        if options.pieces < 1:
            raise UsageError(f"--pieces must be at least 1, not {options.pieces}")
        check_recordings(options.recordings)
        return measure(options.pieces, options.recordings)

    return conclude(checked, options.output)


if __name__ == "__main__":
    sys.exit(main())
