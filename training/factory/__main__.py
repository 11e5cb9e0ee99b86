"""Write captioned clips to listen to."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from audio_chain.audio import Clip, Tags, encode
from audio_chain.errors import ChainError, UsageError
from training.factory.bank import open_bank
from training.factory.captions import caption
from training.factory.compose import compose
from training.factory.genres import GENRES
from training.factory.render import render
from training.factory.sampling import RATE


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.factory", description=__doc__)
    parser.add_argument("out", type=Path, help="folder for the .wav files and captions.jsonl")
    parser.add_argument("-n", type=int, default=24, help="number of clips")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--genre", help="of all clips; one genre after the other if not given")
    options = parser.parse_args(arguments)
    genres = [options.genre] if options.genre else list(GENRES)
    try:
        _write_clips(options.out, genres, options.n, options.seconds, options.seed)
    except ChainError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _write_clips(folder: Path, genres: list[str], count: int, seconds: float, seed: int) -> None:
    if count < 1 or seed < 0:
        raise UsageError("-n must be at least 1, and --seed at least 0")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"can't make the folder {folder}: {error.strerror}") from error
    bank = open_bank()
    generator = np.random.default_rng(seed)
    records = []
    for number, genre in enumerate(islice(cycle(genres), count)):
        score, attributes = compose(generator, seconds, genre=genre)
        text = caption(attributes, generator)
        clip = Clip(render(score, bank)[np.newaxis], RATE)
        path = encode(clip, folder / f"{number:05d}.wav", tags=Tags(title=genre, comment=text))
        records.append({"file": path.name, "caption": text, **asdict(attributes)})
        print(f"{path}  {text}")
    partial = folder / "captions.jsonl.partial"
    partial.write_text("".join(json.dumps(record) + "\n" for record in records))
    os.replace(partial, folder / "captions.jsonl")


if __name__ == "__main__":
    sys.exit(main())
