"""LAION-CLAP, through transformers' ClapModel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import torch

from eval.embedders.embedder import EmbeddingError, Embeddings, WindowedEmbedder
from eval.embedders.framing import Framing

if TYPE_CHECKING:
    from torch import Tensor

_TEXT_TOKENS: Final = 77  # what LAION's own code cuts captions to


class LaionClapEmbedder(WindowedEmbedder):
    """Embeddings of LAION-CLAP (Wu et al. 2023), 512 dimensions of unit length.

    Rate, mono
        48 kHz, the mean of the channels.
    Windows
        10 s, what the model takes, without overlap; the last one ends where the clip ends. So
        nothing is ever cropped at random, as the model's own preprocessing does with longer
        clips. A shorter clip is repeated as often as it fits, then followed by silence
        (``repeatpad`` in LAION's code, and in transformers').
    Normalisation
        None of the waveform; LAION's rounding to 16 bits is left out. The spectrogram is
        transformers' ``ClapFeatureExtractor`` as the checkpoint configures it, in its
        ``rand_trunc`` mode: log-mel power in dB, 64 Slaney bands from 50 Hz to 14 kHz.
    Texts
        Cut to 77 tokens.

    Checkpoints with feature fusion are refused: their preprocessing draws crops at random.
    """

    def __init__(
        self, name: str, revision: str, model: Any, extractor: Any, tokenizer: Any, device: str
    ) -> None:
        if model.config.audio_config.enable_fusion:
            raise EmbeddingError(
                f"{name} is a CLAP with feature fusion, which crops long clips at random: use one "
                "without, such as clap-music"
            )
        rate, window = extractor.sampling_rate, extractor.nb_max_samples
        framing = Framing(rate, window, window, "align")
        super().__init__(name, revision, framing, model.config.projection_dim, device)
        self._model = model
        self._extractor = extractor
        self._tokenizer = tokenizer

    def _embed_windows(self, windows: Tensor) -> Tensor:
        features = self._extractor(
            list(windows.cpu().numpy()),
            sampling_rate=self.rate,
            truncation="rand_trunc",  # one channel, not fusion's four; nothing is long enough
            return_tensors="pt",
        )["input_features"]
        heard = self._model.get_audio_features(input_features=features.float().to(self.device))
        return cast("Tensor", heard.pooler_output)

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        """Embed texts, (texts, 512)."""
        tokens = self._tokenizer(
            list(texts),
            padding=True,
            truncation=True,
            max_length=_TEXT_TOKENS,
            return_tensors="pt",
        ).to(self.device)
        read = self._model.get_text_features(
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        )
        return cast(Embeddings, read.pooler_output.float().cpu().numpy())


def load(name: str, revision: str, folder: Path, device: str) -> LaionClapEmbedder:
    """Load a CLAP in transformers' format: safetensors, feature extractor, tokenizer."""
    from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel

    model = ClapModel.from_pretrained(folder, dtype=torch.float32, use_safetensors=True)
    return LaionClapEmbedder(
        name,
        revision,
        model.eval().to(device),
        ClapFeatureExtractor.from_pretrained(folder),
        AutoTokenizer.from_pretrained(folder),
        device,
    )
