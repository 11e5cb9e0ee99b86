"""From prompts and melodies to what the decoder reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from audio_chain.clip import Clip
from audio_chain.generate.musicgen.checkpoint import Parts
from audio_chain.generate.musicgen.decoding import Condition
from audio_chain.nano.digits import spaced

ROOM: Final = 64
"""Texts are attended to in multiples of so many columns, the last ones masked."""


class Reader:
    """Reads the prompts of a model.

    Parameters
    ----------
    parts : Parts
        The model.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @torch.inference_mode()
    def texts(self, prompt: str, negative: str = "") -> tuple[Tensor, Tensor]:
        """Read a prompt, and what to guide away from if there is such a text.

        Returns
        -------
        tuple of Tensor
            States, projected to the decoder's width (1 or 2, words, width), those of padding
            zero; and a mask (1 or 2, words), true where there is a word.
        """
        return self._read([prompt, negative] if negative.strip() else [prompt])

    @torch.inference_mode()
    def every(self, prompts: Sequence[str], negative: str = "") -> list[tuple[Tensor, Tensor]]:
        """`texts` of each prompt; where sums needn't be the same to the last bit, all at once."""
        if not (self._parts.decoder.together and self._parts.decoder.attends_to_text):
            return [self.texts(prompt, negative) for prompt in prompts]
        others = [negative] if negative.strip() else []
        states, mask = self._read([*prompts, *others])
        read = []
        for row in range(len(prompts)):
            rows = [row, *range(len(prompts), len(mask))]
            words = int(mask[rows].sum(1).max())
            read.append((states[rows, :words], mask[rows, :words]))
        return read

    def _read(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        parts = self._parts
        if parts.digit_by_digit:
            texts = [spaced(text) for text in texts]
        words = parts.tokenizer(
            texts, padding=True, truncation=True, max_length=parts.max_words, return_tensors="pt"
        ).to(parts.decoder.device)
        mask = words["attention_mask"]
        states = parts.text_encoder(
            input_ids=words["input_ids"], attention_mask=mask
        ).last_hidden_state
        return parts.projection(states) * mask[..., None], mask.bool()

    @torch.inference_mode()
    def condition(
        self, texts: tuple[Tensor, Tensor], melody: Clip | None, begin_s: float
    ) -> Condition:
        """What is read of a prompt's texts, and of a melody from `begin_s` on.

        A melody model reads both in front of the codes, and guides away from no melody and the
        negative text or none; other models read the texts only.
        """
        states, mask = texts
        reader = self._parts.melody
        if reader is None:
            return Condition(states, mask)
        if len(states) == 1:
            states = torch.cat([states, torch.zeros_like(states)])
        tunes = torch.stack([reader(melody, begin_s), reader(None)])
        prefix = torch.cat([tunes, states], 1)
        return Condition(prefix, torch.ones(prefix.shape[:2], dtype=torch.bool))
