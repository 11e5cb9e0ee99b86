"""The clips of a benchmark on disk: each made once, known again by all that determines it.

``clips/MODEL/PROMPT-SEED-KEY.flac`` is a clip and the ``.json`` beside it says what it is. The
key is a hash of the weights and the request. The sound is written first, each file whole, so a
``.json`` means that both are there.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from audio_chain.audio import Tags, encode
from audio_chain.clip import Clip
from audio_chain.errors import ChainError, UsageError
from audio_chain.files import read_json, shown, write_whole
from audio_chain.generate import GenerationRequest
from eval.adherence.asked import Asked
from eval.bench.contenders import Contender, Weights
from prompts.suite import SuitePrompt

FORMAT: Final = 1
CLIPS: Final = "clips"
_KEY_DIGITS: Final = 12


@dataclass(frozen=True)
class Task:
    """A clip to make.

    Attributes
    ----------
    contender : Contender
        What makes it.
    weights : Weights
        On which weights.
    prompt : SuitePrompt
    asked : Asked
        What the prompt asks, for scoring.
    seed : int
        Of the benchmark; `request` has the clip's own.
    seconds : float
    """

    contender: Contender
    weights: Weights
    prompt: SuitePrompt
    asked: Asked
    seed: int
    seconds: float

    @property
    def request(self) -> GenerationRequest:
        """What the generator is asked."""
        seed = clip_seed(self.seed, self.prompt.id)
        return self.contender.request(self.prompt.text, self.seconds, seed)

    @property
    def name(self) -> str:
        """File name without its suffix."""
        determines = json.dumps([self.weights.revision, asdict(self.request)], sort_keys=True)
        key = hashlib.sha256(determines.encode()).hexdigest()[:_KEY_DIGITS]
        return f"{self.prompt.id}-{self.seed}-{key}"


@dataclass(frozen=True)
class Entry:
    """A clip that was made, as the file beside it tells.

    Attributes
    ----------
    path : Path
        The sound.
    model, revision : str
        Label and weights of what made it.
    prompt, kind, text : str
        Id and kind of the prompt, and what the generator was given.
    asked : Asked
    seed : int
        Of the benchmark.
    """

    path: Path
    model: str
    revision: str
    prompt: str
    kind: str
    text: str
    asked: Asked
    seed: int

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the ``.json`` beside a clip.

        Raises
        ------
        UsageError
            It isn't one.
        """
        raw = read_json(path, "description of a clip")
        try:
            if raw["format"] != FORMAT:
                raise UsageError(f"{shown(path)} was written by another version of audio-chain")
            return cls(
                path=path.with_name(str(raw["file"])),
                model=str(raw["model"]),
                revision=str(raw["revision"]),
                prompt=str(raw["prompt"]["id"]),
                kind=str(raw["prompt"]["kind"]),
                text=str(raw["prompt"]["text"]),
                asked=Asked.from_dict(raw["prompt"]["asks"]),
                seed=int(raw["seed"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"{shown(path)} does not describe a clip: {error!r}") from None


def clip_seed(seed: int, prompt: str) -> int:
    """Seed of a clip: another for each prompt, so that clips don't share their chance."""
    digest = hashlib.sha256(f"{seed} {prompt}".encode()).digest()
    return int.from_bytes(digest[:4])


class Store:
    """The folder of a benchmark.

    Parameters
    ----------
    folder : Path
        Made when the first clip is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def entry(self, task: Task) -> Entry | None:
        """Find a clip that was made before."""
        described = self._described(task)
        if not described.exists():
            return None
        entry = Entry.read(described)
        return entry if entry.path.exists() else None

    def add(self, task: Task, clip: Clip) -> Entry:
        """Keep a clip: 16-bit FLAC, as the generator made it."""
        described = self._described(task)
        sound = described.with_suffix(".flac")
        try:
            sound.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ChainError(
                f"can't make the folder {shown(sound.parent)}: {error.strerror}; choose another "
                "with -o"
            ) from error
        request = task.request
        tags = Tags(
            title=task.prompt.id,
            prompt=task.prompt.text,
            seed=request.seeds[0],
            model=task.contender.label,
        )
        encode(clip, sound, tags=tags)
        write_json(described, self._description(task, request, sound))
        return Entry.read(described)

    def _described(self, task: Task) -> Path:
        return self.folder / CLIPS / task.contender.folder / f"{task.name}.json"

    @staticmethod
    def _description(task: Task, request: GenerationRequest, sound: Path) -> dict[str, Any]:
        prompt = task.prompt
        asks = task.asked.to_dict()
        return {
            "format": FORMAT,
            "file": sound.name,
            "model": task.contender.label,
            "revision": task.weights.revision,
            "seed": task.seed,
            "prompt": {"id": prompt.id, "kind": prompt.kind, "text": prompt.text, "asks": asks},
            "request": asdict(request),
            "weights": task.weights.facts,
        }


def entries(folder: Path) -> Iterator[Entry | ChainError]:
    """Read all clips of a benchmark's folder, in the order of their names.

    Yields
    ------
    Entry or ChainError
        The error of what can't be read.
    """
    for path in sorted((folder / CLIPS).glob("*/*.json")):
        try:
            yield Entry.read(path)
        except ChainError as error:
            yield error


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write plain values, whole or not at all."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(path, io.BytesIO(text.encode()))
