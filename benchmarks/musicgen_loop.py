"""Our loop as the benchmarks run it: guided, top-k, one prompt for all pieces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch

from audio_chain.generate.musicgen.checkpoint import Parts
from audio_chain.generate.musicgen.conditions import ROOM, Reader
from audio_chain.generate.musicgen.decoding import Condition, Loop
from audio_chain.generate.musicgen.delay import delayed, delays
from audio_chain.generate.musicgen.sampling import Sampling
from benchmarks.random_musicgen import PROMPT

SAMPLING: Final = Sampling(guidance=3.0, top_k=250)


def prepared(parts: Parts, batch: int, steps: int) -> tuple[Loop, Callable[[], None]]:
    """A loop for pieces of so many frames, guided, and what opens it: again and again."""
    decoder, shape = parts.decoder, parts.decoder.shape
    states, mask = Reader(parts).texts(PROMPT)
    lags = delays(shape.codebooks, shape.channels)
    columns = steps + max(lags)
    loop = Loop(
        decoder,
        SAMPLING,
        pieces=batch,
        columns=-(-states.shape[1] // ROOM) * ROOM,
        texts=1,
        steps=columns,
    )
    given = torch.zeros(batch, shape.codebooks, 0, dtype=torch.long, device=decoder.device)
    pattern = delayed(given, lags, [steps] * batch, columns, shape.pad)
    guidance = [SAMPLING.schedule(steps, 0, columns)] * batch
    conditions = [Condition(states, mask)] * batch
    return loop, lambda: loop.open(conditions, pattern, 0, guidance, range(batch))
