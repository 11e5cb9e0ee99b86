"""Going on: from a recording, beyond the window, and aloud before the piece is complete."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from musicgen_models import codes_of, player, tiny, tokenizer

from audio_chain import models
from audio_chain.audio import Clip
from audio_chain.errors import UsageError
from audio_chain.generate import GenerationRequest, load_generator
from audio_chain.generate.musicgen import generator as musicgen_generator
from audio_chain.generate.musicgen.codec_blocks import BlockDecoder, encode
from audio_chain.generate.musicgen.decoder import Decoder
from audio_chain.generate.musicgen.decoding import Loops, decode
from audio_chain.generate.musicgen.generator import MusicgenGenerator
from audio_chain.generate.musicgen.sampling import Sampling
from audio_chain.generate.musicgen.windows import Piece, Span, compose
from benchmarks.joints import PROMPTS, flux, jumps

RATE = 32_000


@functools.cache
def loaded(channels: int, limit: int = 60) -> tuple[Any, MusicgenGenerator]:
    model = tiny(channels, limit=limit)
    return model, player(model)


@pytest.fixture(scope="module")
def nano() -> MusicgenGenerator:
    generator = load_generator(models.CATALOGUE["musicgen-nano"], device="cpu")
    assert isinstance(generator, MusicgenGenerator)
    return generator


def noise(seconds: float, channels: int = 1, seed: int = 0) -> Clip:
    chance = np.random.default_rng(seed)
    return Clip(chance.normal(0, 0.2, (channels, round(seconds * RATE))).astype(np.float32), RATE)


def joined(generator: MusicgenGenerator, request: GenerationRequest, piece: int = 0) -> Any:
    chunks = [c.clip.samples for c in generator.stream(request) if c.piece == piece]
    return np.concatenate(chunks, 1)


# --- continuing -------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_continued_codes_equal_transformers(channels: int, guidance: float) -> None:
    """Its own way of continuing: the codes of a recording come first, in the delay pattern."""
    model, generator = loaded(channels)
    words = tokenizer()(["sad piano"], return_tensors="pt")
    clip = noise(0.4, channels)
    theirs = codes_of(
        model,
        20,
        **words,
        input_values=torch.from_numpy(clip.samples.copy())[None],
        padding_mask=torch.ones(1, 1, clip.frames, dtype=torch.bool),
        guidance_scale=guidance,
    )
    known = generator._given(GenerationRequest(("sad piano",), 0.8, (0,), beginning=clip))
    assert known.shape == (4 * channels, 20)
    text, mask = generator._reader.texts("sad piano")
    ours = decode(
        generator._parts.decoder,
        text,
        mask,
        40,
        (0,),
        Sampling(guidance=guidance, top_k=1),
        given=known[None],
    )
    assert torch.equal(ours, theirs)
    assert torch.equal(ours[0, :, :20], known)


def test_the_sound_begins_with_what_is_continued(nano: MusicgenGenerator) -> None:
    """As the codec gives it back: everything but what the next frames reach into."""
    first = GenerationRequest(("slow sad solo piano",), 2.0, (5,))
    (begun,) = nano.generate(first)
    request = GenerationRequest(("fast techno, 130 bpm",), 3.0, (5,), beginning=begun)
    (whole,) = nano.generate(request)
    assert whole.frames == 3 * RATE
    codes = encode(nano._parts.codec, torch.from_numpy(begun.samples[0].copy()))
    heard = nano._parts.codec.decode(codes[None, None], [None]).audio_values[0, 0].numpy()
    until = 2 * RATE - BlockDecoder(nano._parts.codec)._decode.reach * 640
    np.testing.assert_allclose(whole.samples[0, :until], heard[:until], atol=1e-5)
    other = GenerationRequest(("fast techno, 130 bpm",), 3.0, (6,), beginning=begun)
    (another,) = nano.generate(other)
    assert np.array_equal(another.samples[:, :until], whole.samples[:, :until])
    assert not np.array_equal(another.samples[:, 2 * RATE :], whole.samples[:, 2 * RATE :])


def test_a_mono_recording_is_continued_in_stereo() -> None:
    _, generator = loaded(2)
    request = GenerationRequest(("drums",), 1.0, (1,), beginning=noise(0.5))
    known = generator._given(request)
    assert torch.equal(known[::2], known[1::2])
    (clip,) = generator.generate(request)
    assert clip.samples.shape == (2, RATE)


@pytest.mark.parametrize(
    ("seconds", "asked", "said"),
    [
        (0.01, 1.0, "too little sound"),
        (1.0, 1.0, "1.0 s long already"),
        (2.5, 2.0, "has to be more"),
    ],
)
def test_what_cannot_be_continued(seconds: float, asked: float, said: str) -> None:
    _, generator = loaded(1)
    request = GenerationRequest(("a",), asked, (1,), beginning=noise(seconds))
    with pytest.raises(UsageError, match=said):
        list(generator.generate(request))


def test_a_long_recording_is_coded_in_blocks(nano: MusicgenGenerator) -> None:
    """47 s in three blocks: the codes are those of the whole, but where sums are rounded."""
    clip = noise(47.0)
    samples = torch.from_numpy(clip.samples[0].copy())
    codec = nano._parts.codec
    blocks, whole = encode(codec, samples), codec.encode(samples[None, None]).audio_codes[0, 0]
    assert blocks.shape == whole.shape
    assert (blocks[0] == whole[0]).float().mean() > 0.999


# --- windows ----------------------------------------------------------------------------------


@given(
    window=st.integers(2, 60), share=st.floats(0.1, 0.5), frames=st.integers(1, 400), data=st.data()
)
def test_windows_cover_a_piece(window: int, share: float, frames: int, data: Any) -> None:
    span = Span(window, max(1, int(window * share)))
    begun = data.draw(st.integers(0, frames - 1))
    reached = begun
    for begin, known, end in span.windows(frames, begun):
        assert known == reached < end <= frames
        assert 0 <= begin <= known
        assert end - begin <= window
        assert known - begin >= min(known, span.context)
        reached = end
    assert reached == frames


def test_each_window_continues_the_last_one() -> None:
    """A piece of three windows, each made anew from the codes it begins with, by transformers."""
    model, generator = loaded(1)
    sampling = Sampling(guidance=3.0, top_k=1)
    text = generator._reader.texts("sad piano")
    condition = generator._reader.condition(text, None, 0.0)
    piece = Piece(lambda frame: condition, 104, 0)
    nothing = torch.zeros(4, 0, dtype=torch.long)
    parts = compose(
        Loops(generator._parts.decoder), [piece], sampling, Span(60, 20), nothing, columns=64
    )
    codes = torch.cat([part for _, part in parts], -1)
    assert codes.shape == (4, 104)
    words = tokenizer()(["sad piano"], return_tensors="pt")
    for begin, known, end in ((0, 0, 60), (40, 60, 100), (80, 100, 104)):
        theirs = codes_of(
            model,
            end - known,
            **words,
            guidance_scale=3.0,
            **({"decoder_input_ids": codes[:, begin:known]} if known else {}),
        )
        assert torch.equal(codes[:, begin:end], theirs[0])


def test_long_pieces_are_the_same_alone_and_again() -> None:
    _, generator = loaded(1)
    lengths = (4.0, 3.9, 1.0, 2.5)
    request = GenerationRequest(
        ("a", "sad piano", "drums", "waltz"), 4.0, (4, 5, 6, 7), lengths=lengths, guidance_end=1.5
    )
    together = list(generator.generate(request))
    for piece, clip in enumerate(together):
        one = GenerationRequest(
            request.prompts[piece : piece + 1], lengths[piece], (4 + piece,), guidance_end=1.5
        )
        (alone,) = generator.generate(one)
        assert clip.seconds == lengths[piece]
        assert np.array_equal(clip.samples, alone.samples)


def test_the_longest_piece_needs_no_more_memory() -> None:
    """What the decoder keeps is as large for ten minutes as for one window."""
    _, generator = loaded(1)
    sizes = []
    for seconds in (1.2, 600.0):
        stream = generator.stream(GenerationRequest(("a",), seconds, (1,)))
        for chunk in itertools.islice(stream, 2):
            last = chunk
        frame = stream.gi_frame  # type: ignore[attr-defined]
        loop = frame.f_locals["composed"].gi_frame.f_locals["loop"]
        sizes.append(loop._state.capacity)
        assert last.clip.frames
        stream.close()  # type: ignore[attr-defined]
    assert sizes[0] == sizes[1]


@pytest.mark.slow
def test_no_clicks_where_windows_meet(nano: MusicgenGenerator) -> None:
    """Of a track's moments about half jump less than a joint does, and half change less."""
    prompts = tuple(PROMPTS[piece % len(PROMPTS)] for piece in range(6))
    joints = nano.joints(20.0)
    assert joints == (500, 750)
    ranks: dict[str, list[float]] = {"jumps": [], "flux": []}
    for clip in nano.generate(GenerationRequest(prompts, 20.0, tuple(range(6)))):
        for name, measure in (("jumps", jumps), ("flux", flux)):
            values = measure(clip.samples[0])
            ranks[name] += [float((values < values[joint - 1]).mean()) for joint in joints]
    for name, found in ranks.items():
        assert np.median(found) < 0.75, name


# --- streaming --------------------------------------------------------------------------------


@settings(max_examples=6)
@given(
    seconds=st.floats(0.02, 3.0), channels=st.sampled_from([1, 2]), begun=st.sampled_from([0, 0.5])
)
def test_chunks_joined_are_the_clip(seconds: float, channels: int, begun: float) -> None:
    _, generator = loaded(channels)
    beginning = noise(begun, channels) if begun else None
    request = GenerationRequest(("sad piano",), seconds + begun, (1,), beginning=beginning)
    (clip,) = generator.generate(request)
    assert np.array_equal(joined(generator, request), clip.samples)


def test_pieces_stream_side_by_side() -> None:
    _, generator = loaded(1)
    request = GenerationRequest(("a", "drums", "waltz"), 2.4, (1, 2, 3), lengths=(2.4, 1.3, 2.0))
    clips = list(generator.generate(request))
    for piece, clip in enumerate(clips):
        assert np.array_equal(joined(generator, request, piece), clip.samples)


@pytest.mark.parametrize("negative", ["", "distorted guitars and drums"])
def test_together_pieces_sound_as_alone(monkeypatch: pytest.MonkeyPatch, negative: str) -> None:
    """As a GPU reads and decodes them: to the rounding of sums."""
    _, generator = loaded(2)
    prompts = ("a", "drums, and then nothing but drums", "waltz", "sad piano")
    request = GenerationRequest(
        prompts, 2.4, (1, 2, 3, 4), lengths=(2.4, 2.4, 2.4, 1.3), negative=negative, top_k=1
    )
    alone = list(generator.generate(request))
    monkeypatch.setattr(Decoder, "together", True)
    monkeypatch.setattr(musicgen_generator, "DECODED_TOGETHER", 2)
    for one, other in zip(alone, generator.generate(request), strict=True):
        np.testing.assert_allclose(other.samples, one.samples, atol=1e-4)


@settings(max_examples=8)
@given(sizes=st.lists(st.integers(1, 90), min_size=1, max_size=8), seed=st.integers(0, 99))
def test_blocks_are_the_same_however_codes_arrive(sizes: list[int], seed: int) -> None:
    codec = loaded(1)[0].audio_encoder
    codes = torch.randint(32, (2, 4, sum(sizes)), generator=torch.Generator().manual_seed(seed))

    def decoded(parts: list[torch.Tensor]) -> torch.Tensor:
        blocks = BlockDecoder(codec)
        ends = [index == len(parts) - 1 for index in range(len(parts))]
        pushed = (blocks.push(part, closed=end) for part, end in zip(parts, ends, strict=True))
        return torch.cat(list(itertools.chain.from_iterable(pushed)), 1)

    whole = decoded([codes])
    assert torch.equal(decoded(list(codes.split(sizes, -1))), whole)
    assert whole.shape == (2, 640 * codes.shape[-1])


@pytest.mark.parametrize("kind", ["encodec", "spectral"])
def test_blocks_equal_decoding_at_once(kind: str, nano: MusicgenGenerator) -> None:
    """To 1e-5 of the loudest sample: sums of other lengths are rounded differently."""
    codec = nano._parts.codec if kind == "spectral" else loaded(1)[0].audio_encoder
    tokens = 1024 if kind == "spectral" else 32
    for frames in (1, 5, 24, 26, 60, 75, 700):
        chance = torch.Generator().manual_seed(frames)
        codes = torch.randint(tokens, (3, 4, frames), generator=chance)
        with torch.inference_mode():
            whole = codec.decode(codes[None], [None]).audio_values[:, 0]
        blocks = torch.cat(list(BlockDecoder(codec).push(codes, closed=True)), 1)
        assert whole.abs().max() > 0.1
        torch.testing.assert_close(blocks, whole, rtol=0, atol=1e-5 * whole.abs().max().item())


def test_sound_comes_before_the_piece_is_complete(nano: MusicgenGenerator) -> None:
    steps: list[float] = []
    request = GenerationRequest(("slow sad solo piano",), 8.0, (1,))
    stream = nano.stream(request, progress=lambda done, total: steps.append(done))
    chunk = next(stream)
    assert chunk.piece == 0
    assert chunk.clip.seconds == 0.5
    assert len(steps) <= 80  # of 403
    stream.close()  # type: ignore[attr-defined]
    assert len(steps) <= 80
