"""Pieces made together: each is what it would be alone, whatever the others are."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from musicgen_models import CPU, WORDS, codes_of, player, tiny, tokenizer

from audio_chain import models
from audio_chain.errors import UsageError
from audio_chain.generate import GenerationRequest, load_generator
from audio_chain.generate.musicgen.decoder import Decoder, DecoderShape
from audio_chain.generate.musicgen.decoding import decode
from audio_chain.generate.musicgen.generator import MusicgenGenerator
from audio_chain.generate.musicgen.grouping import Grouping
from audio_chain.generate.musicgen.sampling import Sampling

PROMPTS = ("slow sad solo piano", "techno with drums, 130 bpm", "a waltz")


@functools.cache
def loaded(channels: int) -> tuple[Any, MusicgenGenerator]:
    model = tiny(channels)
    return model, player(model)


@functools.cache
def nano() -> MusicgenGenerator:
    generator = load_generator(models.CATALOGUE["musicgen-nano"], device="cpu")
    assert isinstance(generator, MusicgenGenerator)
    return generator


def alone(
    generator: MusicgenGenerator, request: GenerationRequest, piece: int
) -> np.ndarray[Any, Any]:
    (clip,) = generator.generate(
        GenerationRequest(
            request.prompts[piece : piece + 1],
            request.lengths[piece],
            request.seeds[piece : piece + 1],
            guidance=request.guidance,
            negative=request.negative,
        )
    )
    return clip.samples


PIECES = st.lists(
    st.tuples(
        st.lists(st.sampled_from(WORDS[2:]), min_size=1, max_size=8).map(" ".join),
        st.floats(0.02, 1.2),
        st.integers(0, 2**63 - 1),
    ),
    min_size=2,
    max_size=5,
)


@settings(max_examples=6)
@given(
    pieces=PIECES,
    channels=st.sampled_from([1, 2]),
    guidance=st.sampled_from([0.0, 1.0, 3.0]),
    negative=st.sampled_from(["", "drums"]),
)
def test_a_piece_is_the_same_alone(
    pieces: list[tuple[str, float, int]], channels: int, guidance: float, negative: str
) -> None:
    """Bit for bit: prompts, lengths and seeds of their own, with and without guidance."""
    _, generator = loaded(channels)
    prompts, lengths, seeds = zip(*pieces, strict=True)
    request = GenerationRequest(
        prompts, max(lengths), seeds, guidance=guidance, negative=negative, lengths=lengths
    )
    together = list(generator.generate(request))
    for piece, clip in enumerate(together):
        assert clip.frames == round(lengths[piece] * 32_000)
        assert np.array_equal(clip.samples, alone(generator, request, piece))


@pytest.mark.parametrize("negative", ["", "drums and bass"])
def test_nano_pieces_are_the_same_alone(negative: str) -> None:
    request = GenerationRequest(PROMPTS, 1.0, (3, 2**40, 3), negative=negative, lengths=(1, 0.5, 1))
    together = list(nano().generate(request))
    for piece, clip in enumerate(together):
        assert np.array_equal(clip.samples, alone(nano(), request, piece))


def test_nano_pieces_do_play_together() -> None:
    """Where this processor sums three pieces as one, which MKL does."""
    decoder = nano()._parts.decoder
    grouping = Grouping(decoder, rows=2, texts=1, columns=64)
    if not grouping.alike(3):
        pytest.skip("this processor's sums depend on the number of rows")
    steps: list[float] = []
    request = GenerationRequest(PROMPTS, 0.4, (1, 2, 3))
    list(nano().generate(request, progress=lambda done, total: steps.append(total)))
    assert steps == [23.0] * 23


def test_groups_that_change_the_pieces_are_found_out() -> None:
    """A decoder whose sums do depend on the number of rows plays one piece at a time."""

    class Uneven(Decoder):
        def step(self, tokens: torch.Tensor, state: Any) -> torch.Tensor:
            return super().step(tokens, state) + 1e-6 * (len(tokens) > 4)

    model, _ = loaded(1)
    decoder = Uneven(DecoderShape.of(model.config.decoder), model.decoder.state_dict())
    grouping = Grouping(decoder, rows=2, texts=1, columns=64)
    assert not grouping.alike(3)
    assert max(grouping.sizes(5, 567)) <= 2
    assert sum(grouping.sizes(5, 567)) == 5


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_a_padded_batch_equals_transformers(channels: int, guidance: float) -> None:
    """Prompts of 1 to 7 tokens, the shorter ones padded on the right."""
    model, generator = loaded(channels)
    prompts = ["sad", "a fast waltz of strings a piano", "drums of piano"]
    words = tokenizer()(prompts, padding=True, return_tensors="pt")
    mask = words["attention_mask"]
    assert mask.sum(1).tolist() == [1, 7, 3]
    theirs = codes_of(model, 20, **words, guidance_scale=guidance)
    with torch.inference_mode():
        states = model.text_encoder(
            input_ids=words["input_ids"], attention_mask=mask
        ).last_hidden_state
        text = model.enc_to_dec_proj(states)
    sampling = Sampling(guidance=guidance, top_k=1)
    together = decode(generator._parts.decoder, text, mask, 20, (0, 1, 2), sampling)
    assert torch.equal(together, theirs)
    for piece, prompt in enumerate(prompts):
        states, read = generator._reader.texts(prompt)
        one = decode(generator._parts.decoder, states, read, 20, (0,), sampling)
        assert torch.equal(one[0], theirs[piece])


@pytest.mark.parametrize(
    ("lengths", "said"),
    [((1.0,), "one length"), ((1.0, 0.0), "lengths above 0"), ((1.0, 2.5), "up to its seconds")],
)
def test_bad_lengths_are_named(lengths: tuple[float, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        GenerationRequest(("a", "b"), 2.0, (1, 2), lengths=lengths)


def test_greedy_codes_at_the_edges_of_the_cache() -> None:
    """The shortest pieces that have a delay pattern, and those that fill the cache exactly."""
    model, generator = loaded(1)
    words = tokenizer()(["sad piano"], return_tensors="pt")
    text, mask = generator._reader.texts("sad piano")
    decoder = generator._parts.decoder
    assert decoder.device == CPU
    for frames in (3, 4, 5, 57, 63, 64, 65):
        theirs = codes_of(model, frames, **words, guidance_scale=3.0)
        ours = decode(decoder, text, mask, frames, (0,), Sampling(guidance=3.0, top_k=1))
        assert torch.equal(ours, theirs), frames
