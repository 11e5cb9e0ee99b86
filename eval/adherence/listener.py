"""CLAP-nano as a judge: what it hears in a clip, and how well a text fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from audio_chain import models
from audio_chain.building import BUILDING
from audio_chain.clip import Clip
from audio_chain.nano.clap import ClapNanoModel

TEXT_TOKENS: Final = 64
"""Words of a caption that the text tower reads, as in its training."""


@dataclass(frozen=True, eq=False)
class Heard:
    """What the listener made of a clip.

    Attributes
    ----------
    embedding : float32 array, shape (embedding_width,)
        Of unit length.
    genre, instrument : str
        The likeliest of each.
    instruments : mapping of str to float
        How probable each of `audio_chain.vocabulary.INSTRUMENTS` is, 0 to 1.
    """

    embedding: NDArray[np.float32]
    genre: str
    instrument: str
    instruments: Mapping[str, float]


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
            dict(zip(config.instruments, instruments[0].sigmoid().tolist(), strict=True)),
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
        )
        states = self._encoder(**words).last_hidden_state
        mask = words["attention_mask"][..., None]
        pooled = (states * mask).sum(1) / mask.sum(1)
        embedding: NDArray[np.float32] = self._model.embed_text(pooled).numpy()
        return embedding


def load_listener() -> Listener:
    """Load the shipped CLAP-nano."""
    from transformers import AutoModel, AutoTokenizer

    folders = models.folders(models.CATALOGUE["clap-nano"])
    with BUILDING:
        return Listener(
            ClapNanoModel.from_pretrained(folders["clap-nano"], dtype=torch.float32),
            AutoTokenizer.from_pretrained(folders["minilm"]),
            AutoModel.from_pretrained(folders["minilm"], dtype=torch.float32),
        )
