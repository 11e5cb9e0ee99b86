"""A continuous autoencoder: the spectral codec's body around a linear bottleneck.

Where the codec rounds its latents to codebook entries, `SpectralAutoencoder` keeps their principal
components. Neighbouring frames are taken together, so that a diffusion transformer has a quarter as
many tokens to attend to. The bottleneck is linear rather than variational (Kingma and Welling
2014): least squares has it in seconds and in closed form, the body stays as it is shipped, and
components of unit variance are all that diffusion asks of its latents (Rombach et al. 2022).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, Self

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from audio_chain.nano.codec import SpectralCodecModel

CONFIG_FILE: Final = "config.json"
WEIGHTS_FILE: Final = "model.safetensors"


class SpectralAutoencoder(nn.Module):
    """Audio to latents of unit variance and back.

    Parameters
    ----------
    codec : SpectralCodecModel
        Its encoder and decoder are used as they are; its codebooks are not used.
    channels : int
        Principal components kept, of ``stack * codec.config.codebook_dim``.
    stack : int
        Frames of the codec that make one latent frame.

    Attributes
    ----------
    sampling_rate : int
        Samples a second.
    hop : int
        Samples of one latent frame.
    """

    mean: Tensor
    components: Tensor
    deviation: Tensor

    def __init__(self, codec: SpectralCodecModel, channels: int = 128, stack: int = 4) -> None:
        super().__init__()
        width = stack * codec.config.codebook_dim
        self.codec = codec
        self.channels = channels
        self.stack = stack
        self.sampling_rate: int = codec.config.sampling_rate
        self.hop: int = stack * codec.config.frame_length
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("components", torch.eye(channels, width))
        self.register_buffer("deviation", torch.ones(channels))

    @torch.no_grad()
    def stacked(self, audio: Tensor) -> Tensor:
        """Latents before the bottleneck.

        Parameters
        ----------
        audio : Tensor
            (batch, 1, samples) in [-1, 1]; padded with silence to whole frames.

        Returns
        -------
        Tensor
            (batch, frames, stack * codebook_dim), float32.
        """
        audio = F.pad(audio[:, 0], (0, -audio.shape[-1] % self.hop))
        latents: Tensor = self.codec.encoder(self.codec.features(audio).to(self.codec.dtype))
        batch, _, frames = latents.shape
        return latents.float().transpose(1, 2).reshape(batch, frames // self.stack, -1)

    @torch.no_grad()
    def fit(self, stacked: Tensor) -> None:
        """Set the bottleneck to the principal components of rows (rows, stack * codebook_dim)."""
        rows = stacked.double()
        mean = rows.mean(0)
        values, vectors = torch.linalg.eigh((rows - mean).T @ (rows - mean) / (len(rows) - 1))
        self.mean.copy_(mean)
        self.components.copy_(vectors.flip(1)[:, : self.channels].T)
        self.deviation.copy_(values.flip(0)[: self.channels].sqrt())

    @torch.no_grad()
    def encode(self, audio: Tensor) -> Tensor:
        """Map audio (batch, 1, samples) to latents (batch, channels, frames)."""
        rows = (self.stacked(audio) - self.mean) @ self.components.T / self.deviation
        return rows.transpose(1, 2)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Map latents (batch, channels, frames) to audio (batch, 1, frames * hop)."""
        rows = (latents.transpose(1, 2).float() * self.deviation) @ self.components + self.mean
        frames = rows.reshape(len(rows), -1, self.codec.config.codebook_dim).transpose(1, 2)
        head = self.codec.decoder(frames.to(self.codec.dtype))
        return self.codec.synthesis(head, latents.shape[-1] * self.hop)[:, None]

    def save_pretrained(self, folder: Path) -> None:
        """Write the bottleneck to `folder`; the codec has a folder of its own."""
        folder.mkdir(parents=True, exist_ok=True)
        config = {"channels": self.channels, "stack": self.stack}
        config |= {"sampling_rate": self.sampling_rate, "hop": self.hop}
        (folder / CONFIG_FILE).write_text(json.dumps(config, indent=1) + "\n")
        own = {name: getattr(self, name) for name in ("mean", "components", "deviation")}
        save_file({k: v.contiguous().cpu() for k, v in own.items()}, folder / WEIGHTS_FILE)

    @classmethod
    def from_pretrained(cls, folder: Path, codec: Path, dtype: torch.dtype = torch.float32) -> Self:
        """Read what `save_pretrained` wrote, around the codec of another folder."""
        config = json.loads((folder / CONFIG_FILE).read_text())
        body = SpectralCodecModel.from_pretrained(codec, dtype=dtype)
        model = cls(body, config["channels"], config["stack"])
        model.load_state_dict(load_file(folder / WEIGHTS_FILE), strict=False)
        return model.eval()
