"""Latents of rendered pieces: what the diffusion transformer learns from.

    python -m training.latents FOLDER --data SHARDS --shards N --vae VAE --codec MODEL --text MODEL

A shard of latents is ``NNNNN.safetensors``: ``latents``, float16 (pieces, channels, frames), and
``words``, the pieces' texts (see `training.asked`) as token ids, int16 (pieces, texts,
`TEXT_TOKENS`). With ``--states`` there are also ``states`` of the sentence encoder, float16
(pieces, texts, `TEXT_TOKENS`, width): without a GPU they are a sixth of a training step, and so
made only once.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

from audio_chain.nano.autoencoder import WEIGHTS_FILE, SpectralAutoencoder
from training.asked import texts
from training.codes import tokenised
from training.shards import read_shard


@torch.no_grad()
def text_states(encoder: nn.Module, words: Tensor) -> Tensor:
    """States (batch, words, width) of token ids (batch, words), zero where there is no word."""
    mask = (words != 0).long()
    states: Tensor = encoder(input_ids=words.long(), attention_mask=mask).last_hidden_state
    return states * mask[..., None]


def states_once(encoder: nn.Module, words: Tensor, batch: int = 50) -> Tensor:
    """States as `text_states`, of short texts with short ones, so that padding costs little."""
    lengths = (words != 0).sum(1)
    order = lengths.argsort()
    states = torch.zeros(*words.shape, encoder.config.hidden_size, dtype=torch.float16)  # type: ignore[union-attr, arg-type]
    for rows in order.split(batch):
        longest = int(lengths[rows].max())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            some = text_states(encoder, words[rows, :longest])
        states[rows, :longest] = some.half()
    return states


@torch.no_grad()
def encoded(vae: SpectralAutoencoder, audio: Tensor, batch: int = 20) -> Tensor:
    """Latents (pieces, channels, frames), float16, of int16 audio (pieces, samples)."""
    device = vae.mean.device
    with torch.autocast(device.type, dtype=torch.bfloat16):
        parts = [
            vae.encode(some[:, None].to(device).float() / 32768) for some in audio.split(batch)
        ]
    return torch.cat([part.half().cpu() for part in parts])


class Corpus:
    """All latents and texts of a folder so far, on the device."""

    def __init__(self, folder: Path, device: str) -> None:
        """Wait for the first shard."""
        self._folder, self._device, self._taken = folder, device, 0
        self._all: dict[str, Tensor] = {}
        self.wait(1)

    def wait(self, shards: int) -> None:
        """Wait for as many shards."""
        while self._taken < shards:
            if not self.grow():
                time.sleep(0.5)

    def grow(self) -> bool:
        """Take up the shards that have been made meanwhile; tells whether there were any."""
        fresh = [self._all] if self._all else []
        before = self._taken
        while (path := self._folder / f"{self._taken:05d}.safetensors").exists():
            fresh.append(load_file(path, device=self._device))
            self._taken += 1
        if self._taken == before:
            return False
        self._all = {name: torch.cat([shard[name] for shard in fresh]) for name in fresh[0]}
        return True

    def __len__(self) -> int:
        return len(self._all["latents"])

    @property
    def shape(self) -> tuple[int, int]:
        """Channels and frames of a piece."""
        _, channels, frames = self._all["latents"].shape
        return channels, frames

    @property
    def texts(self) -> int:
        """Texts of a piece."""
        return self._all["words"].shape[1]

    def take(self, rows: Tensor, texts: Tensor) -> tuple[Tensor, Tensor]:
        """Latents of pieces (batch,), and of each one text's states, or else its token ids."""
        text = self._all["states" if "states" in self._all else "words"]
        return self._all["latents"][rows], text[rows, texts]


def main() -> None:
    """Make shards of latents from the command line, waiting for those still being rendered."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder of rendered shards")
    parser.add_argument("--shards", type=int, required=True)
    parser.add_argument("--vae", type=Path, required=True, help="see training.bottleneck")
    parser.add_argument("--codec", type=Path, required=True)
    parser.add_argument("--text", type=Path, required=True, help="folder of the sentence encoder")
    parser.add_argument("--states", action="store_true", help="run the sentence encoder here")
    parser.add_argument(
        "--keep", type=int, help="empty the audio files of all but the first so many"
    )
    parser.add_argument("--after", type=Path, help="of those that have codes in this folder")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    tokenizer = AutoTokenizer.from_pretrained(options.text)
    encoder = AutoModel.from_pretrained(options.text, dtype=torch.float32).eval()
    while not (options.vae / WEIGHTS_FILE).exists():
        time.sleep(0.5)
    vae = SpectralAutoencoder.from_pretrained(options.vae, options.codec).to(options.device)
    for number in range(options.shards):
        target = options.folder / f"{number:05d}.safetensors"
        if target.exists():
            continue
        audio, records = read_shard(options.data, number)
        words = tokenised(tokenizer, [{"captions": texts(record)} for record in records])
        shard = {"latents": encoded(vae, torch.tensor(audio)), "words": words.short()}
        if options.states:
            states = states_once(encoder, words.flatten(0, 1))
            shard["states"] = states.view(*words.shape, -1)
        save_file(shard, target.with_suffix(".partial"))
        os.replace(target.with_suffix(".partial"), target)
        if options.keep is not None and number >= options.keep:
            while options.after and not (options.after / target.name).exists():
                time.sleep(0.5)
            os.truncate(options.data / f"{number:05d}.npy", 0)  # there, so not rendered again
        print(f"{number + 1}/{options.shards} shards", flush=True)


if __name__ == "__main__":
    main()
