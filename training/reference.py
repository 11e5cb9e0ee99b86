"""Make the reference statistics that are shipped: held-out pieces as CLAP-nano hears them.

    python -m training.reference [--pieces 2048]

Has to be run again whenever CLAP-nano's weights change: statistics of another revision are
refused. Needs the soundfont, as all of the factory does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from audio_chain.errors import ChainError, UsageError
from eval import sides
from eval.embedders import load_embedder
from eval.gaussian import Accumulator, Gaussian
from training.held_out import SECONDS, held_out
from training.shards import HELD_OUT_SEED

EMBEDDER: Final = "clap-nano"
REFERENCES: Final = Path(sides.__file__).parent / "references"


def reference(pieces: int) -> Gaussian:
    """Embed the first held-out pieces; progress goes to stderr."""
    embedder = load_embedder(EMBEDDER, device="cpu")
    accumulator = Accumulator(embedder.dimensions)
    for item in held_out(pieces):
        accumulator.add(embedder.embed(item.clip))
        if (item.number + 1) % 200 == 0:
            print(f"{item.number + 1} pieces", file=sys.stderr, flush=True)
    note = f"{pieces} pieces of {SECONDS:g} s by the data factory, seed {HELD_OUT_SEED}"
    return accumulator.finish(embedder.origin, note=note)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; exit code 1 or 2 with one line if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pieces", type=int, default=2048, help="how many held-out pieces")
    parser.add_argument("--output", type=Path, default=REFERENCES / sides.READY_MADE["factory"])
    options = parser.parse_args(argv)
    try:
        if options.pieces < 2:
            raise UsageError(f"--pieces must be at least 2, not {options.pieces}")
        options.output.parent.mkdir(parents=True, exist_ok=True)
        print(reference(options.pieces).save(options.output))
    except ChainError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
