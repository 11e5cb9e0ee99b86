"""Measure Stable-Audio-nano on the prompts that MusicGen-nano is measured on, in the same way.

    python -m training.measure_stable_audio [--prompts 200] [--solos 100] [--steps 16]

See `training.measure_musicgen`. Writes ``docs/results/stable-audio-nano.json``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final

from audio_chain.errors import UsageError
from audio_chain.generate import GenerationRequest
from training.held_out import SECONDS, HeldOut
from training.measure_musicgen import measure, parser_for
from training.results import conclude

GENERATOR: Final = "stable-audio-nano"


def request_for(item: HeldOut, seed: int, guidance: float, steps: int) -> GenerationRequest:
    """Ask for a piece as the product does; every piece has a seed of its own."""
    return GenerationRequest(
        (item.prompt,), SECONDS, (seed + item.number,), guidance=guidance, steps=steps
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; exit code 1 or 2 with one line if something is wrong."""
    parser = parser_for(GENERATOR, __doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--steps", type=int, default=16)
    options = parser.parse_args(argv)

    def measured() -> tuple[dict[str, Any], str]:
        if options.steps < 1:
            raise UsageError("--steps must be at least 1")
        return measure(
            GENERATOR,
            lambda item: request_for(item, options.seed, options.guidance, options.steps),
            options,
            f"python -m training.measure_stable_audio --steps {options.steps}",
            {"steps": options.steps},
        )

    return conclude(measured, options.output)


if __name__ == "__main__":
    sys.exit(main())
