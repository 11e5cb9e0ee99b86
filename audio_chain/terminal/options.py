"""Options that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audio_chain.generate import PRECISIONS
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
    group.add_argument(
        "--lora",
        action="append",
        default=[],
        metavar="DIR[:STRENGTH]",
        help="an adapter made by finetune for the music model; can be given again",
    )
    group.add_argument("--device", default="auto", help="auto (default), cpu, cuda or mps")
    group.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="auto",
        help="of a MusicGen's weights (%(choices)s)",
    )
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
    option("--guidance", float, "how strongly the words steer; 1 is plainly (the model's own)", "X")
    option("--continue-from", Path, "audio that the music begins with; --seconds counts it", "FILE")
    group.add_argument("--format", choices=FORMATS, default=default.format, help="(%(default)s)")
    group.add_argument("--no-loudness", action="store_true", help="don't bring it to -14 LUFS")
    group.add_argument("--no-fades", action="store_true", help="don't fade the ends")

    tokens = parser.add_argument_group("of MusicGen")
    tokens.add_argument("--temperature", type=float, metavar="X", help="how daring it is (1)")
    tokens.add_argument(
        "--top-k", type=int, metavar="N", help="sample among so many tokens; 0 is all (250)"
    )
    tokens.add_argument(
        "--top-p",
        type=float,
        metavar="X",
        help="sample among the likeliest tokens of this sum; 0 is off (0)",
    )
    tokens.add_argument(
        "--guidance-end",
        type=float,
        metavar="X",
        help="guidance at the end, where it is to change evenly",
    )
    tokens.add_argument(
        "--melody",
        type=Path,
        metavar="FILE",
        help="audio whose melody the music follows (musicgen-melody)",
    )
    diffusion = parser.add_argument_group("of Stable Audio")
    diffusion.add_argument("--steps", type=int, metavar="N", help="of the way from noise")
    diffusion.add_argument(
        "--sampler", metavar="NAME", help="dpmpp-2m-sde, dpmpp-2m, euler or pingpong"
    )
    diffusion.add_argument(
        "--variation-of", type=Path, metavar="FILE", help="audio to vary, or to change a part of"
    )
    diffusion.add_argument(
        "--strength",
        type=float,
        metavar="X",
        help="how far a variation may go: 0 not at all, 1 anywhere (0.6; 1 with --inpaint)",
    )
    diffusion.add_argument(
        "--inpaint",
        type=_span,
        metavar="A-B",
        help="make only this part anew, in seconds, such as 4-6",
    )


def _span(text: str) -> tuple[float, float]:
    """Read ``4-6`` or ``0.5-2.25``."""
    begin, dash, end = text.partition("-")
    try:
        if not dash:
            raise ValueError
        return float(begin), float(end)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no part such as 4-6, from and to in seconds"
        ) from None


def add_output(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("output")
    group.add_argument(
        "-o", "--out", type=Path, metavar="FOLDER", help="run folder to make (runs/<time>-<name>)"
    )
    group.add_argument("--json", action="store_true", help="events as JSON lines on stdout")
