"""How likely a model finds each option of a closed field.

Scores whole options rather than their first tokens, needs no constrained decoding, and is a far
smoother measure to stop training by than the number of right answers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from audio_chain.rewrite.prompt import PromptEncoder
from audio_chain.vocabulary import GENRES, MOODS, TEMPOS
from training.rewriter.data import Memo

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

FIELDS: Final = (("genre", GENRES), ("mood", MOODS), ("tempo", TEMPOS))

_BATCH: Final = 8


@dataclass(frozen=True)
class FieldScores:
    """Over a set of memos, for each field.

    ``accuracy`` is the share of memos whose likeliest option is acceptable. ``surprise`` is the
    mean of ``-log(probability of the acceptable options together)``, in nats.
    """

    accuracy: dict[str, float]
    surprise: dict[str, float]

    @property
    def total_surprise(self) -> float:
        """Sum over the fields."""
        return sum(self.surprise.values())


def score_fields(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    encoder: PromptEncoder,
    memos: Sequence[Memo],
) -> FieldScores:
    """Answer the closed fields of every memo by comparing all options.

    A later field is scored after the likeliest options of the earlier ones, as in decoding.

    Parameters
    ----------
    model, tokenizer : PreTrainedModel, PreTrainedTokenizerBase
    encoder : PromptEncoder
    memos : sequence of Memo

    Returns
    -------
    FieldScores
    """
    right = {field: 0.0 for field, _ in FIELDS}
    surprise = dict(right)
    for start in range(0, len(memos), _BATCH):
        batch = memos[start : start + _BATCH]
        prompts = [encoder.prefix + encoder.continuation(memo.memo) for memo in batch]
        written = ["{"] * len(batch)
        for index, (field, options) in enumerate(FIELDS):
            following = FIELDS[index + 1][0] if index + 1 < len(FIELDS) else "instruments"
            answers = [
                [
                    tokenizer.encode(
                        f'{before}"{field}":"{option}","{following}":', add_special_tokens=False
                    )
                    for option in options
                ]
                for before in written
            ]
            scores = _log_likelihoods(model, prompts, answers)
            for row, (memo, logs) in enumerate(zip(batch, scores, strict=True)):
                best = max(range(len(options)), key=logs.__getitem__)
                shares = {o: math.exp(x - logs[best]) for o, x in zip(options, logs, strict=True)}
                accepted = getattr(memo, field)
                mass = sum(shares[option] for option in accepted) / sum(shares.values())
                right[field] += options[best] in accepted
                surprise[field] -= math.log(max(mass, 1e-9))
                written[row] += f'"{field}":"{options[best]}",'
    count = max(1, len(memos))
    return FieldScores(
        {field: value / count for field, value in right.items()},
        {field: value / count for field, value in surprise.items()},
    )


def _log_likelihoods(
    model: PreTrainedModel, prompts: Sequence[list[int]], answers: Sequence[Sequence[list[int]]]
) -> list[list[float]]:
    """Log-probability of each answer after its prompt, up to one constant a prompt.

    A prompt and the common beginning of its answers are read once. Prompts are padded on the left,
    so that what follows stands at the same place in every row: with rotary positions only the
    distances between tokens count.
    """
    import torch

    stems, tails = [], []
    for prompt, options in zip(prompts, answers, strict=True):
        shared = 0
        while len({option[shared] for option in options}) == 1:
            shared += 1
        stems.append(prompt + options[0][:shared])
        tails += [option[shared:] for option in options]
    device, count = model.device, len(answers[0])
    height, width = max(map(len, stems)), max(map(len, tails))
    left = torch.tensor([[0] * (height - len(s)) + s for s in stems], device=device)
    mask = torch.tensor([[0] * (height - len(s)) + [1] * len(s) for s in stems], device=device)
    rows = torch.tensor([tail + [0] * (width - len(tail)) for tail in tails], device=device)
    with torch.inference_mode():
        first = model(left, attention_mask=mask, use_cache=True, logits_to_keep=1)
        cache = first.past_key_values
        cache.batch_repeat_interleave(count)
        wide = torch.cat([mask.repeat_interleave(count, 0), torch.ones_like(rows)], dim=1)
        rest = model(rows, attention_mask=wide, past_key_values=cache).logits
        begin = first.logits.repeat_interleave(count, 0)
        logs = torch.cat([begin, rest[:, :-1]], dim=1).float().log_softmax(-1)
        picked = logs.gather(-1, rows[..., None])[..., 0].cpu()
    sums = [float(row[: len(tail)].sum()) for row, tail in zip(picked, tails, strict=True)]
    return [sums[start : start + count] for start in range(0, len(sums), count)]
