"""EnCodec's latents, through transformers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import torch

from eval.embedders.embedder import EmbeddingError, WindowedEmbedder
from eval.embedders.framing import Framing

if TYPE_CHECKING:
    from torch import Tensor

_SECONDS: Final = 30


class EncodecEmbedder(WindowedEmbedder):
    """What EnCodec's encoder says before it is quantized (Défossez et al. 2022), 128 dimensions.

    As fadtk's ``encodec-emb`` and frechet-audio-distance's ``encodec`` have it: one embedding
    for every 320 samples, 75 a second.

    Rate, mono
        24 kHz, the mean of the channels (the model of 48 kHz is stereo and is refused).
    Windows
        30 s without overlap, the last one as long as it happens to be. The encoder's LSTM
        starts anew in each, so that memory stays constant; up to 30 s that is what the peers do.
    Normalisation
        None, as that model is configured.
    """

    def __init__(self, name: str, revision: str, model: Any, device: str) -> None:
        config = model.config
        if config.audio_channels != 1 or config.normalize:
            raise EmbeddingError(
                f"{name} is a stereo EnCodec that normalises its input: use the mono one, encodec"
            )
        rate = config.sampling_rate
        framing = Framing(rate, _SECONDS * rate, _SECONDS * rate, "keep")
        hop = math.prod(config.upsampling_ratios)
        super().__init__(name, revision, framing, config.hidden_size, device, hop=hop, batch=1)
        self._encoder = model.encoder

    def _embed_windows(self, windows: Tensor) -> Tensor:
        latents = self._encoder(windows[:, None])  # (batch, dimensions, frames)
        return cast("Tensor", latents.transpose(1, 2).flatten(0, 1))


def load(name: str, revision: str, folder: Path, device: str) -> EncodecEmbedder:
    """Load an EnCodec in transformers' format, safetensors only."""
    from transformers import EncodecModel

    model = EncodecModel.from_pretrained(folder, dtype=torch.float32, use_safetensors=True)
    return EncodecEmbedder(name, revision, model.eval().to(device), device)
