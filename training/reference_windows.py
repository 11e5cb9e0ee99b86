"""Make the sample of the reference that is shipped for KAD: what CLAP-nano hears in some pieces.

    python -m training.reference_windows [--pieces 500]

Has to be run again whenever CLAP-nano's weights change, as `training.reference`: windows of another
revision are not used. Needs the soundfont, as all of the factory does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from audio_chain.errors import ChainError, UsageError
from eval import bench
from eval.bench.reference import WINDOWS, Windows
from eval.embedders import load_embedder
from training.held_out import SECONDS, held_out
from training.shards import HELD_OUT_SEED

SHIPPED: Final = Path(bench.__file__).parent / WINDOWS


def windows(pieces: int) -> Windows:
    """Embed the first held-out pieces."""
    embedder = load_embedder("clap-nano", device="cpu")
    embeddings = np.concatenate([embedder.embed(item.clip) for item in held_out(pieces)])
    note = f"{pieces} pieces of {SECONDS:g} s by the data factory, seed {HELD_OUT_SEED}"
    return Windows(embeddings, embedder.origin, note)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; exit code 1 or 2 with one line if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pieces", type=int, default=500, help="how many held-out pieces")
    parser.add_argument("--output", type=Path, default=SHIPPED)
    options = parser.parse_args(argv)
    try:
        if options.pieces < 2:
            raise UsageError(f"--pieces must be at least 2, not {options.pieces}")
        windows(options.pieces).save(options.output)
    except ChainError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
