"""Songs as codes: cut, coded once, and kept by what is in the file and what made the codes."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from audio_chain.audio import decode
from audio_chain.clip import Clip
from audio_chain.finetune.fingerprint import fingerprint
from audio_chain.finetune.slicing import Cut, cuts
from audio_chain.finetune.trainee import Coder
from audio_chain.loudness import CEILING_DBTP, TARGET_LUFS, integrated_loudness

_FORMAT: Final = 2


@dataclass(frozen=True)
class Slicing:
    """How songs become pieces.

    Attributes
    ----------
    least, most : float
        Lengths of a piece, seconds.
    levelled : bool
        Whether each song is brought to `TARGET_LUFS`, as far as its peaks allow.
    """

    least: float = 2.0
    most: float = 10.0
    levelled: bool = True


@dataclass(frozen=True, eq=False)
class Coded:
    """A song as pieces of codes.

    Attributes
    ----------
    cuts : tuple of Cut
    codes : tuple of Tensor
        One a cut, (..., frames).
    prints : float32 array, shape (1 + cuts, ...)
        Fingerprints, that of the whole song first.
    seconds : float
        Of the whole song.
    """

    cuts: tuple[Cut, ...]
    codes: tuple[Tensor, ...]
    prints: NDArray[np.float32]
    seconds: float


def decoded(path: Path, coder: Coder) -> Clip:
    """A song at the rate and with the channels that a coder takes."""
    clip = decode(path, rate=coder.rate, mono=coder.channels == 1)
    if clip.channels == coder.channels:
        return clip
    return Clip(np.repeat(clip.mono().samples, coder.channels, 0), clip.rate)


def code(clip: Clip, coder: Coder, slicing: Slicing) -> Coded:
    """Cut a song and code its pieces."""
    level = integrated_loudness(clip) if slicing.levelled else math.inf
    samples = clip.samples
    if math.isfinite(level):
        peak = float(np.abs(samples).max())
        ceiling = 10 ** (CEILING_DBTP / 20) / max(peak, 1e-9)
        samples = samples * np.float32(min(10 ** ((TARGET_LUFS - level) / 20), ceiling))
    levelled = Clip(samples, clip.rate)
    found = cuts(samples, clip.rate, least=slicing.least, most=slicing.most)
    pieces = [levelled.cropped(cut.begin_s, cut.end_s) for cut in found]
    sounds = (levelled, *pieces)
    return Coded(
        tuple(found),
        tuple(coder.encode(piece) for piece in pieces),
        np.stack([fingerprint(sound.mono().samples[0], clip.rate) for sound in sounds]),
        clip.seconds,
    )


def kept_at(cache: Path, digest: str, coder: Coder, slicing: Slicing) -> Path:
    """Where a song's codes are kept, by the hash of its file."""
    key = json.dumps([_FORMAT, coder.name, coder.rate, coder.channels, asdict(slicing)])
    kind = f"{coder.name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    return cache / kind / digest[:2] / f"{digest}.safetensors"


def load(path: Path) -> Coded | None:
    """Read kept codes; None if there are none, or they are damaged."""
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads(file.metadata()["song"])
            found = tuple(Cut(*pair) for pair in facts["cuts"])
            codes = tuple(file.get_tensor(f"codes.{number:05d}") for number in range(len(found)))
            prints = file.get_tensor("prints").numpy()
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None
    return Coded(found, codes, prints, float(facts["seconds"]))


def packed(coded: Coded) -> bytes:
    """Codes as a safetensors file, for `load`."""
    facts = {"cuts": [(cut.begin_s, cut.end_s) for cut in coded.cuts], "seconds": coded.seconds}
    tensors = {f"codes.{number:05d}": codes for number, codes in enumerate(coded.codes)}
    tensors["prints"] = torch.from_numpy(coded.prints)
    return save(tensors, metadata={"song": json.dumps(facts)})
