"""The loop: column after column until the pieces are long enough."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from audio_chain.generate.musicgen.decoder import Decoder
from audio_chain.generate.musicgen.delay import delays, undelayed
from audio_chain.generate.musicgen.sampling import Draws, Sampling, draw, guided


@torch.inference_mode()
def decode(
    decoder: Decoder,
    text: Tensor,
    mask: Tensor,
    frames: int,
    seeds: tuple[int, ...],
    sampling: Sampling,
    *,
    against: tuple[Tensor, Tensor] | None = None,
    stepped: Callable[[], None] = lambda: None,
) -> Tensor:
    """Generate codes.

    Parameters
    ----------
    decoder : Decoder
        The model.
    text, mask : Tensor
        Projected states of the prompts (pieces, words, width), and which of them are words.
    frames : int
        Length of the pieces in frames of the codec.
    seeds : tuple of int
        One a piece.
    sampling : Sampling
        How to draw.
    against : tuple of Tensor, optional
        Text and mask, of the same sizes, to guide away from; by default from no text.
    stepped : callable
        Called after every step, ``frames`` plus the longest delay times.

    Returns
    -------
    Tensor
        int64 (pieces, codebooks, frames).
    """
    shape, pieces = decoder.shape, len(text)
    lags = delays(shape.codebooks, shape.channels)
    steps = frames + max(lags)
    guidance = sampling.guidance != 1
    rows = 2 * pieces if guidance else pieces
    if guidance and against is not None:
        text, mask = torch.cat([text, against[0]]), torch.cat([mask, against[1]])
    state = decoder.start(text, mask, rows, steps)
    draws = Draws(seeds, (shape.codebooks, shape.tokens), decoder.device)
    lag = torch.tensor(lags, device=decoder.device)
    tokens = torch.full((pieces, shape.codebooks), shape.pad, device=decoder.device)
    columns = []
    for step in range(steps):
        logits = decoder.step(tokens.repeat(2, 1) if guidance else tokens, state)
        if guidance:
            conditional, other = logits.chunk(2)
            logits = guided(conditional, other, sampling.guidance)
        drawn = draw(logits, sampling, draws)
        playing = (lag <= step) & (step < lag + frames)
        tokens = torch.where(playing, drawn, shape.pad)
        columns.append(tokens)
        stepped()
    return undelayed(torch.stack(columns, -1), lags)
