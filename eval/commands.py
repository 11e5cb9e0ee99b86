"""`audio-chain eval`: the group of commands that measure music. Light to import."""

from __future__ import annotations

import argparse
from typing import Any

from eval import adherence_command, bench_command, clap_command, fad_command


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the group to the program's commands."""
    group = commands.add_parser(
        "eval", help="measure music: FAD, CLAP score, adherence, benchmarks of models"
    )
    actions = group.add_subparsers(title="actions", required=True, metavar="ACTION")
    for command in (fad_command, clap_command, adherence_command, bench_command):
        command.add(actions)
