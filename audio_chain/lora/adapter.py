"""An adapter's folder: what peft writes, and what this program notes beside it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from audio_chain.errors import UsageError
from audio_chain.files import shown
from audio_chain.weights.cache import sha256_of

CONFIG: Final = "adapter_config.json"
TENSORS: Final = "adapter_model.safetensors"
NOTES: Final = "finetune.json"
"""What `audio-chain finetune` records of a training; other programs' adapters have none."""

STRONGEST: Final = 10.0

_UNKNOWN: Final = ("modules_to_save", "rank_pattern", "alpha_pattern", "layer_replication")
"""Settings that change what is to be added to the weights in ways that merging doesn't know."""


@dataclass(frozen=True)
class Adapter:
    """A LoRA adapter, and how strongly it is used.

    Attributes
    ----------
    folder : Path
        Absolute.
    strength : float
        Factor on what is added to the weights; 0 leaves the model as it is.
    base : str
        Name of the model that it was trained on.
    base_digest : str
        Of that model's weights; "" where nobody has noted it.
    rank : int
    scale : float
        ``alpha / rank``, or with rank-stabilised LoRA ``alpha / sqrt(rank)``.
    targets : tuple of str
        Endings of the adapted layers' names, or one pattern.
    sha256 : str
        Of the tensors' file.
    """

    folder: Path
    strength: float
    base: str
    base_digest: str
    rank: int
    scale: float
    targets: tuple[str, ...]
    sha256: str

    @property
    def spec(self) -> str:
        """What finds it again, as after ``--lora``."""
        return f"{self.folder}:{self.strength!r}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a manifest."""
        return {"path": str(self.folder), "strength": self.strength, "sha256": self.sha256}


def parse_spec(text: str) -> tuple[Path, float]:
    """Read ``FOLDER[:STRENGTH]``.

    Raises
    ------
    UsageError
        The strength is out of its range.
    """
    name, colon, number = text.rpartition(":")
    try:
        strength = float(number) if colon else 1.0
    except ValueError:
        name, strength = text, 1.0
    if not colon:
        name = text
    if not (math.isfinite(strength) and abs(strength) <= STRONGEST):
        raise UsageError(f"--lora {text}: a strength is from -{STRONGEST:g} to {STRONGEST:g}")
    return Path(name).expanduser(), strength


def read_adapter(folder: Path, strength: float = 1.0) -> Adapter:
    """Read what an adapter's folder says, and check that it can be merged.

    Raises
    ------
    UsageError
        There is no adapter, or one of another kind; what is wrong is named.
    """
    name = shown(folder)
    if not folder.is_dir():
        raise UsageError(f"there is no folder {name}; --lora takes the folder of an adapter")
    if not (folder / CONFIG).is_file():
        raise UsageError(f"{name} holds no adapter: there is no {CONFIG} in it")
    config = _read_object(folder / CONFIG)
    if (kind := config.get("peft_type")) != "LORA":
        raise UsageError(f"{name} is an adapter of the kind {kind}; only LORA ones can be used")
    odd = [field for field in _UNKNOWN if config.get(field)]
    odd += [field for field in ("use_dora", "lora_bias", "use_qalora") if config.get(field)]
    odd += ["bias"] if config.get("bias", "none") != "none" else []
    if odd:
        raise UsageError(f"{name} can't be merged: it uses {', '.join(odd)}")
    if not (folder / TENSORS).is_file():
        pickled = " (a .bin may be pickled: convert it)" if any(folder.glob("*.bin")) else ""
        raise UsageError(f"{name} holds no {TENSORS}{pickled}")
    try:
        rank, alpha = int(config["r"]), float(config["lora_alpha"])
    except (KeyError, TypeError, ValueError):
        raise UsageError(f"{shown(folder / CONFIG)} lacks r or lora_alpha") from None
    if rank < 1:
        raise UsageError(f"{shown(folder / CONFIG)}: r is {rank}, and has to be 1 or more")
    targets = config.get("target_modules") or ()
    notes = _read_object(folder / NOTES) if (folder / NOTES).is_file() else {}
    base = notes.get("base", {}) if isinstance(notes.get("base", {}), dict) else {}
    return Adapter(
        folder=folder.absolute(),
        strength=strength,
        base=str(config.get("base_model_name_or_path") or ""),
        base_digest=str(base.get("digest", "")),
        rank=rank,
        scale=alpha / (math.sqrt(rank) if config.get("use_rslora") else rank),
        targets=(targets,) if isinstance(targets, str) else tuple(sorted(targets)),
        sha256=sha256_of(folder / TENSORS),
    )


def _read_object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"can't read {shown(path)}: {reason}") from None
    if not isinstance(value, dict):
        raise UsageError(f"{shown(path)} is not a JSON object")
    return value
