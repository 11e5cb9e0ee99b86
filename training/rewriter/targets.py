"""What the model is trained to write, and how much each token of it counts.

The JSON around the values is forced in decoding, so it carries no loss; and the few tokens that
choose genre, mood and tempo would drown among those of the description, so they weigh more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from audio_chain.rewrite.prompt import PromptEncoder
from audio_chain.rewrite.schema import Answer

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

WEIGHTS: Final[Mapping[str, float]] = MappingProxyType(
    {
        "genre": 3.0,
        "mood": 3.0,
        "tempo": 3.0,
        "instruments": 1.0,
        "avoid": 1.0,
        "description": 0.3,
    }
)
"""Weight of each token of a field's value. Chosen on the validation memos."""


@dataclass(frozen=True)
class Example:
    """A memo's text, an answer to it, and how much each field of the answer counts."""

    memo: str
    answer: Answer
    weights: Mapping[str, float] = field(default_factory=lambda: WEIGHTS)


@dataclass(frozen=True)
class Encoded:
    """Token ids of prompt and answer, and the weight of the loss on each of them."""

    ids: list[int]
    weights: list[float]


def encode(example: Example, encoder: PromptEncoder, tokenizer: PreTrainedTokenizerBase) -> Encoded:
    """Encode an example as the decoder will see it, up to the last token that counts."""
    prompt = encoder.prefix + encoder.continuation(example.memo)
    text = example.answer.to_json()
    tokens = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    spans = list(_value_spans(example.answer))
    weights = [
        next((example.weights[name] for name, a, b in spans if a <= start < b), 0.0)
        for start, _ in tokens["offset_mapping"]
    ]
    end = max(index for index, weight in enumerate(weights) if weight) + 1
    answer = list(tokens["input_ids"])[:end]
    return Encoded(prompt + answer, [0.0] * len(prompt) + weights[:end])


def collate(batch: Sequence[Encoded], device: torch.device) -> dict[str, torch.Tensor]:
    """Pad on the right.

    Returns
    -------
    dict
        ``ids`` and ``mask`` (int64) and ``weights`` (float32), each of shape (batch, tokens).
    """
    import torch

    width = max(len(item.ids) for item in batch)
    ids = torch.zeros(len(batch), width, dtype=torch.long)
    mask, weights = torch.zeros_like(ids), torch.zeros(ids.shape)
    for row, item in enumerate(batch):
        length = len(item.ids)
        ids[row, :length] = torch.tensor(item.ids)
        weights[row, :length] = torch.tensor(item.weights)
        mask[row, :length] = 1
    return {"ids": ids.to(device), "mask": mask.to(device), "weights": weights.to(device)}


def _value_spans(answer: Answer) -> Iterator[tuple[str, int, int]]:
    """For each field, where its value starts and ends in the answer's JSON."""
    position = 1
    for name, value in json.loads(answer.to_json()).items():
        start = position + len(f'"{name}":')
        end = start + len(json.dumps(value, separators=(",", ":")))
        yield name, start, end
        position = end + 1
