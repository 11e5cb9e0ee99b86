"""Guidance that changes on the way, and draws distributed as transformers'."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from musicgen_models import codes_of, player, tiny, tokenizer

from audio_chain.errors import UsageError
from audio_chain.generate import GenerationRequest
from audio_chain.generate.musicgen.decoding import decode
from audio_chain.generate.musicgen.delay import delays, undelayed
from audio_chain.generate.musicgen.sampling import Sampling, guided, truncated


@functools.cache
def loaded() -> tuple[Any, Any]:
    model = tiny()
    # as confident as a trained model: other tokens than the likeliest are drawn, but not all
    for head in model.decoder.lm_heads:
        head.weight.data.mul_(0.15)
    return model, player(model)


@given(
    start=st.floats(0, 20), end=st.floats(0, 20), frames=st.integers(1, 500), cut=st.integers(0, 99)
)
def test_a_schedule_is_a_line(start: float, end: float, frames: int, cut: int) -> None:
    sampling = Sampling(guidance=start, guidance_end=end)
    line = sampling.schedule(frames, 0, frames + 3)
    expected = np.concatenate([np.linspace(start, end, frames), np.full(3, end)])
    if frames == 1:
        expected[0] = start
        expected[1:] = end
    np.testing.assert_allclose(line.numpy(), expected, rtol=1e-4, atol=1e-4)
    assert torch.equal(sampling.schedule(frames, cut, 40)[:10], sampling.schedule(frames, cut, 10))


@given(guidance=st.floats(0, 20, width=32), frames=st.integers(1, 50))
def test_constant_guidance_is_exact(guidance: float, frames: int) -> None:
    assert (Sampling(guidance=guidance).schedule(frames, 0, frames + 3) == guidance).all()


def test_guidance_follows_its_schedule() -> None:
    """Greedy codes of a schedule, recomputed column by column from the two sets of logits."""
    model, generator = loaded()
    decoder = generator._parts.decoder
    text, mask = generator._reader.texts("sad piano")
    sampling = Sampling(guidance=8.0, guidance_end=0.0, top_k=1)
    codes = decode(decoder, text, mask, 20, (0,), sampling)
    lags = delays(4, 1)
    columns = torch.full((1, 4, 1), 32)
    for step in range(23):
        with torch.inference_mode():
            ids = columns.flatten(0, 1)
            both = [
                model.decoder(
                    input_ids=ids,
                    encoder_hidden_states=words,
                    encoder_attention_mask=mask,
                ).logits[:, -1]
                for words in (text, torch.zeros_like(text))
            ]
        strength = 8.0 - 8.0 * min(1.0, step / 19)
        likeliest = guided(both[0], both[1], strength).argmax(-1)[None]
        begun = torch.tensor([lag <= step < lag + 20 for lag in lags])
        column = torch.where(begun, likeliest, 32)
        columns = torch.cat([columns, column[..., None]], -1)
    assert torch.equal(undelayed(columns[..., 1:], lags), codes)
    constant = decode(decoder, text, mask, 20, (0,), Sampling(guidance=8.0, top_k=1))
    assert not torch.equal(constant, codes)


@pytest.mark.parametrize(
    "settings",
    [
        {"top_k": 0, "top_p": 0.0, "temperature": 1.0},
        {"top_k": 6, "top_p": 0.0, "temperature": 1.0},
        {"top_k": 0, "top_p": 0.7, "temperature": 1.3},
        {"top_k": 8, "top_p": 0.8, "temperature": 0.8},
    ],
    ids=["all", "top-k", "top-p", "both"],
)
def test_draws_are_distributed_as_transformers(settings: dict[str, Any]) -> None:
    """Two-sample chi-square of 500 pieces' first 8 frames; their draws and ours are independent.

    Each codebook and frame is a test of its own; of the 32, the smallest p-value is compared with
    what a false alarm in 10,000 runs would take (Bonferroni).
    """
    model, generator = loaded()
    pieces, frames = 500, 8
    words = tokenizer()(["sad piano"], return_tensors="pt")
    torch.manual_seed(3)
    theirs = codes_of(
        model,
        frames,
        input_ids=words["input_ids"].repeat(pieces, 1),
        attention_mask=words["attention_mask"].repeat(pieces, 1),
        do_sample=True,
        guidance_scale=3.0,
        top_k=settings["top_k"],
        top_p=settings["top_p"] or 1.0,
        temperature=settings["temperature"],
    )
    text, mask = generator._reader.texts("sad piano")
    ours = decode(
        generator._parts.decoder,
        text.repeat(pieces, 1, 1),
        mask.repeat(pieces, 1),
        frames,
        tuple(range(pieces)),
        Sampling(guidance=3.0, **settings),
    )
    smallest = 1.0
    for book in range(4):
        for frame in range(frames):
            table = np.array(
                [
                    torch.bincount(codes[:, book, frame], minlength=33).numpy()
                    for codes in (ours, theirs)
                ]
            )
            table = table[:, table.sum(0) > 0]
            rare = table.sum(0) < 10  # too few for the approximation: counted as one
            table = np.concatenate([table[:, ~rare], table[:, rare].sum(1, keepdims=True)], 1)
            table = table[:, table.sum(0) > 0]
            if table.shape[1] > 1:
                smallest = min(smallest, scipy.stats.chi2_contingency(table).pvalue)
    assert smallest < 1.0, "nothing was drawn at random"
    assert smallest > 1e-4 / 32


@given(
    seed=st.integers(0, 2**31),
    k=st.integers(0, 9),
    p=st.sampled_from([0.0, 1.0, 1e-30]) | st.floats(0.01, 1),
)
def test_truncation_equals_transformers(seed: int, k: int, p: float) -> None:
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    logits = torch.randn(3, 8, generator=torch.Generator().manual_seed(seed))
    ours = truncated(logits, Sampling(temperature=0.9, top_k=k, top_p=p))
    theirs = TemperatureLogitsWarper(0.9)(None, logits)
    if 0 < k < 8:
        theirs = TopKLogitsWarper(k)(None, theirs)
    if 0.001 < p < 1:
        theirs = TopPLogitsWarper(p)(None, theirs)
    elif 0 < p < 1:  # the likeliest token stays, however little is asked for
        theirs = TopKLogitsWarper(1)(None, theirs)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_bad_guidance_at_the_end_is_named(value: float) -> None:
    with pytest.raises(UsageError, match="guidance at the end"):
        GenerationRequest(("a",), 1.0, (1,), guidance_end=value)
