"""Our kernels against PyTorch's step: compiled where there is a GPU, else in the interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
import torch
from musicgen_models import CPU, player, tiny
from transformers import MusicgenForCausalLM
from transformers.models.musicgen.configuration_musicgen import MusicgenDecoderConfig

from audio_chain.generate.musicgen import decoding, layers
from audio_chain.generate.musicgen.decoder import Decoder, DecoderShape
from audio_chain.generate.musicgen.decoding import decode
from audio_chain.generate.musicgen.delay import FREE
from audio_chain.generate.musicgen.kernels import OPT_OUT
from audio_chain.generate.musicgen.matrices import Precision, Scaled
from audio_chain.generate.musicgen.sampling import Sampling, play_column
from audio_chain.generate.musicgen.state import State
from audio_chain.generate.musicgen.stepping import Step, in_kernels, stepping

pytest.importorskip("triton", reason="Triton is not installed; its interpreter needs no GPU")

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# what the interpreter runs in the default tier is compiled and run on a GPU
pytestmark = [pytest.mark.gpu] if DEVICE.type == "cuda" else []

FAMILIES = pytest.mark.parametrize(
    "model", [{}, {"channels": 2}, {"melody": True}], ids=["mono", "stereo", "melody"]
)


@pytest.fixture(autouse=True)
def small_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretches that a short cache has several of, and few programs: the interpreter is slow."""
    from audio_chain.generate.musicgen.kernels import division, hearing

    monkeypatch.setattr(hearing, "SPLIT", 16)
    monkeypatch.setattr(division, "BLOCK", 64)
    monkeypatch.setattr(division, "PROGRAMS", 2)


def played(decoder: Decoder, rows: int, texts: int, columns: int, words: int) -> State:
    """A state of random columns, and of texts of different lengths."""
    chance = torch.Generator().manual_seed(rows + columns)
    state = decoder.start(rows=rows, text_rows=texts, words=words, capacity=40)
    for tensor in (*state.keys, *state.values, *state.text_keys, *state.text_values):
        tensor.copy_(torch.randn(tensor.shape, generator=chance))
    for row in range(len(state.text_mask)):
        state.text_mask[row, ..., : max(1, words - 3 * row)] = True
    state.rewind(columns)
    return state


def compared(decoder: Decoder, rows: int, texts: int, columns: int, words: int = 9) -> None:
    """Logits of one step, and what it leaves in the cache."""
    tokens = torch.randint(
        32, (rows, decoder.shape.codebooks), generator=torch.Generator().manual_seed(columns)
    ).to(decoder.device)
    steps = []
    for kernels in (False, True):
        step: Step = decoder.step
        if kernels:
            empty = decoder.start(rows=rows, text_rows=texts, words=words, capacity=40)
            how = in_kernels(decoder, empty)
            step = how.step
            assert step != decoder.step
        state = played(decoder, rows, texts, columns, words)
        with torch.inference_mode():
            if kernels:
                how.hear(state)
            steps.append((step(tokens, state).clone(), state))
    (expected, before), (logits, after) = steps
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)
    assert after.column.item() == columns + 1
    for ours, theirs in zip(after.keys + after.values, before.keys + before.values, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@FAMILIES
def test_a_step_is_that_of_pytorch(model: dict[str, Any]) -> None:
    compared(player(tiny(layers=1, **model), DEVICE)._parts.decoder, 4, 2, 21)


@pytest.mark.parametrize("columns", [0, 1, 15, 16, 17, 39])
def test_at_the_edges_of_the_cache_and_of_its_stretches(columns: int) -> None:
    compared(player(tiny(layers=1), DEVICE)._parts.decoder, 1, 1, columns)


@pytest.mark.parametrize(
    ("rows", "texts", "words"), [(1, 1, 1), (3, 3, 16), (4, 2, 33), (16, 8, 5)]
)
@pytest.mark.parametrize("most", [0, 100], ids=["as they are", "absorbed"])
def test_rows_and_words(
    rows: int, texts: int, words: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to some length the matrices around the words are absorbed into them."""
    from audio_chain.generate.musicgen.kernels import absorbed

    monkeypatch.setattr(absorbed, "MOST", most)
    compared(player(tiny(layers=1), DEVICE)._parts.decoder, rows, texts, 18, words)


def test_weights_of_8_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        layers, "keep", lambda weights, *_: Scaled.of(torch.cat([*weights]).to(DEVICE))
    )
    compared(player(tiny(layers=1), DEVICE)._parts.decoder, 2, 1, 20)


def test_rows_far_from_zero() -> None:
    """A norm's variance is the mean of squares less the squared mean, which is less exact there."""
    decoder = player(tiny(layers=1), DEVICE)._parts.decoder
    compared(decoder, 2, 1, 7)
    decoder.places += 10 * decoder.places.std()
    compared(decoder, 2, 1, 7)


def test_one_request_after_another() -> None:
    """In the same place, so that a captured step goes on: the texts of the second count."""
    decoder = player(tiny(layers=1), DEVICE)._parts.decoder
    tokens = torch.ones(2, 4, dtype=torch.long, device=DEVICE)
    how = in_kernels(decoder, played(decoder, 2, 1, 0, 16))
    for columns in (3, 8):
        state, same = (played(decoder, 2, 1, columns, 16) for _ in range(2))
        with torch.inference_mode():
            how.hear(state)
            torch.testing.assert_close(
                how.step(tokens, state), decoder.step(tokens, same), rtol=1e-4, atol=1e-5
            )


@pytest.mark.parametrize(("rows", "full"), [(2, 10_000), (8, 10_000), (8, 1)])
def test_masked_columns_are_not_heard(
    rows: int, full: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A captured step goes over more of the cache than has been read."""
    from audio_chain.generate.musicgen.kernels import hearing

    monkeypatch.setattr(hearing, "FULL", full)
    decoder = player(tiny(layers=1), DEVICE)._parts.decoder
    tokens = torch.zeros(rows, 4, dtype=torch.long, device=DEVICE)
    how = in_kernels(decoder, played(decoder, rows, 1, 0, 5))
    logits = []
    for reach in (None, 32, 40):
        state = played(decoder, rows, 1, 13, 5)
        state.reach = reach
        for tensor in (*state.keys, *state.values):
            tensor[:, :, 14:] = torch.nan
        with torch.inference_mode():
            how.hear(state)
            logits.append(how.step(tokens, state).clone())
    assert logits[0].isfinite().all()
    torch.testing.assert_close(logits[1], logits[0])
    torch.testing.assert_close(logits[2], logits[0])


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(top_k=1),
        Sampling(guidance=1.0, top_k=1),
        Sampling(guidance=1.0, top_k=0),
        Sampling(top_k=5, temperature=0.7),
        Sampling(top_k=32),
        Sampling(top_k=250, guidance_end=0.5),
    ],
    ids=str,
)
@pytest.mark.parametrize("books", [4, 8])
def test_tokens_are_those_that_pytorch_draws(sampling: Sampling, books: int) -> None:
    """With the same noise: in both, that of the seed and the step. 40 tokens are no power of 2."""
    from audio_chain.generate.musicgen.kernels.play import play_column as play

    chance = torch.Generator().manual_seed(books)
    pieces, tokens, steps = 3, 40, 3
    rows = 2 * pieces if sampling.guides else pieces
    seeds = torch.tensor([0, 5, 2**63 - 1], device=DEVICE)
    guidance = torch.rand(pieces, steps, generator=chance).to(DEVICE) * 4
    begin = torch.tensor([1000], device=DEVICE)
    given = torch.full((pieces, books, 1 + steps), FREE)
    given[1, ::2] = 39
    ours, theirs = given.to(DEVICE), given.to(DEVICE)
    for step in range(steps):
        logits = (3 * torch.randn(rows, books, tokens, generator=chance)).to(DEVICE)
        place = torch.tensor([step], device=DEVICE)
        buffers = (logits, sampling, guidance, seeds, begin, place)
        play(*buffers, ours)
        play_column(*buffers, theirs)
    assert torch.equal(ours, theirs)
    assert (ours[1, ::2, 1:] == 39).all()
    assert (ours[..., 1:] != FREE).all()


@FAMILIES
def test_pieces_are_those_of_pytorch(
    model: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole loop, with guidance; sampled, so that every draw counts."""
    generator = player(tiny(layers=1, **model), DEVICE)
    condition = generator._reader.condition(generator._reader.texts("sad piano"), None, 0.0)
    other = (condition.states[1:], condition.mask[1:]) if model.get("melody") else None

    def codes() -> torch.Tensor:
        text, mask = condition.states[:1], condition.mask[:1]
        decoder = generator._parts.decoder
        return decode(decoder, text, mask, 4, (3,), Sampling(top_k=9), against=other)

    expected = codes()
    monkeypatch.setattr(decoding, "stepping", in_kernels)
    assert torch.equal(codes(), expected)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp16", "bf16", "int8"])
@pytest.mark.parametrize(("width", "heads"), [(1024, 16), (1536, 24), (2048, 32)])
def test_published_shapes(
    width: int, heads: int, precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two layers of each; 500 columns in the cache. Errors are those of the precision."""
    if DEVICE.type != "cuda":
        pytest.skip("needs a GPU")
    from audio_chain.generate.musicgen.kernels import division, hearing

    monkeypatch.setattr(hearing, "SPLIT", 256)
    monkeypatch.setattr(division, "BLOCK", 4)
    monkeypatch.setattr(division, "PROGRAMS", 132)
    config = MusicgenDecoderConfig(
        hidden_size=width, num_attention_heads=heads, ffn_dim=4 * width, num_hidden_layers=2
    )
    torch.manual_seed(1)
    tensors = MusicgenForCausalLM(config).state_dict()
    sizes = {"rows": 4, "text_rows": 2, "words": 64, "capacity": 503}
    tokens = torch.randint(2048, (4, 4))
    logits = []
    ways: list[tuple[torch.device, Precision]] = [(CPU, "fp32"), (DEVICE, precision)]
    for device, kept in ways:
        decoder = Decoder(DecoderShape.of(config), tensors, device, kept)
        step_of: Step = decoder.step
        if device.type == "cuda":
            how = stepping(decoder, decoder.start(**sizes))
            assert how.failure == ""
            step_of = how.step
            assert step_of != decoder.step
        state = decoder.start(**sizes)
        chance = torch.Generator().manual_seed(2)
        for tensor in (*state.keys, *state.values, *state.text_keys, *state.text_values):
            tensor.copy_(torch.randn(tensor.shape, generator=chance))
        state.text_mask.fill_(True)
        state.rewind(500)
        with torch.inference_mode():
            if device.type == "cuda":
                how.hear(state)
            logits.append(step_of(tokens.to(device), state).cpu())
    expected, found = logits
    assert (found - expected).norm() < 0.03 * expected.norm()


@FAMILIES
@pytest.mark.parametrize("full", [1, 10_000], ids=["whole", "in stretches"])
def test_many_rows_are_left_to_cublas(
    model: dict[str, Any], full: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attention and norms stay with the kernels."""
    from audio_chain.generate.musicgen.kernels import hearing
    from audio_chain.generate.musicgen.kernels.many import ManySteps

    monkeypatch.setattr(hearing, "FULL", full)
    decoder = player(tiny(layers=1, **model), DEVICE)._parts.decoder
    many = in_kernels(decoder, decoder.start(rows=17, text_rows=9, words=9, capacity=40))
    assert isinstance(many.step, ManySteps)
    compared(decoder, 17, 9, 20)


@pytest.mark.parametrize("columns", [0, 1, 7, 8, 9, 39])
def test_a_head_as_a_whole_at_the_edges_of_what_it_loads(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audio_chain.generate.musicgen.kernels import hearing

    monkeypatch.setattr(hearing, "FULL", 1)
    monkeypatch.setattr(hearing, "pace", lambda heads: hearing.Pace(8, 2, 1))
    compared(player(tiny(layers=1), DEVICE)._parts.decoder, 8, 4, columns)


def test_a_cpu_has_no_use_for_them() -> None:
    decoder = player(tiny())._parts.decoder
    state = decoder.start(rows=1, text_rows=1, words=4, capacity=9)
    how = stepping(decoder, state)
    assert (how.step, how.play, how.failure) == (decoder.step, play_column, "")


def test_what_does_not_compile_is_left_to_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reason; and one can do without."""
    from audio_chain.generate.musicgen.kernels import step

    def broken(*_: object) -> None:
        raise OSError("no C compiler\nfound")

    monkeypatch.setattr(step, "Steps", broken)
    decoder = player(tiny())._parts.decoder
    state = decoder.start(rows=1, text_rows=1, words=4, capacity=9)
    monkeypatch.setattr(Decoder, "device", torch.device("cuda"))
    how = stepping(decoder, state)
    assert (how.step, how.play, how.failure) == (decoder.step, play_column, "no C compiler")
    monkeypatch.setenv(OPT_OUT, "0")
    assert stepping(decoder, state).failure == ""


@pytest.mark.slow
def test_they_compile_for_a_gpu_that_is_not_here() -> None:
    """For Hopper, without spilled registers; the interpreter would run what doesn't compile."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-m", "benchmarks.kernels", "--sizes", "small"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("project_self") == 4
