"""The clips of a benchmark (`audio-chain eval bench`) as exhibits.

They are no runs: the ``.json`` beside each clip tells what it is, and they were not mastered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from audio_chain.errors import UsageError
from audio_chain.files import read_json, shown
from eval.gallery.exhibits import Exhibit, shell_word
from eval.gallery.scores import ScoreFiles

CLIPS: Final = "clips"
SUFFIX: Final = ".flac"

_FORMAT: Final = 1
_SETTINGS: Final = ("guidance", "temperature", "top_k", "top_p", "steps", "sampler")
_IN_LABEL: Final = re.compile(rf"(?::(?:{'|'.join(_SETTINGS)})=[^:=]*)+$")


def is_description(path: Path) -> bool:
    """Whether a file lies where a benchmark describes a clip: ``clips/MODEL/NAME.json``."""
    return (
        path.suffix == ".json"
        and path.parent.parent.name == CLIPS
        and path.with_suffix(SUFFIX).is_file()
    )


def read_clip(path: Path, scores: ScoreFiles) -> Exhibit:
    """Read the description of a clip.

    Raises
    ------
    UsageError
        It is none, or of another version.
    """
    raw = read_json(path, "description of a clip")
    if raw.get("format") != _FORMAT:
        raise UsageError(f"{shown(path)} does not describe a clip (or for another version)")
    try:
        prompt, request = raw["prompt"], raw["request"]
        text, asks = str(prompt["text"]), dict(prompt.get("asks", {}))
        seed, seconds = int(request["seeds"][0]), float(request["seconds"])
        model = _IN_LABEL.sub("", str(raw["model"]))
        settings = {name: request[name] for name in _SETTINGS if request.get(name) is not None}
        sound = path.with_suffix(SUFFIX)
        return Exhibit(
            track=sound,
            run=path,
            title=str(prompt["id"]),
            prompt=text,
            negative=str(request.get("negative", "")),
            seed=seed,
            created="",
            seconds=seconds,
            models={"generate": model},
            settings={**settings, "kind": str(prompt.get("kind", ""))},
            command=_command(text, model, seed, seconds, settings),
            brief=asks or None,
            asked_bpm=asks.get("bpm"),
            asked_key=asks.get("key"),
            scores=scores.of(sound),
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UsageError(f"{shown(path)} does not describe a clip: {error!r}") from None


def _command(text: str, model: str, seed: int, seconds: float, settings: Mapping[str, Any]) -> str:
    options = {"model": model, "seed": seed, "seconds": f"{seconds:g}", **settings}
    words = [f"--{name.replace('_', '-')} {shell_word(str(one))}" for name, one in options.items()]
    start = f"audio-chain generate {' '.join(words)} --no-loudness --no-fades"
    return f"{start} {'-- ' if text.startswith('-') else ''}{shell_word(text)}"
