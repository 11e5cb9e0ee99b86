"""`audio-chain eval bench SUITE`: compare models on a suite of prompts."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from audio_chain.errors import UsageError
from audio_chain.files import make_folder, shown
from audio_chain.terminal import printable

_DESCRIPTION: Final = """\
Generate the prompts of a suite with each model, score the clips, and write table.md, table.json,
table.csv, scores.json and plots. SUITE is coverage, hard, smoke, or a YAML file. A clip is made
once: stopped at any time, the same command goes on; models and seeds can be added later.

examples:
  audio-chain eval bench coverage --models musicgen-nano -o out
  audio-chain eval bench hard --models musicgen-nano,musicgen-nano:guidance=1 --seeds 0,1 -o out
"""


def add(actions: argparse._SubParsersAction[Any]) -> None:
    """Add the command to ``audio-chain eval``."""
    parser = actions.add_parser(
        "bench",
        help="compare models, or settings, on a suite of prompts",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=run)
    parser.add_argument("suite", metavar="SUITE", help="coverage, hard, smoke, or a YAML file")
    parser.add_argument(
        "--models",
        required=True,
        metavar="MODEL[:SETTING=X][,...]",
        help="music models; settings are guidance, temperature, top_k, top_p, steps, sampler, and "
        "lora=DIR[:X]",
    )
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="FOLDER", help="new, or to go on with"
    )
    parser.add_argument("--seconds", type=float, metavar="S", help="length (the suite's)")
    parser.add_argument("--seeds", default="0", metavar="N[,...]", help="clips a prompt (0)")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N prompts")
    parser.add_argument(
        "--clap", default="clap-nano", metavar="NAME", help="for the CLAP score (%(default)s)"
    )
    parser.add_argument(
        "--embedder", default="clap-nano", metavar="NAME", help="for FAD and KAD (%(default)s)"
    )
    parser.add_argument(
        "--reference",
        default="factory",
        metavar="REF",
        help="for FAD and KAD: factory (default), statistics, a folder, or a list of files",
    )
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or mps")
    parser.add_argument("--offline", action="store_true", help="never use the network")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Run the benchmark and print its table; return the exit code."""
    from eval.bench.contenders import parse_contenders
    from eval.bench.questions import load_questions
    from eval.needs import check_installed

    check_installed("a benchmark", "librosa", "matplotlib")
    questions = load_questions(arguments.suite)
    if arguments.limit is not None and arguments.limit < 1:
        raise UsageError(f"--limit must be at least 1, not {arguments.limit}")
    seconds = questions.suite.seconds if arguments.seconds is None else arguments.seconds
    if not 1 <= seconds <= 3600:
        raise UsageError(f"--seconds must be from 1 to 3600, not {seconds:g}")
    seeds = _seeds(arguments.seeds)
    contenders = parse_contenders(arguments.models)

    from eval.bench.runner import Settings
    from eval.bench.runner import run as run_bench
    from eval.bench.tables import markdown
    from eval.progress_bar import progress_bar

    make_folder(arguments.out)
    settings = Settings(
        questions=questions.first(arguments.limit),
        contenders=contenders,
        folder=arguments.out,
        seconds=seconds,
        seeds=seeds,
        clap=arguments.clap,
        embedder=arguments.embedder,
        reference=arguments.reference,
        device=arguments.device,
        offline=arguments.offline,
    )
    try:
        report = run_bench(settings, progress_bar)
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(f"clips are kept in {shown(arguments.out)}: the same command goes on")
        raise
    for one in report.contestants:
        for bad in one.scores.broken:
            print(printable(f"left out: {bad.path}: {bad.reason}"), file=sys.stderr)
    if arguments.json:
        print(json.dumps(report.to_dict(), ensure_ascii=False, allow_nan=False))
    else:
        print(markdown(report), end="")
    return 0


def _seeds(text: str) -> tuple[int, ...]:
    try:
        seeds = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--seeds must be whole numbers with commas, not {text!r}") from None
    if len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise UsageError(f"--seeds must be different and at least 0, not {text!r}")
    return seeds
