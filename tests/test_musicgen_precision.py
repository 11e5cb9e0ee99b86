"""Weights in fewer bits: what is computed with them, and who may choose them."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from musicgen_models import CPU, codes_of, player, saved, tiny, tokenizer
from safetensors.torch import load_file, save_file

from audio_chain import models
from audio_chain.errors import UsageError
from audio_chain.generate import PRECISIONS as OFFERED
from audio_chain.generate import GenerationRequest, load_generator
from audio_chain.generate.musicgen.checkpoint import load_whole
from audio_chain.generate.musicgen.decoding import decode
from audio_chain.generate.musicgen.generator import MusicgenGenerator
from audio_chain.generate.musicgen.grouping import Grouping
from audio_chain.generate.musicgen.matrices import (
    PRECISIONS,
    Apart,
    Exact,
    Plain,
    Precision,
    Scaled,
    can_keep,
    choose,
    computed_in,
    keep,
)
from audio_chain.generate.musicgen.sampling import Sampling
from audio_chain.rerun import chain_of, recorded
from audio_chain.weights import WeightsError

GPU = torch.device("cuda")

ERRORS: dict[Precision, float] = {"fp32": 1e-6, "bf16": 1.2e-2, "fp16": 5e-4, "int8": 0.02}
"""Of a product, relative to its norm: rounding to 24, 8 and 11 bits, and to 255 levels."""


def kept(precision: Precision) -> Precision:
    if not can_keep(precision, CPU):
        pytest.skip(f"this PyTorch has no {precision} products on this processor")
    return precision


def rows_of(seed: int, rows: int, inputs: int) -> torch.Tensor:
    return torch.randn(rows, inputs, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("precision", PRECISIONS)
@settings(max_examples=20)
@given(
    seed=st.integers(0, 99),
    rows=st.integers(1, 9),
    inputs=st.integers(1, 70),
    outputs=st.integers(1, 70),
    loud=st.sampled_from([1e-4, 1.0, 300.0]),
)
def test_products_are_those_of_float64(
    precision: Precision, seed: int, rows: int, inputs: int, outputs: int, loud: float
) -> None:
    x = rows_of(seed, rows, inputs) * loud
    weight = rows_of(seed + 1, outputs, inputs)
    product = keep([weight], kept(precision), CPU)(x.to(computed_in(precision, CPU)))
    sizes = x.double().norm(dim=1)[:, None] * weight.double().norm(dim=1)
    error = (product.double() - x.double() @ weight.double().T).abs()
    assert (error <= ERRORS[precision] * sizes).all()


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("width", [48, 512])
def test_weights_kept_as_one_are_those_kept_alone(precision: Precision, width: int) -> None:
    weights = [rows_of(seed, width, width) for seed in range(3)]
    x = rows_of(3, 2, width).to(computed_in(kept(precision), CPU))
    alone = torch.cat([keep([weight], precision, CPU)(x) for weight in weights], -1)
    torch.testing.assert_close(keep(weights, precision, CPU)(x), alone)


def test_what_needs_no_conversion_is_not_copied() -> None:
    weights = [rows_of(seed, 512, 512) for seed in range(3)]
    one, all_of_them = (keep(some, "fp32", CPU) for some in (weights[:1], weights))
    assert isinstance(one, Plain)
    assert one.weight.data_ptr() == weights[0].data_ptr()
    assert isinstance(all_of_them, Apart)
    for part, weight in zip(all_of_them.parts, weights, strict=True):
        assert part.weight.data_ptr() == weight.data_ptr()


@settings(max_examples=30)
@given(st.integers(0, 99), st.integers(1, 40), st.integers(1, 40))
def test_levels_are_the_nearest(seed: int, inputs: int, outputs: int) -> None:
    weight = rows_of(seed, outputs, inputs)
    scaled = Scaled.of(weight)
    error = (scaled.values * scaled.scale[:, None] - weight).abs()
    assert (error <= 0.5001 * scaled.scale[:, None]).all()
    assert (scaled.values.abs().amax(1) == 127).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_levels_of_a_weight_of_16_bits_are_those_of_its_values(dtype: torch.dtype) -> None:
    """As a GPU takes them from a file; from 300,000 values on they are rounded in parts."""
    weight = torch.randn(600, 500).to(dtype)
    ours, exact = Scaled.of(weight), Scaled.of(weight.float())
    assert torch.equal(ours.values, exact.values)
    assert torch.equal(ours.scale, exact.scale)


def kept_in_company(precision: Precision) -> Precision:
    """Skip where a row's product depends on the rows beside it; `Grouping` finds that out."""
    if precision == "fp16" and torch.backends.cpu.get_cpu_capability() == "AVX2":
        pytest.skip("FBGEMM has kernels for 1 and 2 rows here that sum in an order of their own")
    return kept(precision)


def test_sums_of_integers_do_not_overflow() -> None:
    """All products are as large as they can be, and of one sign."""
    kept("int8")
    weight = torch.ones(3, 4096)
    weight[1] = -1
    product = Exact.of(weight)(torch.stack([torch.full((4096,), 7.0), torch.full((4096,), -7.0)]))
    expected = torch.tensor([[28672.0, -28672.0, 28672.0], [-28672.0, 28672.0, -28672.0]])
    torch.testing.assert_close(product, expected, rtol=1e-6, atol=0)


def test_rows_of_zeros_give_zeros() -> None:
    assert not Exact.of(torch.ones(2, 5) * (kept("int8") == "int8"))(torch.zeros(3, 5)).any()


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_rows_do_not_depend_on_their_company(precision: Precision) -> None:
    """So that pieces play together and stay what they are alone, without MKL's luck."""
    matrix = keep([rows_of(1, 200, 300)], kept_in_company(precision), CPU)
    x = rows_of(2, 64, 300)
    together = matrix(x)
    for rows in (1, 2, 7, 33):
        assert torch.equal(matrix(x[:rows]), together[:rows])


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("melody", [False, True])
def test_greedy_codes_equal_transformers_in_fp16(channels: int, melody: bool) -> None:
    """Weights that fp16 can hold are the same weights, and sums are in float32."""
    kept("fp16")
    model = tiny(channels, melody=melody)
    with torch.no_grad():
        for weight in model.decoder.parameters():
            weight.copy_(weight.half().float())
    words = tokenizer()(["sad piano"], return_tensors="pt")
    theirs = codes_of(model, 25, **words, guidance_scale=3.0)
    generator = player(model, precision="fp16")
    condition = generator._reader.condition(generator._reader.texts("sad piano"), None, 0.0)
    other = (condition.states[1:], condition.mask[1:]) if melody else None
    ours = decode(
        generator._parts.decoder,
        condition.states[:1],
        condition.mask[:1],
        25,
        (0,),
        Sampling(top_k=1),
        against=other,
    )
    assert torch.equal(ours, theirs)


def test_int8_is_the_rounded_model() -> None:
    """Logits of a model whose weights have been rounded to the levels, as far as rows have bits."""
    model = tiny()
    ours = player(model, precision=kept("int8"))._parts.decoder
    with torch.no_grad():
        for name, weight in model.decoder.named_parameters():
            if weight.ndim == 2 and "embed" not in name:
                scaled = Scaled.of(weight)
                weight.copy_(scaled.values * scaled.scale[:, None])
    tokens = torch.randint(32, (2, 4, 6), generator=torch.Generator().manual_seed(3))
    logits = []
    for decoder in (ours, player(model)._parts.decoder):
        state = decoder.start(rows=2, text_rows=0, words=1, capacity=6)
        with torch.inference_mode():
            decoder.prefill(tokens[..., :5], state)
            logits.append(decoder.step(tokens[..., 5], state))
    assert (logits[0] - logits[1]).norm() < 1e-3 * logits[1].norm()


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_pieces_play_together_in_few_bits(precision: Precision) -> None:
    decoder = player(tiny(), precision=kept_in_company(precision))._parts.decoder
    grouping = Grouping(decoder, rows=2, texts=1, columns=64)
    assert all(grouping.alike(pieces) for pieces in (2, 5, 32))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_nano_plays_in_every_precision(precision: Precision) -> None:
    generator = load_generator(
        models.CATALOGUE["musicgen-nano"], device="cpu", precision=kept(precision)
    )
    assert isinstance(generator, MusicgenGenerator)
    assert generator.precision == precision
    request = GenerationRequest(("slow sad solo piano",), 0.3, (5,))
    (first,), (again,) = generator.generate(request), generator.generate(request)
    assert (first.samples == again.samples).all()


def test_precisions_by_default() -> None:
    assert choose("auto", GPU) == "fp16"
    assert choose("auto", torch.device("mps")) == "fp32"
    assert choose("auto", CPU) == ("fp16" if can_keep("fp16", CPU) else "fp32")
    assert ("auto", *PRECISIONS) == OFFERED


def test_a_processor_without_them_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(torch.backends.quantized), "supported_engines", ["qnnpack"])
    assert choose("auto", CPU) == "fp32"
    for precision in ("fp16", "int8"):
        with pytest.raises(UsageError, match="choose --precision bf16 or fp32"):
            choose(precision, CPU)


def test_unknown_precisions_are_refused() -> None:
    with pytest.raises(UsageError, match="choose auto, fp32, bf16, fp16, int8"):
        load_generator(models.CATALOGUE["musicgen-nano"], device="cpu", precision="fp8")
    with pytest.raises(UsageError, match="leave out --precision"):
        load_generator(
            models.resolve("audiocraft:debug-musicgen", "generate"), device="cpu", precision="int8"
        )


def test_a_checkpoint_without_a_tensor_is_named(tmp_path: Any) -> None:
    saved(tiny(), tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    gone = next(name for name in sorted(tensors) if name.startswith("text_encoder.encoder.block"))
    del tensors[gone]
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(WeightsError, match=r"text_encoder lacks encoder\.block"):
        load_whole(tmp_path, CPU, "fp32")


@pytest.mark.parametrize(("limit", "read"), [(3, 3), (10**30, 512)])
def test_prompts_are_read_as_far_as_the_checkpoint_says(limit: int, read: int) -> None:
    model = tiny()
    generator = player(model)
    assert generator._parts.max_words == 512
    words = tokenizer()
    words.model_max_length = limit
    from audio_chain.generate.musicgen.checkpoint import assemble

    parts = assemble(model.config, model.state_dict(), words, CPU, "fp32")
    assert parts.max_words == read
    states, mask = MusicgenGenerator("tiny", "musicgen", parts)._reader.texts("sad " * 700)
    assert states.shape[1] == mask.sum() == read


def test_long_prompts_play_as_they_do_alone() -> None:
    """Longer than the columns that other prompts take."""
    generator = player(tiny())
    prompts = ("sad piano " * 50, "a waltz")
    request = GenerationRequest(prompts, 0.3, (1, 2))
    together = list(generator.generate(request))
    for piece, clip in enumerate(together):
        (alone,) = generator.generate(
            GenerationRequest(prompts[piece : piece + 1], 0.3, request.seeds[piece : piece + 1])
        )
        assert (alone.samples == clip.samples).all()


def test_runs_repeat_in_their_precision(tmp_path: Any) -> None:
    from audio_chain.chain import Chain
    from audio_chain.request import MemoRequest

    chain = Chain.from_preset("offline", device="cpu", precision=kept("int8"))
    chain.run(MemoRequest(prompt="slow sad piano", seconds=0.4, seed=3), folder=tmp_path / "run")
    record = recorded(tmp_path / "run")
    assert record.precision == "int8"
    assert chain_of(record)._backends.precision == "int8"
    stored = json.loads((tmp_path / "run" / "run.json").read_text())
    del stored["precision"]  # as older runs have it
    (tmp_path / "run" / "run.json").write_text(json.dumps(stored))
    assert recorded(tmp_path / "run").precision == "auto"
