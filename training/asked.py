"""What the decoder is asked with while it learns.

Beside the data factory's captions, which leave out whatever they like, every piece has the texts of
the chain itself: its own prompt with every fact in it, and the shortest that still says what
matters most. One of these is drawn every other time, so that two texts of three state the tempo in
numbers. Digits are parted in all of them, for the sentence encoder to read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import torch
from torch import Tensor

from audio_chain.brief import Brief, render
from audio_chain.nano.digits import spaced
from training.factory.attributes import Attributes
from training.held_out import brief_of_facts, is_solo

OWN: Final = 2
"""The last texts of a piece are the chain's own, so many of them."""

OWN_SHARE: Final = 0.5
"""How often one of those is drawn."""


def texts(record: Mapping[str, Any]) -> list[str]:
    """Texts of a shard's record: its captions, then `OWN` of the chain's."""
    facts = facts_of(record)
    brief = brief_of_facts(facts, record["captions"][0])
    prompt = render(brief, "musicgen-nano")
    written = [*record["captions"], prompt, _shortest(brief, facts)]
    return [spaced(text) for text in written]


def facts_of(record: Mapping[str, Any]) -> Attributes:
    """Facts of a shard's record, as the factory had them."""
    facts = {name: value for name, value in record.items() if name != "captions"}
    return Attributes(**facts | {"instruments": tuple(facts["instruments"])})


def draw(pieces: int, captions: int, device: torch.device) -> Tensor:
    """Which of its `captions` texts each piece is asked with, (pieces,), at random."""
    own = torch.rand(pieces, device=device) < OWN_SHARE
    chosen = torch.randint(OWN, (pieces,), device=device) + captions - OWN
    return torch.where(own, chosen, torch.randint(captions - OWN, (pieces,), device=device))


def _shortest(brief: Brief, facts: Attributes) -> str:
    """For a solo, who plays and nothing else; else the prompt of somebody who names no key."""
    if is_solo(facts):
        return f"Solo {facts.instruments[0]}."
    return render(replace(brief, key=None), "musicgen-nano")
