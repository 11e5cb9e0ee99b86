"""Whether the joints of long pieces can be heard: samples and spectra there and elsewhere.

    python -m benchmarks.joints [--pieces 12] [--seconds 20]

For every joint of two windows of musicgen-nano, and for the middle of each track's first window,
where there is none: the share of the track's moments with a smaller jump from sample to sample,
and with a smaller spectral flux. Without clicks the shares at joints are like those of the
control. Writes ``docs/results/joints-nano.json``.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from audio_chain import models
from audio_chain.generate import GenerationRequest, load_generator
from audio_chain.generate.musicgen import MusicgenGenerator
from training.results import RESULTS, write_results

FRAME = 640
"""Samples of one of the codec's frames."""

PROMPTS = (
    "A slow, sad solo piano piece.",
    "A fast, energetic house track with synth bass and drums at 125 bpm.",
    "A calm ambient piece with strings and a choir.",
    "Cheerful folk with acoustic guitar and flute.",
)


def jumps(samples: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The largest step from one sample to the next, around the beginning of each frame."""
    steps = np.abs(np.diff(samples))
    starts = range(FRAME, len(samples) - FRAME, FRAME)
    return np.array([steps[start - 64 : start + 64].max() for start in starts])


def flux(samples: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Spectral flux: how much louder bins become from the frame before to this one."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    spectra = np.log1p(np.abs(np.fft.rfft(frames * np.hanning(FRAME))))
    rises: np.ndarray[Any, Any] = np.maximum(np.diff(spectra, axis=0), 0).sum(1)
    return rises


def main() -> None:
    """Generate, measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pieces", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    generator = load_generator(models.CATALOGUE["musicgen-nano"], device="cpu")
    assert isinstance(generator, MusicgenGenerator)
    prompts = tuple(PROMPTS[piece % len(PROMPTS)] for piece in range(options.pieces))
    request = GenerationRequest(prompts, options.seconds, tuple(range(options.pieces)))
    joints = generator.joints(options.seconds)
    places = {"joints": joints, "control": (joints[0] // 2,)}
    record: dict[str, Any] = {"pieces": options.pieces, "seconds": options.seconds}
    shares: dict[str, list[float]] = {}
    for clip in generator.generate(request):
        for name, measure in (("jump", jumps), ("flux", flux)):
            values = measure(clip.samples[0])
            for place, frames in places.items():
                shares.setdefault(f"{name} at {place}", []).extend(
                    float((values < values[frame - 1]).mean()) for frame in frames
                )
    for name, found in shares.items():
        median, above = np.median(found), np.mean(np.array(found) > 0.9)
        record[name] = {"median": round(float(median), 3), "beyond p90": round(float(above), 3)}
        print(f"{name:<16} median rank {median:.2f}, {above:.0%} beyond the 90th percentile")
    write_results(RESULTS / "joints-nano.json", record)


if __name__ == "__main__":
    main()
