"""From words to states: T5 of a whole checkpoint, or the MiniLM that the nano models share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

NANO_WORDS: Final = 64
"""Tokens of a prompt that the nano model reads."""

_LONGEST: Final = 512
"""Tokens at the most, where a tokenizer knows no limit."""


class TextReader:
    """Reads texts.

    Parameters
    ----------
    tokenizer, encoder : object
        transformers'.
    words : int
        Tokens that each text is cut or filled up to.
    prepared : callable
        What a text passes through first.
    """

    def __init__(
        self,
        tokenizer: Any,
        encoder: Any,
        words: int,
        prepared: Callable[[str], str] = str,
    ) -> None:
        self._tokenizer, self._encoder, self._words = tokenizer, encoder, words
        self._prepared = prepared

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Read texts.

        Returns
        -------
        tuple of Tensor
            States (texts, words, width) and a mask (texts, words), true where there is a word.
        """
        read = self._tokenizer(
            [self._prepared(text) for text in texts],
            padding="max_length",
            truncation=True,
            max_length=self._words,
            return_tensors="pt",
        ).to(self._encoder.device)
        mask = read["attention_mask"]
        states = self._encoder(input_ids=read["input_ids"], attention_mask=mask)[0]
        return states, mask.bool()


def t5_reader(tokenizer: Path, encoder: Path, device: torch.device) -> TextReader:
    """Load a checkpoint's own T5."""
    from transformers import AutoTokenizer, T5EncoderModel

    words = AutoTokenizer.from_pretrained(tokenizer)
    model = T5EncoderModel.from_pretrained(encoder, dtype=torch.float32, use_safetensors=True)
    return TextReader(words, model.eval().to(device), min(words.model_max_length, _LONGEST))


def minilm_reader(folder: Path, device: torch.device) -> TextReader:
    """Load MiniLM, which reads a number digit by digit."""
    from transformers import AutoModel, AutoTokenizer

    from audio_chain.nano.digits import spaced

    model = AutoModel.from_pretrained(folder, dtype=torch.float32, use_safetensors=True)
    words = AutoTokenizer.from_pretrained(folder)
    return TextReader(words, model.eval().to(device), NANO_WORDS, spaced)
