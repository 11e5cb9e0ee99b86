"""EnCodec's convolutions against transformers' layers, and the kernel against PyTorch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from musicgen_models import CODEC
from torch import Tensor
from transformers import EncodecConfig, EncodecModel

from audio_chain.generate.musicgen import upsampling
from audio_chain.generate.musicgen.kernels import OPT_OUT
from audio_chain.generate.musicgen.upsampling import activate, activation, upsample

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# what the interpreter runs in the default tier is compiled and run on a GPU
pytestmark = [pytest.mark.gpu] if DEVICE.type == "cuda" else []


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"use_conv_shortcut": False},
        {"num_residual_layers": 2},
        {"use_causal_conv": True, "trim_right_ratio": 0.5},
    ],
    ids=str,
)
@torch.inference_mode()
def test_sound_is_that_of_transformers(
    changed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the rounding of sums."""
    torch.manual_seed(1)
    codec = EncodecModel(EncodecConfig(**{**CODEC.to_dict(), **changed})).eval().to(DEVICE)
    layers = codec.decoder.layers[2:]
    x = torch.randn(2, 64, 5, device=DEVICE)
    expected = x
    for layer in layers:
        expected = layer(expected)
    assert expected.std() > 1e-3
    ways = [activate]
    if DEVICE.type == "cuda":
        ways.append(activation(DEVICE))
        assert ways[1] != activate
    monkeypatch.setattr(upsampling, "LARGE", 0)
    for way in ways:
        monkeypatch.setattr(upsampling, "activation", lambda _, way=way: way)
        torch.testing.assert_close(upsample(layers, x), expected, rtol=1e-4, atol=1e-5)


@settings(max_examples=20)
@given(
    length=st.integers(2, 40),
    ends=st.tuples(st.integers(0, 5), st.integers(0, 5)),
    cut=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    adds=st.booleans(),
)
def test_the_kernel_does_what_pytorch_does(
    length: int, ends: tuple[int, int], cut: tuple[int, int], adds: bool
) -> None:
    """Of a part of longer rows, as a transposed convolution leaves it."""
    pytest.importorskip("triton", reason="Triton is not installed; its interpreter needs no GPU")
    from audio_chain.generate.musicgen.kernels import elu

    left, right = (min(end, length - 1) for end in ends)
    chance = torch.Generator().manual_seed(length)

    def rows(columns: int) -> Tensor:
        return (3 * torch.randn(2, 3, columns, generator=chance)).to(DEVICE)

    x = rows(cut[0] + length + cut[1])[..., cut[0] : cut[0] + length]
    more = rows(length) if adds else None
    found = elu.activate(x, more, left, right)
    assert found.is_contiguous()
    torch.testing.assert_close(found, activate(x, more, left, right))


def test_without_a_gpu_or_kernels_it_is_pytorchs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert activation(torch.device("cpu")) is activate
    monkeypatch.setenv(OPT_OUT, "0")
    activation.cache_clear()
    assert activation(torch.device("cuda")) is activate
    activation.cache_clear()
