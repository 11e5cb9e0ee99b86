"""Launches the kernel that draws."""

from __future__ import annotations

import triton
from torch import Tensor

from audio_chain.generate.musicgen.delay import FREE
from audio_chain.generate.musicgen.kernels.drawing import play
from audio_chain.generate.musicgen.sampling import Sampling


def play_column(
    logits: Tensor,
    sampling: Sampling,
    guidance: Tensor,
    seeds: Tensor,
    begin: Tensor,
    place: Tensor,
    sheet: Tensor,
) -> None:
    """As `sampling.play_column`, but without top-p."""
    pieces, books, columns = sheet.shape
    tokens = logits.shape[-1]
    play[(pieces, books)](
        logits,
        guidance,
        seeds,
        begin,
        place,
        sheet,
        float(sampling.temperature),
        columns - 1,
        tokens,
        FREE=FREE,
        TOP_K=sampling.top_k if sampling.top_k < tokens else 0,
        PADDED=triton.next_power_of_2(tokens),
        GUIDES=sampling.guides,
        GREEDY=sampling.greedy,
    )
