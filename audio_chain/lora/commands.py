"""``audio-chain lora``: say what an adapter is, and merge adapters into a model of its own."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from audio_chain.errors import UsageError
from audio_chain.terminal import printable


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the group to the program's commands."""
    group = commands.add_parser(
        "lora",
        help="adapters made by finetune: what they are, merging them",
        description="Say what a LoRA adapter is, or merge adapters into a model of its own.",
    )
    actions = group.add_subparsers(required=True, metavar="ACTION")

    info = actions.add_parser("info", help="say what an adapter was trained on, and how well")
    info.set_defaults(command=_info)
    info.add_argument("folder", type=Path, metavar="DIR")
    info.add_argument("--json", action="store_true", help="print JSON")

    merge = actions.add_parser("merge", help="write a model with adapters merged into it")
    merge.set_defaults(command=_merge)
    merge.add_argument(
        "adapters", nargs="+", metavar="DIR[:STRENGTH]", help="adapters for one model (strength 1)"
    )
    merge.add_argument(
        "-o", "--out", type=Path, required=True, metavar="MODEL", help="folder to make"
    )
    merge.add_argument("--model", help="the base, where it isn't found by the name it had")
    merge.add_argument("--offline", action="store_true", help="never use the network")


def _info(arguments: argparse.Namespace) -> int:
    from audio_chain.lora.describing import describe, lines

    facts = describe(arguments.folder)
    if arguments.json:
        print(json.dumps(facts, ensure_ascii=False))
    else:
        print("\n".join(printable(line) for line in lines(facts)))
    return 0


def _merge(arguments: argparse.Namespace) -> int:
    from audio_chain import models
    from audio_chain.lora.adapter import parse_spec, read_adapter
    from audio_chain.lora.choosing import adapted
    from audio_chain.lora.exporting import export

    bases = {read_adapter(*parse_spec(spec)).base for spec in arguments.adapters}
    if len(bases) > 1 and not arguments.model:
        raise UsageError(f"the adapters are for different models: {', '.join(sorted(bases))}")
    card = models.resolve(arguments.model or bases.pop(), "generate")
    card = adapted(card, arguments.adapters)
    folder = models.folders(card, offline=arguments.offline)[card.name]
    print(export(folder, card.lora, arguments.out))
    return 0
