"""A look at this machine: can the chain run here, on what, and if not, what to do."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

from audio_chain import models, weights
from audio_chain.devices import pick
from audio_chain.errors import UsageError
from audio_chain.manifest import PACKAGES, installed_versions

State = Literal["ok", "note", "failed"]

_LITTLE_BYTES: Final = 1_000_000_000
_CPU_BF16: Final = ("amx_bf16", "avx512_bf16", "bf16")
_INTRUDERS: Final = ("torchaudio", "torchvision")


@dataclass(frozen=True)
class Check:
    """One thing looked at: how it is, and what to do about it where it isn't well."""

    name: str
    state: State
    detail: str
    remedy: str = ""


def examine(preset: str = "offline") -> tuple[Check, ...]:
    """Look at all that a preset needs.

    Parameters
    ----------
    preset : str
        Of `audio_chain.models.PRESETS`.

    Returns
    -------
    tuple of Check
        The preset can run here if none has ``failed``.

    Raises
    ------
    UsageError
        There is no such preset.
    """
    if preset not in models.PRESETS:
        raise UsageError(f"no preset {preset!r}; choose one of {', '.join(models.PRESETS)}")
    return (
        _python(),
        _packages(),
        *_intruders(),
        _device(),
        *_weights(preset),
        _disk("cache", weights.cache_dir(), "set AUDIO_CHAIN_CACHE to a folder on a larger disk"),
        _disk("runs", Path.cwd(), "run audio-chain in another folder, or give one with -o"),
        Check("ffmpeg", "ok", "not needed: PyAV brings its libraries"),
    )


def _python() -> Check:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Check("python", "ok", f"{version}, {sys.platform}")


def _packages() -> Check:
    found = installed_versions(PACKAGES)
    missing = [name for name, version in found.items() if version is None]
    if missing:
        return Check(
            "packages", "failed", f"missing: {', '.join(missing)}", "reinstall audio-chain"
        )
    return Check("packages", "ok", ", ".join(f"{name} {found[name]}" for name in found))


def _intruders() -> Iterator[Check]:
    """Packages that transformers imports where they are, built for another torch."""
    for name in _INTRUDERS:
        if find_spec(name) is None:
            continue
        try:
            import_module(name)
        except (ImportError, OSError, RuntimeError, AttributeError) as error:
            reason = str(error).splitlines()[0]
            remedy = f"it doesn't fit the installed torch: pip uninstall {name}"
            yield Check(name, "failed", f"can't be imported: {reason}", remedy)


def _device() -> Check:
    try:
        import torch

        device = pick()
    except (ImportError, OSError) as error:
        return Check("device", "failed", f"torch can't be imported: {error}", "reinstall torch")
    if device == "cuda":
        name, free = torch.cuda.get_device_name(), torch.cuda.mem_get_info()[0]
        bf16 = "with" if torch.cuda.is_bf16_supported() else "without"
        return Check("device", "ok", f"cuda: {name}, {_gigabytes(free)} free, {bf16} bfloat16")
    if device == "mps":
        return Check("device", "ok", "mps: Apple's GPU")
    threads = f"{torch.get_num_threads()} threads on {os.cpu_count()} cores"
    known: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    bf16 = "with" if any(known.get(name) for name in _CPU_BF16) else "without"
    return Check("device", "ok", f"cpu: {threads}, {bf16} bfloat16 instructions")


def _weights(preset: str) -> Iterator[Check]:
    chosen = (models.find(name) for name in models.PRESETS[preset].cards)
    cards = {card.name: card for one in chosen for card in models.with_needs(one)}
    for card in cards.values():
        name = f"{card.stage} model"
        if weights.is_cached(card.source):
            size = weights.size_on_disk(card.source) / 1e6
            yield Check(name, "ok", f"{card.name}, {size:.0f} MB, here")
        elif isinstance(card.source, weights.Shipped):
            yield Check(name, "failed", f"{card.name} is not there", "reinstall audio-chain")
        elif weights.offline_by_environment():
            remedy = f"without AUDIO_CHAIN_OFFLINE: audio-chain models fetch {card.name}"
            yield Check(name, "failed", f"{card.name} is not here", remedy)
        else:
            detail = f"{card.name} is not here yet; its {card.size_mb} MB are fetched when needed"
            yield Check(name, "note", detail, f"audio-chain models fetch {preset}")


def _disk(name: str, folder: Path, remedy: str) -> Check:
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if not os.access(existing, os.W_OK):
        return Check(name, "failed", f"{folder} can't be written to", remedy)
    if free < _LITTLE_BYTES:
        return Check(name, "note", f"{folder}, only {_gigabytes(free)} free", remedy)
    return Check(name, "ok", f"{folder}, {_gigabytes(free)} free")


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
