"""Options that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audio_chain.request import DEFAULT_SECONDS, FORMATS, MemoRequest


def add_models(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """Options that choose models and where they run."""
    group = parser.add_argument_group("models")
    group.add_argument("--preset", default="offline", help="offline (default), small or quality")
    helps = {
        "whisper": "speech recogniser: a name of `audio-chain models`, a folder or a hub id",
        "llm": "language model: likewise, or a GGUF file, or http://host:port/v1#model",
        "model": "music model: a name of `audio-chain models`, a folder or a hub id",
    }
    for name in names:
        group.add_argument(f"--{name}", metavar="MODEL", help=helps[name])
    group.add_argument("--device", default="auto", help="auto (default), cpu, cuda or mps")
    group.add_argument("--offline", action="store_true", help="never use the network")


def add_music(parser: argparse.ArgumentParser) -> None:
    """Options of the sampler and of the sound. Defaults are `MemoRequest`'s."""
    default = MemoRequest(prompt="-")
    group = parser.add_argument_group("music")

    def option(flag: str, kind: type[Any], text: str, metavar: str, **more: Any) -> None:
        group.add_argument(flag, type=kind, help=text, metavar=metavar, **more)

    option("-n", int, "tracks, each with the next seed (1)", "N", dest="count", default=1)
    option("--seconds", float, f"length (what is said, or {DEFAULT_SECONDS:g})", "S")
    option("--seed", int, "repeatable chance (default: drawn, and recorded)", "N")
    shown = {
        "guidance": "how strongly the words steer; 1 is without exaggeration",
        "temperature": "how daring the sampler is",
        "top_k": "sample among so many tokens; 0 is all",
        "top_p": "sample among the likeliest tokens of this sum; 0 is off",
    }
    for name, text in shown.items():
        value = getattr(default, name)
        flag = f"--{name.replace('_', '-')}"
        option(flag, type(value), f"{text} ({value:g})", "X", default=value)
    option("--guidance-end", float, "guidance at the end, where it is to change evenly", "X")
    option("--continue-from", Path, "audio that the music begins with; --seconds counts it", "FILE")
    option("--melody", Path, "audio whose melody the music follows (musicgen-melody)", "FILE")
    group.add_argument("--format", choices=FORMATS, default=default.format, help="(%(default)s)")
    group.add_argument("--no-loudness", action="store_true", help="don't bring it to -14 LUFS")
    group.add_argument("--no-fades", action="store_true", help="don't fade the ends")


def add_output(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("output")
    group.add_argument(
        "-o", "--out", type=Path, metavar="FOLDER", help="run folder to make (runs/<time>-<name>)"
    )
    group.add_argument("--json", action="store_true", help="events as JSON lines on stdout")
