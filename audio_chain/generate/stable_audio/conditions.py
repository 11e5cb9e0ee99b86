"""What the network is told of a piece: words, and where in a recording it begins and ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from audio_chain.generate.stable_audio.texts import TextReader


@dataclass(frozen=True, eq=False)
class Conditions:
    """Of one piece; where there is guidance, what to guide away from is in the first row.

    Parameters
    ----------
    states : Tensor
        For cross-attention, (rows, words + 2, width): the text, beginning and end.
    timing : Tensor
        For the whole, (rows, 1, 2 * width): beginning and end.
    """

    states: Tensor
    timing: Tensor


@torch.inference_mode()
def read_conditions(
    reader: TextReader,
    projection: Any,
    prompt: str,
    *,
    negative: str = "",
    begin: float = 0.0,
    end: float,
    guides: bool,
) -> Conditions:
    """Read a piece's conditions.

    Without a negative text, guidance leads away from no conditions at all, zeros; the timing for
    the whole stays in either case.

    Parameters
    ----------
    reader : TextReader
    projection : object
        diffusers' StableAudioProjectionModel.
    prompt, negative : str
    begin, end : float
        Of the piece in its recording, in seconds.
    guides : bool
        Whether there is anything to guide away from.
    """
    texts = [negative, prompt] if guides and negative.strip() else [prompt]
    words, mask = reader(texts)
    if len(texts) == 2:
        words = torch.cat([words[:1] * mask[:1, :, None], words[1:]])
    states = projection(text_hidden_states=words).text_hidden_states * mask[..., None]
    times = projection(
        start_seconds=torch.tensor([begin], device=states.device),
        end_seconds=torch.tensor([end], device=states.device),
    )
    both = [times.seconds_start_hidden_states, times.seconds_end_hidden_states]
    states = torch.cat([states, *(time.expand(len(states), -1, -1) for time in both)], 1)
    if guides and len(texts) == 1:
        states = torch.cat([torch.zeros_like(states), states])
    return Conditions(states, torch.cat(both, 2).expand(len(states), -1, -1))
