"""The command line's own help, as it prints it."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache

from docs.hooks.results import ROOT, MissingFigureError


@cache
def help_of(command: str) -> str:
    """What ``audio-chain COMMAND --help`` prints, as a block of code.

    Raises
    ------
    MissingFigureError
        There is no such command.
    """
    done = subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), *command.split(), "--help"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "88"},
    )
    if done.returncode:
        raise MissingFigureError(f"audio-chain {command} --help: {done.stderr.strip()[-200:]}")
    return f"```text\n{done.stdout.rstrip()}\n```"
