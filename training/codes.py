"""Codes of rendered pieces: what the decoder learns from, a hundredth of the audio.

    python -m training.codes FOLDER --data SHARDS --shards N --codec MODEL --text MODEL [--keep K]

A shard of codes is ``NNNNN.safetensors``: the codec's ``codes``, int16 (pieces, books, frames),
``words``, the pieces' texts (see `training.asked`) as token ids, int16 (pieces, texts,
`TEXT_TOKENS`), and ``pulse``, float32 (pieces, 2): bpm, and the share of a beat that is over when
the piece begins. Pieces that begin with silence are left out: a decoder that has learned to be
silent for a while may stay so. Made beside the rendering and the training, which takes up new
shards as they come.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoTokenizer

from audio_chain.nano.codec import SpectralCodecModel
from training.asked import draw, texts
from training.shards import read_shard

TEXT_TOKENS: Final = 64
BY_SECONDS: Final = 0.25
QUIET_DB: Final = -45.0
"""RMS of full scale below which a beginning is called silent; two pieces of a hundred are."""


def tokenised(tokenizer: Any, records: list[dict[str, Any]]) -> Tensor:
    """Token ids (pieces, captions, `TEXT_TOKENS`) of the records' captions, 0 where they end."""
    captions = [caption for record in records for caption in record["captions"]]
    tokens = tokenizer(captions, padding="max_length", truncation=True, max_length=TEXT_TOKENS)
    return torch.tensor(tokens["input_ids"]).view(len(records), -1, TEXT_TOKENS)


@torch.no_grad()
def coded(codec: SpectralCodecModel, audio: Tensor, batch: int = 100) -> Tensor:
    """Codes (pieces, books, frames) of int16 audio (pieces, samples)."""
    parts = []
    for some in audio.split(batch):
        codes = codec.encode(some[:, None].to(codec.device).float() / 32768).audio_codes
        assert codes is not None
        parts.append(codes[0].short().cpu())
    return torch.cat(parts)


def begins(audio: Tensor, rate: int) -> Tensor:
    """Which pieces of int16 audio (pieces, samples) sound within `BY_SECONDS`, bool (pieces,)."""
    first = audio[:, : round(BY_SECONDS * rate)].float() / 32768
    return first.square().mean(1).sqrt() > 10 ** (QUIET_DB / 20)


def write_codes(
    folder: Path, data: Path, number: int, codec: SpectralCodecModel, tokenizer: Any
) -> None:
    """Code shard `number` of `data`, unless that is done already."""
    target = folder / f"{number:05d}.safetensors"
    if target.exists():
        return
    audio, records = read_shard(data, number)
    heard = begins(torch.tensor(audio), codec.config.sampling_rate)
    asked = [{"captions": texts(record)} for record in records]
    parts = {
        "codes": coded(codec, torch.tensor(audio)[heard]),
        "words": tokenised(tokenizer, asked).short()[heard],
        "pulse": torch.tensor([(float(r["bpm"]), r["beat"]) for r in records])[heard],
    }
    partial = target.with_suffix(".partial")
    save_file(parts, partial)
    os.replace(partial, target)


class Corpus:
    """All codes and captions of a folder so far, on the device."""

    def __init__(self, folder: Path, shards: int, device: str) -> None:
        """Wait for the first `shards`."""
        self._folder, self._device, self._taken = folder, device, 0
        self.codes = torch.empty(0, dtype=torch.int16, device=device)
        self.words = torch.empty(0, dtype=torch.int16, device=device)
        self.pulse = torch.empty(0, 2, device=device)
        while self._taken < shards:
            if not self.grow():
                time.sleep(0.5)

    def grow(self) -> bool:
        """Take up the shards that have been coded meanwhile; tells whether there were any."""
        fresh = []
        while (path := self._folder / f"{self._taken:05d}.safetensors").exists():
            fresh.append(load_file(path, device=self._device))
            self._taken += 1
        if fresh:
            self.codes = torch.cat([self.codes, *(shard["codes"] for shard in fresh)])
            self.words = torch.cat([self.words, *(shard["words"] for shard in fresh)])
            self.pulse = torch.cat([self.pulse, *(shard["pulse"] for shard in fresh)])
        return bool(fresh)

    def batch(self, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Codes (size, books, frames), a text's token ids (size, words) and pulses, at random."""
        device = self.codes.device
        row = torch.randint(len(self.codes), (size,), device=device)
        words = self.words[row, draw(size, self.words.shape[1], device)]
        return self.codes[row], words, self.pulse[row]


def main() -> None:
    """Code shards from the command line, waiting for those that are still being rendered."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder of rendered shards")
    parser.add_argument("--shards", type=int, required=True)
    parser.add_argument("--codec", type=Path, required=True)
    parser.add_argument("--text", type=Path, required=True, help="folder of the sentence encoder")
    parser.add_argument(
        "--keep", type=int, help="empty the audio files of all but the first so many"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    tokenizer = AutoTokenizer.from_pretrained(options.text)
    while not options.codec.exists():
        time.sleep(0.5)
    codec = SpectralCodecModel.from_pretrained(options.codec, dtype=torch.float32)
    codec = codec.to(options.device).eval()
    for number in range(options.shards):
        write_codes(options.folder, options.data, number, codec, tokenizer)
        if options.keep is not None and number >= options.keep:
            os.truncate(options.data / f"{number:05d}.npy", 0)  # there, so not rendered again
        if (number + 1) % 20 == 0 or number + 1 == options.shards:
            print(f"{number + 1}/{options.shards} shards", flush=True)


if __name__ == "__main__":
    main()
