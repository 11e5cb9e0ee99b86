"""`audio-chain eval clap DIR`: how well music fits the words that it was made from."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from audio_chain.terminal import printable

if TYPE_CHECKING:
    from eval.bootstrap import Estimate
    from eval.clap_score import ClapScore

DEFAULT_EMBEDDER: Final = "clap-nano"

_DESCRIPTION: Final = """\
CLAP score: the cosine between music and words in the space of a CLAP, the mean over all files with
its interval. Beside it stands what the same files score when their captions are shuffled, and how
often a file's own caption beats another one: without these a CLAP score says little.

DIR is a run folder or a folder of them, whose prompts are the captions; or any folder, list of
files or file, with captions in --captions, in DIR/captions.jsonl or .csv, or in a .txt beside each
file. clap-nano knows music like the data factory's; for recordings take clap-music.
"""


def add(actions: argparse._SubParsersAction[Any]) -> None:
    """Add the command to ``audio-chain eval``."""
    parser = actions.add_parser(
        "clap",
        help="how well music fits its words (CLAP score), beside shuffled words",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=run)
    parser.add_argument("where", type=Path, metavar="DIR", help="run folders, or audio files")
    parser.add_argument(
        "--captions",
        type=Path,
        metavar="FILE",
        help="CSV (with a header) or JSON lines: file, caption",
    )
    parser.add_argument(
        "--embedder",
        default=DEFAULT_EMBEDDER,
        metavar="NAME",
        help="clap-nano (default), clap-music, clap-general, or a folder",
    )
    parser.add_argument(
        "--clips", action="store_true", help="print each file's score as well, the worst first"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of chance (%(default)s)")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or mps")
    parser.add_argument("--offline", action="store_true", help="never use the network")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Score and print; return the exit code."""
    score = measure(arguments)
    if arguments.json:
        print(json.dumps(score.to_dict(), ensure_ascii=False, allow_nan=False))
    else:
        print("\n".join(lines(score, clips=arguments.clips)))
    return 0


def measure(arguments: argparse.Namespace) -> ClapScore:
    """Do what the command line asks for.

    Raises
    ------
    ChainError
        Something can't be read or embedded; one line.
    """
    from audio_chain.errors import UsageError
    from eval.captions import captioned_files
    from eval.clap_score import clap_score
    from eval.embedders import load_text_embedder
    from eval.progress_bar import progress_bar

    if arguments.seed < 0:
        raise UsageError(f"--seed must be at least 0, not {arguments.seed}")
    found = captioned_files(arguments.where, arguments.captions)
    with progress_bar("fetching") as progress:
        embedder = load_text_embedder(
            arguments.embedder,
            device=arguments.device,
            offline=arguments.offline,
            progress=progress,
        )
    with progress_bar("listening") as progress:
        score = clap_score(embedder, found.pairs, seed=arguments.seed, progress=progress)
    return replace(score, broken=(*found.left_out, *score.broken))


def lines(score: ClapScore, *, clips: bool = False) -> Iterator[str]:
    """Write a score as text."""
    used, left = len(score.clips), len(score.broken)
    origin = score.origin
    yield f"{used} of {used + left} files used, embedded by {origin.embedding}"
    yield f"CLAP score           {_figure(score.score)}"
    if score.shuffled is None:
        yield "shuffled captions    not possible: more than half of the files share one caption"
    else:
        shuffled = score.shuffled
        yield (
            f"shuffled captions    {shuffled.mean:.3f} (95 % of {shuffled.shuffles} shuffles: "
            f"{shuffled.low:.3f} to {shuffled.high:.3f})"
        )
    if score.beats is not None:
        yield f"own beats another    {_figure(score.beats)}; chance is 0.5"
    if clips:
        for clip in sorted(score.clips, key=lambda clip: clip.score):
            yield f"{clip.score:7.3f}  {printable(str(clip.path))}  {printable(clip.caption)}"
    for one in score.broken:
        yield f"left out: {printable(one.reason)}"


def _figure(figure: Estimate) -> str:
    return f"{figure.value:.3f} (95 % interval {figure.low:.3f} to {figure.high:.3f})"
