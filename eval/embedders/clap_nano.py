"""CLAP-nano, the CLAP that is shipped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import torch
import torch.nn.functional as F

from eval.embedders.embedder import Embeddings, WindowedEmbedder
from eval.embedders.framing import Framing

if TYPE_CHECKING:
    from torch import Tensor, nn

    from audio_chain.nano.clap import ClapNanoModel

_SECONDS: Final = 10  # what it was trained on
_SHORTEST: Final = 1  # second; the network halves time four times over
_TEXT_TOKENS: Final = 64  # as in its training


class ClapNanoEmbedder(WindowedEmbedder):
    """Embeddings of CLAP-nano (`audio_chain.nano.clap`), 256 dimensions of unit length.

    Rate, mono
        32 kHz, the mean of the channels.
    Windows
        10 s, as in its training (``training.clap``), without overlap; the last one ends where
        the clip ends. A shorter clip is embedded as it is, with silence up to 1 s.
    Normalisation
        None of the waveform. Its spectrogram is log-mel power, 96 bands.
    """

    def __init__(
        self,
        name: str,
        revision: str,
        model: ClapNanoModel,
        tokenizer: Any,
        encoder: nn.Module,
        device: str,
    ) -> None:
        config = model.config
        rate = config.sampling_rate
        framing = Framing(rate, _SECONDS * rate, _SECONDS * rate, "align")
        super().__init__(name, revision, framing, config.embedding_width, device)
        self._model = model
        self._tokenizer = tokenizer
        self._encoder = encoder

    def _embed_windows(self, windows: Tensor) -> Tensor:
        missing = max(0, _SHORTEST * self.rate - windows.shape[1])
        return self._model.listen(F.pad(windows, (0, missing)))[0]

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        """Embed texts, (texts, 256): the mean of MiniLM's token states, projected."""
        tokens = self._tokenizer(
            list(texts),
            padding=True,
            truncation=True,
            max_length=_TEXT_TOKENS,
            return_tensors="pt",
        ).to(self.device)
        states = self._encoder(**tokens).last_hidden_state
        words = tokens["attention_mask"][..., None]
        pooled = (states * words).sum(1) / words.sum(1)
        return cast(Embeddings, self._model.embed_text(pooled).cpu().numpy())


def load(
    name: str, revision: str, folder: Path, text_folder: Path, device: str
) -> ClapNanoEmbedder:
    """Load a CLAP-nano, and the sentence encoder that reads for it."""
    from transformers import AutoModel, AutoTokenizer

    from audio_chain.nano.clap import ClapNanoModel

    model: Any = ClapNanoModel.from_pretrained(folder, dtype=torch.float32)
    return ClapNanoEmbedder(
        name,
        revision,
        model.to(device),
        AutoTokenizer.from_pretrained(text_folder),
        AutoModel.from_pretrained(text_folder, dtype=torch.float32).to(device),
        device,
    )
