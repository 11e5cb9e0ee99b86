"""Fit the continuous autoencoder's linear bottleneck: principal components of the codec's latents.

    python -m training.bottleneck VAE --data SHARDS --codec MODEL

Takes seconds: least squares on a shard of rendered pieces, in closed form.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Final

import torch

from audio_chain.nano.autoencoder import SpectralAutoencoder
from audio_chain.nano.codec import SpectralCodecModel
from training.shards import read_shard

CHANNELS: Final = 128
STACK: Final = 4
"""12.5 latent frames a second, as many numbers a second as 64 channels at 25 Hz, but nearer to the
sound (by 0.8 dB, median of 8 pieces), since more of what neighbouring frames share is said once."""


def fitted(codec: SpectralCodecModel, audio: torch.Tensor) -> SpectralAutoencoder:
    """Fit an autoencoder to int16 audio (pieces, samples)."""
    model = SpectralAutoencoder(codec, CHANNELS, STACK).to(codec.device)
    parts = [some[:, None].to(codec.device).float() / 32768 for some in audio.split(20)]
    model.fit(torch.cat([model.stacked(part).flatten(0, 1) for part in parts]))
    return model


def main() -> None:
    """Fit from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("vae", type=Path, help="folder for the bottleneck")
    parser.add_argument("--data", type=Path, required=True, help="folder of rendered shards")
    parser.add_argument("--codec", type=Path, required=True)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    while not options.codec.exists():
        time.sleep(0.5)
    codec = SpectralCodecModel.from_pretrained(options.codec, dtype=torch.float32)
    audio, _ = read_shard(options.data, 0)
    fitted(codec.to(options.device).eval(), torch.tensor(audio)).save_pretrained(options.vae)


if __name__ == "__main__":
    main()
