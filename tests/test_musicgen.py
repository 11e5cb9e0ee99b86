"""Our decoding of MusicGen against transformers', on tiny random and on the nano weights."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from musicgen_models import CPU, codes_of, saved, tiny
from transformers import MusicgenForConditionalGeneration

from audio_chain import models
from audio_chain.errors import UsageError
from audio_chain.generate import GenerationRequest, load_generator
from audio_chain.generate.musicgen.checkpoint import load_whole
from audio_chain.generate.musicgen.decoder import Decoder, DecoderShape
from audio_chain.generate.musicgen.decoding import decode
from audio_chain.generate.musicgen.delay import delays, undelayed
from audio_chain.generate.musicgen.generator import MusicgenGenerator
from audio_chain.generate.musicgen.noise import gumbel
from audio_chain.generate.musicgen.sampling import Sampling, draw, guided, truncated
from benchmarks.musicgen_nano import in_transformers

GREEDY = Sampling(guidance=3.0, top_k=1)


def decoder_of(model: MusicgenForConditionalGeneration) -> Decoder:
    return Decoder(DecoderShape.of(model.config.decoder), model.decoder.state_dict())


def conditions(
    model: MusicgenForConditionalGeneration, ids: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    states = model.text_encoder(input_ids=ids, attention_mask=mask).last_hidden_state
    with torch.inference_mode():
        projected: torch.Tensor = model.enc_to_dec_proj(states)
    return projected


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_greedy_codes_equal_transformers(channels: int, guidance: float) -> None:
    model = tiny(channels)
    ids = torch.tensor([[5, 9, 12, 1], [7, 3, 1, 0]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    theirs = codes_of(model, 25, input_ids=ids, attention_mask=mask, guidance_scale=guidance)
    ours = decode(
        decoder_of(model),
        conditions(model, ids, mask),
        mask,
        25,
        (0, 1),
        Sampling(guidance=guidance, top_k=1),
    )
    assert torch.equal(ours, theirs)


def test_prefill_equals_steps() -> None:
    model = tiny()
    decoder = decoder_of(model)
    tokens = torch.randint(30, (2, 4, 9), generator=torch.Generator().manual_seed(1))
    mask = torch.tensor([[1, 1, 0]])
    text = torch.randn(1, 3, 32, generator=torch.Generator().manual_seed(2))
    last = []
    with torch.inference_mode():
        for known in (0, 4, 8):
            state = decoder.start(rows=2, text_rows=1, words=5, capacity=12)
            decoder.hear(text, mask, state)
            decoder.prefill(tokens[..., :known], state)
            for column in range(known, 9):
                logits = decoder.step(tokens[..., column], state)
                state.length += 1
            last.append(logits)
    torch.testing.assert_close(last[1], last[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(last[2], last[0], rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def nano() -> MusicgenGenerator:
    generator = load_generator(models.CATALOGUE["musicgen-nano"], device="cpu")
    assert isinstance(generator, MusicgenGenerator)
    return generator


def test_nano_decodes_as_in_transformers(nano: MusicgenGenerator) -> None:
    """The shipped tensors, put into transformers' class, give the same codes."""
    model, missing = in_transformers()
    assert not missing.unexpected_keys
    assert not [k for k in missing.missing_keys if k.startswith(("decoder.", "enc_to_dec"))]

    text, mask = nano._reader.texts("slow sad solo piano")
    words = nano._parts.tokenizer(["slow sad solo piano"], return_tensors="pt")
    theirs = codes_of(
        model,
        30,
        input_ids=words["input_ids"],
        attention_mask=words["attention_mask"],
        guidance_scale=3.0,
    )
    ours = decode(nano._parts.decoder, text, mask, 30, (0,), GREEDY)
    assert torch.equal(ours, theirs)


def test_a_whole_checkpoint_loads_and_plays(tmp_path: Any) -> None:
    saved(tiny(channels=2), tmp_path)
    generator = MusicgenGenerator("tiny", "musicgen", load_whole(tmp_path, CPU, "fp32"))
    (clip,) = generator.generate(GenerationRequest(("sad piano",), 0.2, (3,)))
    assert clip.rate == 32_000
    assert clip.samples.shape == (2, 6_400)


def test_a_copy_of_the_nano_model_plays_the_same(nano: MusicgenGenerator, tmp_path: Any) -> None:
    folder = models.folders(models.CATALOGUE["musicgen-nano"])["musicgen-nano"]
    copy = tmp_path / "mine"
    shutil.copytree(folder, copy)
    request = GenerationRequest(("slow sad solo piano",), 0.3, (5,))
    (theirs,) = nano.generate(request)
    (ours,) = load_generator(models.resolve(str(copy), "generate"), device="cpu").generate(request)
    assert np.array_equal(ours.samples, theirs.samples)


def test_a_piece_depends_on_its_own_seed_only(nano: MusicgenGenerator) -> None:
    prompts = ("slow sad solo piano", "fast techno, 130 bpm", "slow sad solo piano")
    together = list(nano.generate(GenerationRequest(prompts, 0.6, (7, 8, 9))))
    (alone,) = nano.generate(GenerationRequest(prompts[1:2], 0.6, (8,)))
    assert np.array_equal(together[1].samples, alone.samples)
    assert not np.array_equal(together[0].samples, together[2].samples)


def test_a_negative_prompt_changes_the_music(nano: MusicgenGenerator) -> None:
    plain = GenerationRequest(("rock with drums",), 0.6, (1,))
    without = GenerationRequest(("rock with drums",), 0.6, (1,), negative="drums")
    (a,), (b,) = nano.generate(plain), nano.generate(without)
    assert not np.array_equal(a.samples, b.samples)


def test_progress_ends_at_its_total(nano: MusicgenGenerator) -> None:
    seen: list[tuple[float, float]] = []
    request = GenerationRequest(("a", "b"), 0.4, (1, 2))
    list(nano.generate(request, progress=lambda done, total: seen.append((done, total))))
    done, totals = zip(*seen, strict=True)
    assert list(done) == list(range(1, len(done) + 1))
    assert set(totals) == {done[-1]}


def test_too_long_is_refused(nano: MusicgenGenerator) -> None:
    with pytest.raises(UsageError, match="up to 600 s"):
        list(nano.generate(GenerationRequest(("a",), 601.0, (1,))))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("prompts", ("",), "a prompt"),
        ("prompts", ("a", "b"), "one seed"),
        ("seconds", float("nan"), "seconds"),
        ("guidance", -1.0, "guidance"),
        ("temperature", 0.0, "temperature"),
        ("top_k", -1, "top-k"),
        ("top_p", 1.5, "top-p"),
    ],
)
def test_bad_requests_are_named(field: str, value: object, said: str) -> None:
    good: dict[str, Any] = {"prompts": ("a",), "seconds": 1.0, "seeds": (1,)}
    with pytest.raises(UsageError, match=said):
        GenerationRequest(**(good | {field: value}))


def test_unknown_families_are_refused() -> None:
    card = replace(models.CATALOGUE["musicgen-nano"], family="bagpipes")
    with pytest.raises(UsageError, match="families"):
        load_generator(card)


@given(st.integers(1, 2), st.integers(1, 12), st.integers(1, 4))
def test_undelayed_inverts_transformers_pattern(channels: int, frames: int, pairs: int) -> None:
    books = pairs * channels
    codes = torch.arange(books * frames).view(1, books, frames)
    lags = delays(books, channels)
    steps = torch.full((1, books, frames + max(lags)), -1)
    for book, lag in enumerate(lags):
        steps[:, book, lag : lag + frames] = codes[:, book]
    assert torch.equal(undelayed(steps, lags), codes)


def test_guidance_extremes() -> None:
    a, b = torch.randn(2, 3), torch.randn(2, 3)
    torch.testing.assert_close(guided(a, b, 1.0), a)
    torch.testing.assert_close(guided(a, b, 0.0), b)
    torch.testing.assert_close(guided(a, a, 7.0), a)


@settings(max_examples=50)
@given(st.integers(1, 8), st.integers(0, 2**31))
def test_top_k_keeps_the_k_most_likely(k: int, seed: int) -> None:
    logits = torch.randn(2, 8, generator=torch.Generator().manual_seed(seed))
    kept = truncated(logits, Sampling(top_k=k)).isfinite()
    assert torch.equal(kept.sum(-1), torch.full((2,), k))
    assert (logits.masked_fill(~kept, torch.inf).amin(-1) >= logits.sort(-1)[0][:, -k]).all()


def test_top_p_keeps_the_smallest_sufficient_set() -> None:
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    for share, count in ((0.4, 1), (0.5, 1), (0.6, 2), (0.81, 3), (0.99, 4)):
        kept = truncated(logits, Sampling(top_k=0, top_p=share)).isfinite()
        assert kept.tolist() == [index < count for index in range(4)]


def test_draws_follow_the_softmax() -> None:
    """Chi-square of 20,000 draws against the softmax; 3 degrees of freedom, p = 1e-4 at 21.1."""
    logits = torch.tensor([[[0.2, 1.1, -0.7, 0.0]]])
    seeds = torch.arange(20_000)
    noise = gumbel(seeds, torch.tensor([7]), (1, 4))
    drawn = draw(logits.expand(20_000, -1, -1), Sampling(top_k=0), noise)
    counts = torch.bincount(drawn.flatten(), minlength=4)
    expected = logits[0, 0].softmax(-1) * 20_000
    assert ((counts - expected) ** 2 / expected).sum() < 21.1
