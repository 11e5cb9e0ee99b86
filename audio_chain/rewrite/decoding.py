"""Greedy decoding of one constrained answer after a prompt whose beginning never changes.

Prefill and step are the same forward pass over whatever the model hasn't read yet: the memo at
first, later the token just chosen together with the tokens it forces.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from audio_chain.errors import ChainError
from audio_chain.progress import Progress, silent
from audio_chain.rewrite.constraint import SchemaConstraint

if TYPE_CHECKING:
    import torch
    from transformers import Cache, PreTrainedModel

MAX_ANSWER_TOKENS: Final = 400
"""A bound that the schema keeps well away from; it ends a decoding that goes wrong."""

_TYPICAL_ANSWER_TOKENS: Final = 60.0

KeysAndValues = tuple[tuple["torch.Tensor", "torch.Tensor"], ...]
"""For each layer its keys and values, each of shape (1, heads, tokens, width)."""


@dataclass(frozen=True)
class Decoded:
    """An answer, and what it took.

    Attributes
    ----------
    text : str
        JSON that satisfies the schema.
    tokens : tuple of int
        Its tokens.
    forced : int
        How many of them the schema forced.
    passes : int
        Forward passes, the first over the memo.
    seconds : float
    """

    text: str
    tokens: tuple[int, ...]
    forced: int
    passes: int
    seconds: float


def compute_prefix(model: PreTrainedModel, prefix: Sequence[int]) -> KeysAndValues | None:
    """Run the fixed part of the prompt once.

    Parameters
    ----------
    model : PreTrainedModel
    prefix : sequence of int
        Token ids, at least one.

    Returns
    -------
    KeysAndValues or None
        None for architectures whose cache isn't plain keys and values (sliding windows, recurrent
        states): those read the whole prompt each time.
    """
    import torch
    from transformers.cache_utils import DynamicLayer

    ids = torch.tensor([list(prefix)], device=model.device)
    with torch.inference_mode():
        cache = model(ids, use_cache=True, logits_to_keep=1).past_key_values
    layers = getattr(cache, "layers", ())
    if not layers or any(type(layer) is not DynamicLayer for layer in layers):
        return None
    return tuple((layer.keys, layer.values) for layer in layers)


def decode(
    model: PreTrainedModel,
    constraint: SchemaConstraint,
    prefix: Sequence[int],
    continuation: Sequence[int],
    *,
    computed: KeysAndValues | None = None,
    join_forced: bool = True,
    progress: Progress = silent,
) -> Decoded:
    """Decode the likeliest answer token by token, within the schema.

    Parameters
    ----------
    model : PreTrainedModel
    constraint : SchemaConstraint
    prefix, continuation : sequence of int
        Token ids of the prompt: the part that is the same for every memo, and the rest.
    computed : KeysAndValues, optional
        `compute_prefix` of `prefix`. Isn't changed.
    join_forced : bool
        Read forced tokens together with the next one chosen, in one forward pass, rather than one
        pass each. The answer is the same; off is for tests.
    progress : Progress
        Told the tokens so far, and how many an answer usually has.

    Returns
    -------
    Decoded

    Raises
    ------
    ChainError
        If the answer doesn't end.
    """
    import torch

    started = time.monotonic()
    cache: Cache | None = None if computed is None else _restore(model, computed)
    unread = [*continuation] if cache is not None else [*prefix, *continuation]
    answer: list[int] = []
    forced = passes = 0
    constraint.restart()
    while True:
        must = constraint.forced()
        answer += must
        unread += must
        forced += len(must)
        if constraint.finished:
            break
        if len(answer) > MAX_ANSWER_TOKENS:
            raise ChainError("the language model's answer doesn't end: choose another with --llm")
        progress(min(len(answer), _TYPICAL_ANSWER_TOKENS), _TYPICAL_ANSWER_TOKENS)
        chunks = [unread] if join_forced else [unread[:1], *([token] for token in unread[1:])]
        with torch.inference_mode():
            for chunk in chunks:
                ids = torch.tensor([chunk], device=model.device)
                out = model(ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
                cache = out.past_key_values
                passes += 1
        logits = out.logits[0, -1].float().cpu()
        token = int(logits.masked_fill(~constraint.allowed(), -torch.inf).argmax())
        constraint.take(token)
        answer.append(token)
        unread = [token]
    progress(_TYPICAL_ANSWER_TOKENS, _TYPICAL_ANSWER_TOKENS)
    text = constraint.text(answer)
    return Decoded(text, tuple(answer), forced, passes, time.monotonic() - started)


def _restore(model: PreTrainedModel, computed: KeysAndValues) -> Cache:
    """A cache that starts from the computed prefix; growing it copies, so the prefix is kept."""
    from transformers import DynamicCache

    cache = DynamicCache(config=model.config)
    for index, (keys, values) in enumerate(computed):
        cache.update(keys, values, index)
    return cache
