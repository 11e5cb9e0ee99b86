"""`audio-chain finetune FOLDER -o DIR`: teach a music model a style."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any, Final

from audio_chain.errors import ChainError, UsageError
from audio_chain.files import shown
from audio_chain.progress import Progress, silent
from audio_chain.terminal import printable

_DESCRIPTION: Final = """\
Teach a music model the style of a folder of music: a LoRA adapter in peft's format, used with
--lora by generate, memo and eval bench. Captions are taken from song.txt or song.json beside
song.mp3, or from a captions.jsonl or .csv in the folder; songs without one are measured and heard.
Edit DIR/captions.jsonl after --prepare-only. Stopped at any time, the same command goes on. At the
end the model is measured without and with the adapter.

examples:
  audio-chain finetune my-songs -o my-style --prepare-only
  audio-chain finetune my-songs -o my-style --phrase "in my style"
  audio-chain generate "a slow piece, in my style" --lora my-style
  audio-chain finetune my-songs -o my-sounds --model stable-audio-nano
"""


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the program's."""
    parser = commands.add_parser(
        "finetune",
        help="teach a music model the style of a folder of music",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=run)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="audio of any format")
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="DIR", help="new, or to go on with"
    )
    parser.add_argument(
        "--model",
        default="musicgen-nano",
        help="a MusicGen or a Stable Audio: a name, a folder or a hub id (%(default)s)",
    )
    parser.add_argument("--device", default="auto", help="auto (default), cpu or cuda")
    parser.add_argument("--offline", action="store_true", help="never use the network")
    parser.add_argument("--json", action="store_true", help="print what was noted as JSON")
    _add_data(parser.add_argument_group("music"))
    _add_recipe(parser.add_argument_group("training"))
    _add_measuring(parser.add_argument_group("measuring"))


def _add_data(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--captions", type=Path, metavar="FILE", help="CSV or JSON lines")
    group.add_argument("--phrase", default="", metavar="TEXT", help="words added to all captions")
    group.add_argument("--seconds", type=float, default=10.0, help="longest piece (%(default)g)")
    group.add_argument("--no-loudness", action="store_true", help="leave the songs' levels")
    group.add_argument(
        "--held-out", type=Path, metavar="DIR", help="songs to validate with (a tenth of FOLDER)"
    )
    group.add_argument("--prepare-only", action="store_true", help="write captions, and stop")


def _add_recipe(group: argparse._ArgumentGroup) -> None:
    from audio_chain.finetune.recipe import Recipe

    texts = {
        "rank": "of the matrices learnt",
        "alpha": "strength of what is learnt, over the rank (twice the rank)",
        "targets": "layers: all or attention",
        "steps": "at most",
        "batch": "pieces a step",
        "accumulate": "parts that a batch is computed in, to save memory",
        "learning_rate": "its highest value",
        "caption_dropout": "share of captions left out, with --keep 0",
        "keep": "weight of staying as it is for ordinary prompts; 0 for not",
        "every": "steps between validations",
        "patience": "validations without gain after which to stop",
        "sample_every": "steps between samples; 0 for none",
        "seed": "of all chance",
    }
    for name, text in texts.items():
        value = getattr(Recipe, name)
        shown_value = "" if name == "alpha" else f" ({value})"
        group.add_argument(
            f"--{name.replace('_', '-')}",
            type=type(value),
            default=None if name == "alpha" else value,
            metavar="X" if isinstance(value, float) else "N" if isinstance(value, int) else "NAME",
            help=text + shown_value,
        )
    group.add_argument("--checkpointing", action="store_true", help="compute more, keep less")


def _add_measuring(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--no-measure", action="store_true", help="skip it")
    group.add_argument(
        "--style-clips", type=int, default=24, metavar="N", help="for FAD and KAD (%(default)s)"
    )
    group.add_argument(
        "--prompts", type=int, default=24, metavar="N", help="ordinary ones (%(default)s)"
    )
    group.add_argument("--embedder", default="clap-nano", metavar="NAME", help="(%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Prepare, train and measure; return the exit code."""
    from eval.needs import check_installed

    check_installed("fine-tuning", "librosa")
    order = _order(arguments)

    from audio_chain.finetune.team import join_team
    from eval.finetune.running import FineTuning, check_out
    from eval.progress_bar import progress_bar

    is_new = not order.out.exists()
    check_out(order.out)
    team = join_team(order.device)
    try:
        work = FineTuning(order, progress_bar if team.leads else _unseen, team)
        prepared = work.prepare()
        if not team.leads:
            if not arguments.prepare_only:
                work.train(prepared)
                team.part()
            return 0
        if not arguments.json:
            print("\n".join(printable(line) for line in _prepared_lines(prepared.report)))
        if arguments.prepare_only:
            if arguments.json:
                print(json.dumps(prepared.report, ensure_ascii=False))
            else:
                print(f"captions to edit: {order.out / 'captions.jsonl'}")
            return 0
        notes = work.train(prepared)
        team.part()
        notes = work.measure(prepared, notes)
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(f"what is done is kept in {shown(order.out)}: the same command goes on")
        raise
    except ChainError:
        if is_new:
            with suppress(OSError):  # there is something in it
                order.out.rmdir()
        raise
    if arguments.json:
        print(json.dumps(notes, ensure_ascii=False, allow_nan=False))
    else:
        print("\n".join(printable(line) for line in _trained_lines(notes, order.out)))
    return 0


def _unseen(title: str) -> AbstractContextManager[Progress]:
    """The bar of a process that doesn't speak."""
    return nullcontext(silent)


def _order(arguments: argparse.Namespace) -> Any:
    from audio_chain.finetune.coding import Slicing
    from audio_chain.finetune.preparing import Preparation
    from audio_chain.finetune.recipe import Recipe
    from eval.finetune.measuring import Plan
    from eval.finetune.running import Order

    if not 3 <= arguments.seconds <= 60:
        raise UsageError(f"--seconds must be from 3 to 60, not {arguments.seconds:g}")
    if not (4 <= arguments.style_clips <= 1000 and 2 <= arguments.prompts <= 100):
        raise UsageError("--style-clips must be from 4 to 1000, and --prompts from 2 to 100")
    names = [
        *("rank", "targets", "steps", "batch", "accumulate", "learning_rate", "caption_dropout"),
        *("keep", "every", "patience", "sample_every", "seed", "checkpointing"),
    ]
    chosen = {name: getattr(arguments, name) for name in names}
    alpha = 2.0 * arguments.rank if arguments.alpha is None else arguments.alpha
    plan = Plan(arguments.style_clips, arguments.prompts, arguments.seconds)
    return Order(
        folder=arguments.folder,
        out=arguments.out,
        model=arguments.model,
        preparation=Preparation(
            slicing=Slicing(most=arguments.seconds, levelled=not arguments.no_loudness),
            phrase=" ".join(arguments.phrase.split()),
            seed=arguments.seed,
        ),
        recipe=Recipe(**chosen, alpha=alpha),
        plan=None if arguments.no_measure else plan,
        table=arguments.captions,
        held_out=arguments.held_out,
        embedder=arguments.embedder,
        device=arguments.device,
        offline=arguments.offline,
    )


def _prepared_lines(report: Mapping[str, Any]) -> Iterator[str]:
    train, aside = report["train"], report["validation"]
    yield (
        f"{report['found']['files']} files: {train['seconds'] / 60:.1f} minutes in "
        f"{train['pieces']} pieces to learn from, {aside['seconds'] / 60:.1f} kept aside"
    )
    sources = ", ".join(f"{count} {origin}" for origin, count in report["captions"].items())
    yield f"captions: {sources}"
    left_out = report["dropped"]
    if left_out:
        counts = Counter(one["file"] for one in left_out)
        yield f"left out: {len(left_out)} stretches or files of {len(counts)}"
        for one in left_out[:5]:
            print(printable(f"left out: {one['file']}: {one['reason']}"), file=sys.stderr)


def _trained_lines(notes: Mapping[str, Any], out: Path) -> Iterator[str]:
    from eval.finetune.measuring import figures

    best = notes["best"]
    yield (
        f"validation loss {notes['first']['loss']:.3f} -> {best['loss']:.3f} at step "
        f"{best['step']} of {notes['steps']}, {notes['seconds']:.0f} s"
    )
    if notes.get("steps_a_second"):
        several = f", {notes['processes']} processes" if notes["processes"] > 1 else ""
        yield f"{notes['steps_a_second']:.2f} steps a second{several}"
    yield from figures(notes.get("measured", {}).get("rows", ()))
    yield f"{out / 'adapter_model.safetensors'}"
    yield f"{out / 'index.html'}"
