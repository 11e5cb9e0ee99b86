"""CLAP-nano as a judge: what it hears in a clip, and how well a text fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from audio_chain import models
from audio_chain.clip import Clip
from audio_chain.nano.clap import ClapNanoModel
from training.clap import pooled_text
from training.musicgen import TEXT_TOKENS


@dataclass(frozen=True, eq=False)
class Heard:
    """What the listener made of a clip.

    Attributes
    ----------
    embedding : float32 array, shape (embedding_width,)
        Of unit length.
    genre, instrument : str
        The likeliest of each.
    """

    embedding: NDArray[np.float32]
    genre: str
    instrument: str


class Listener:
    """A loaded CLAP-nano and its text tower.

    Parameters
    ----------
    model : ClapNanoModel
        The audio side, in evaluation mode.
    tokenizer : object
        transformers' tokenizer of the sentence encoder.
    encoder : torch.nn.Module
        The sentence encoder, in evaluation mode.
    """

    def __init__(self, model: ClapNanoModel, tokenizer: Any, encoder: nn.Module) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._encoder = encoder

    @torch.no_grad()
    def hear(self, clip: Clip) -> Heard:
        """Listen to a clip of any rate and number of channels."""
        config = self._model.config
        audio = clip.mono().resampled(config.sampling_rate).samples
        embedding, genres, instruments = self._model.listen(torch.tensor(audio))
        return Heard(
            embedding[0].numpy(),
            config.genres[int(genres[0].argmax())],
            config.instruments[int(instruments[0].argmax())],
        )

    @torch.no_grad()
    def embed_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts, (texts, embedding_width), each of unit length."""
        words = self._tokenizer(
            list(texts),
            padding=True,
            truncation=True,
            max_length=TEXT_TOKENS,
            return_tensors="pt",
        )["input_ids"]
        embedding: NDArray[np.float32] = self._model.embed_text(
            pooled_text(self._encoder, words)
        ).numpy()
        return embedding


def load_listener() -> Listener:
    """Load the shipped CLAP-nano."""
    from transformers import AutoModel, AutoTokenizer

    folders = models.folders(models.CATALOGUE["clap-nano"])
    return Listener(
        ClapNanoModel.from_pretrained(folders["clap-nano"], dtype=torch.float32),
        AutoTokenizer.from_pretrained(folders["minilm"]),
        AutoModel.from_pretrained(folders["minilm"], dtype=torch.float32),
    )
