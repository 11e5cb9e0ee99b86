"""Attention to a request's words with its projections absorbed: two kernels, where it takes three.

The keys and values of the words stay while a piece is played, so a head's query matrix and the
keys make one matrix, from a row to its scores, and the values and the head's output matrix
another, from the weights of the words back to a row (as DeepSeek-V2 does, 2024).
For few words they are no larger than those that they replace. Each row with a text has its own.
"""

from __future__ import annotations

from typing import Final

import torch
import triton
from torch import Tensor

from audio_chain.generate.musicgen.decoder import Decoder
from audio_chain.generate.musicgen.kernels.division import divided
from audio_chain.generate.musicgen.kernels.overlap import overlap
from audio_chain.generate.musicgen.kernels.scaled import multiplied
from audio_chain.generate.musicgen.kernels.weights import sums
from audio_chain.generate.musicgen.kernels.words import add_words, score_words
from audio_chain.generate.musicgen.state import State

MOST: Final = 2
"""Times the bytes of what they replace that the matrices may have, at most."""

SHORT: Final = 32
"""Words; of more a thread keeps too much while it weighs them."""


def room(words: int) -> int:
    """Words, padded to a power of 2."""
    padded: int = max(16, triton.next_power_of_2(words))
    return padded


def pays(decoder: Decoder, state: State) -> bool:
    """Whether the matrices are small enough for it."""
    rows, words = len(state.text_mask), state.text_mask.shape[-1]
    return 0 < rows * room(words) <= MOST * decoder.shape.width // decoder.shape.heads


class Absorbed:
    """The matrices of all layers, for states of some size.

    Parameters
    ----------
    decoder : Decoder
        Attends to text.
    state : State
        Those that follow have its rows with a text and its words.
    """

    def __init__(self, decoder: Decoder, state: State) -> None:
        self._decoder, shape = decoder, decoder.shape
        self._rows, self._words = len(state.text_mask), state.text_mask.shape[-1]
        self._room = room(self._words)
        self._overlap = overlap(decoder.device)
        sizes = (len(decoder.layers), self._rows, shape.heads, self._room)

        def zeros(*sizes: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.zeros(sizes, device=decoder.device, dtype=dtype)

        self._reads = zeros(*sizes, shape.width, dtype=decoder.dtype)
        self._gives = zeros(*sizes[:2], shape.width, shape.heads, self._room, dtype=decoder.dtype)
        self._along, self._aside = zeros(*sizes), zeros(*sizes)
        self._scores = zeros(*sizes[1:])

    def hear(self, state: State) -> None:
        """Make them for the texts of a state, where those of the last one were."""
        shape, words = self._decoder.shape, self._words
        for index, layer in enumerate(self._decoder.layers):
            assert layer.text is not None
            keys, values = state.text_keys[index], state.text_values[index]
            query = multiplied(layer.text.query, torch.float32)
            query = query.view(shape.heads, -1, shape.width)
            out = multiplied(layer.text.out, torch.float32)
            out = out.view(shape.width, shape.heads, -1).transpose(0, 1)
            reads = self._reads[index]
            reads[:, :, :words] = keys.to(query.dtype) @ query
            gives = out @ values.to(out.dtype).transpose(2, 3)
            self._gives[index, ..., :words] = gives.transpose(1, 2)
            along, aside = sums(layer.text.norm, reads.view(-1, shape.width))
            self._along[index] = along.view(reads.shape[:3])
            self._aside[index] = aside.view(reads.shape[:3])

    def __call__(self, x: Tensor, state: State, index: int) -> None:
        """Add what rows x (rows, width) hear in a layer."""
        # read before what comes before has ended: kernels that don't overlap are in between
        shape, text = self._decoder.shape, self._decoder.layers[index].text
        assert text is not None
        mask = state.text_mask.view(torch.uint8)
        scores = divided(shape.width, shape.heads * self._room)
        score_words[(scores.programs, self._rows)](
            x,
            self._reads[index],
            text.norm.weight,
            self._along[index],
            self._aside[index],
            mask,
            self._scores,
            self._words,
            (shape.width // shape.heads) ** -0.5,
            INPUTS=shape.width,
            PADDED=scores.padded,
            HEADS=shape.heads,
            WORDS=self._room,
            BLOCK=scores.block,
            num_warps=scores.warps,
            **self._overlap,
        )
        heads = triton.next_power_of_2(shape.heads)
        update = divided(heads * self._room, shape.width, crowded=self._room > SHORT)
        add_words[(update.programs, self._rows)](
            self._scores,
            self._gives[index],
            mask,
            x,
            self._words,
            WIDTH=shape.width,
            HEADS=shape.heads,
            PADDED=heads,
            WORDS=self._room,
            BLOCK=update.block,
            num_warps=min(16, 2 * update.warps),  # weighing takes registers too
            **self._overlap,
        )
