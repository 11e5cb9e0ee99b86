"""What CLAP-nano learns from: spectrograms, and captions as the frozen sentence encoder reads them.

    python -m training.listening FOLDER --data SHARDS --shards N --text MODEL

A shard is ``NNNNN.safetensors``, made beside the rendering: ``spectrograms``, float16 (pieces,
bands, frames); ``captions``, ``right`` and ``wrong``, float16 (pieces, texts, text_width), where
text i of right and wrong is the contrast of attribute i (`training.factory.contrasts`); ``said``,
which contrasts there are; and the labels ``genres`` and ``instruments``. So a step of the training
costs no more than the network that it trains, and a processor is enough to train it further.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

from audio_chain.nano.clap import AudioTower, ClapNanoConfig
from audio_chain.vocabulary import GENRES, INSTRUMENTS
from training.codes import TEXT_TOKENS
from training.decoder import text_states
from training.factory.attributes import Attributes
from training.factory.contrasts import ATTRIBUTES, Attribute, contrast
from training.shards import read_shard

AT_ONCE: Final = 50
CONTRAST_SEED: Final = 1


@dataclass(frozen=True, eq=False)
class Lesson:
    """Pieces of one or many shards; row i of every tensor is piece i."""

    spectrograms: Tensor
    captions: Tensor
    right: Tensor
    wrong: Tensor
    said: Tensor
    genres: Tensor
    instruments: Tensor

    def __len__(self) -> int:
        return len(self.genres)

    def rows(self, chosen: Tensor) -> Lesson:
        """Some of the pieces, (n,) their rows."""
        return Lesson(**{field.name: getattr(self, field.name)[chosen] for field in fields(self)})


@torch.no_grad()
def pooled(encoder: nn.Module, tokenizer: Any, texts: Sequence[str], device: str) -> Tensor:
    """Mean token states of texts, float16 (texts, text_width)."""
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))  # alike, little padding
    parts = []
    with torch.autocast(device, dtype=torch.bfloat16):
        for start in range(0, len(order), AT_ONCE):
            some = [texts[row] for row in order[start : start + AT_ONCE]]
            words = tokenizer(
                some, padding=True, truncation=True, max_length=TEXT_TOKENS, return_tensors="pt"
            )["input_ids"].to(device)
            states, mask = text_states(encoder, words)
            parts.append((states.float() * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))
    result = torch.empty(len(texts), parts[0].shape[1], dtype=torch.float16)
    result[torch.tensor(order)] = torch.cat(parts).half().cpu()
    return result


def contrasts_of(
    record: dict[str, Any], number: int, wanted: Sequence[Attribute]
) -> list[tuple[str, str] | None]:
    """Right and wrong captions of a piece, one pair an attribute, None where there is none."""
    names = [field.name for field in fields(Attributes)]
    facts = Attributes(**{name: record[name] for name in names})
    generator = np.random.default_rng([CONTRAST_SEED, number])
    found = (
        contrast(facts, attribute, generator) if attribute in wanted else None
        for attribute in ATTRIBUTES
    )
    return [None if one is None else (one.right, one.wrong) for one in found]


def lesson(
    audio: Tensor,
    records: list[dict[str, Any]],
    first: int,
    wanted: Sequence[Attribute],
    encoder: nn.Module,
    tokenizer: Any,
    device: str,
) -> Lesson:
    """Make the lesson of int16 audio (pieces, samples); `first` is the first piece's number."""
    tower = AudioTower(ClapNanoConfig()).to(device)
    with torch.no_grad():
        spectrograms = [
            tower.spectrogram(part.to(device).float() / 32768)[:, 0].half().cpu()
            for part in audio.split(AT_ONCE)
        ]
    pairs = [contrasts_of(record, first + row, wanted) for row, record in enumerate(records)]
    captions = [caption for record in records for caption in record["captions"]]
    sides = [pair[side] for side in (0, 1) for row in pairs for pair in row if pair]
    read, said_right, said_wrong = pooled(encoder, tokenizer, [*captions, *sides], device).split(
        [len(captions), len(sides) // 2, len(sides) // 2]
    )
    said = torch.tensor([[pair is not None for pair in row] for row in pairs])
    right, wrong = torch.zeros(2, *said.shape, read.shape[1], dtype=read.dtype)
    right[said], wrong[said] = said_right, said_wrong
    instruments = torch.zeros(len(records), len(INSTRUMENTS))
    for row, record in enumerate(records):
        instruments[row, [INSTRUMENTS.index(name) for name in record["instruments"]]] = 1
    return Lesson(
        spectrograms=torch.cat(spectrograms),
        captions=read.unflatten(0, (len(records), -1)),
        right=right,
        wrong=wrong,
        said=said,
        genres=torch.tensor([GENRES.index(record["genre"]) for record in records]),
        instruments=instruments,
    )


def read_lessons(folder: Path, shards: int, device: str) -> Lesson:
    """Join the first shards on the device, waiting for those that are still being made."""
    parts = []
    for number in range(shards):
        while not (path := folder / f"{number:05d}.safetensors").exists():
            time.sleep(0.5)
        parts.append(load_file(path, device=device))
    names = [field.name for field in fields(Lesson)]
    return Lesson(**{name: torch.cat([part[name] for part in parts]) for name in names})


def main() -> None:
    """Make lessons from the command line, waiting for pieces that are still being rendered."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder of rendered shards")
    parser.add_argument("--shards", type=int, required=True)
    parser.add_argument("--text", type=Path, required=True, help="folder of the sentence encoder")
    parser.add_argument("--captions", type=int, default=4, help="of each piece")
    parser.add_argument("--contrasts", nargs="+", choices=ATTRIBUTES, default=ATTRIBUTES)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    tokenizer = AutoTokenizer.from_pretrained(options.text)
    encoder = AutoModel.from_pretrained(options.text, dtype=torch.float32)
    encoder = encoder.to(options.device).eval()
    for number in range(options.shards):
        target = options.folder / f"{number:05d}.safetensors"
        if target.exists():
            continue
        audio, records = read_shard(options.data, number)
        first = number * len(records)
        for record in records:
            del record["captions"][options.captions :]
        made = lesson(
            torch.tensor(audio),
            records,
            first,
            options.contrasts,
            encoder,
            tokenizer,
            options.device,
        )
        partial = target.with_suffix(".partial")
        save_file({field.name: getattr(made, field.name) for field in fields(made)}, partial)
        os.replace(partial, target)
        print(f"{number + 1}/{options.shards} shards", flush=True)


if __name__ == "__main__":
    main()
