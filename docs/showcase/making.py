"""Run the commands that make the sound: ``audio-chain memo``, ``generate`` and ``eval bench``."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from audio_chain.errors import ChainError
from docs.showcase.requests import ROOT, Asked

MODEL: Final = "musicgen-nano"
SUITE: Final = "docs/showcase/sweep.yaml"
SWEEPS: Final[dict[str, tuple[float, ...]]] = {
    "guidance": (1, 2, 3, 5, 8),
    "temperature": (0.6, 0.8, 1, 1.2, 1.5),
    "top_k": (1, 10, 50, 250, 0),
    "steps": (4, 8, 16, 32, 64),
}
"""Values of each setting; 0 for top-k is no limit."""

DIFFUSION: Final = "stable-audio-nano"
"""The model whose `steps` are swept; the other settings are `MODEL`'s."""

TOO_MUCH: Final = 20
"""A guidance far beyond the sweep, for the page of failures."""

DEFAULTS: Final = {"guidance": 3, "temperature": 1, "top_k": 250, "steps": 16}
SEEDS: Final = (0, 1, 2, 3, 4)


def label(setting: str, value: float) -> str:
    """The model with one setting changed, as ``eval bench`` calls it."""
    model = DIFFUSION if setting == "steps" else MODEL
    return model if DEFAULTS[setting] == value else f"{model}:{setting}={value:g}"


def sweep_models() -> str:
    """All settings of the sweeps, and `TOO_MUCH`, for ``--models``."""
    labels = [label(name, value) for name, values in SWEEPS.items() for value in values]
    return ",".join(dict.fromkeys([*labels, label("guidance", TOO_MUCH)]))


def sweep_command(folder: str) -> tuple[str, ...]:
    """Compare the settings, one seed."""
    return "eval", "bench", SUITE, "--models", sweep_models(), "-o", folder


def seed_command(folder: str) -> tuple[str, ...]:
    """Compare seeds, with the default settings."""
    seeds = ",".join(map(str, SEEDS))
    return "eval", "bench", SUITE, "--models", MODEL, "--seeds", seeds, "-o", folder


def pair_command(asked: Asked, seed: int, folder: str) -> tuple[str, ...]:
    """Answer one request."""
    command, *rest = asked.arguments
    return command, "--seed", str(seed), "-o", folder, *rest


def run(arguments: Sequence[str]) -> None:
    """Run ``audio-chain`` in a process of its own.

    Raises
    ------
    ChainError
        It failed; the message is its own last line.
    """
    command = [sys.executable, str(ROOT / "cli.py"), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise ChainError(f"audio-chain {' '.join(arguments[:2])}: {lines[-1]}")


def make_pairs(asked: Sequence[Asked], seed: int, runs: Path) -> None:
    """Answer every request that has not been answered; a line each on stderr."""
    for one in asked:
        folder = runs / one.id
        if not (folder / "run.json").is_file():
            run(pair_command(one, seed, str(folder)))
            print(folder, file=sys.stderr, flush=True)


def make_sweeps(work: Path) -> None:
    """Run both benchmarks."""
    run(sweep_command(str(work / "sweep")))
    run(seed_command(str(work / "seeds")))
