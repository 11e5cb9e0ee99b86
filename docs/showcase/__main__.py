"""``python -m docs.showcase WORK``: make the sound of the report, and publish it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from audio_chain.errors import ChainError
from docs.showcase import making, publishing
from docs.showcase.requests import load_requests


def main(argv: Sequence[str] | None = None) -> int:
    """Make what is missing, then publish everything; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path, help="folder that keeps the sound, such as runs/report")
    parser.add_argument("--publish", action="store_true", help="make nothing, only publish")
    options = parser.parse_args(argv)
    work: Path = options.work
    runs = work / "runs"
    try:
        seed, asked = load_requests()
        if not options.publish:
            making.make_sweeps(work)
            making.make_pairs(asked, seed, runs)
        scores = publishing.score_pairs(runs, asked)
        clips = publishing.build_gallery(work)
        publishing.speak(asked)
        publishing.publish_pairs(asked, seed, runs, scores, clips)
        publishing.publish_sweeps(work, clips)
    except ChainError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
