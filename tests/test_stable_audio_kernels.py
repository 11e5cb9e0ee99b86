"""The diffusion transformer's kernels against PyTorch's operations, in Triton's interpreter."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from stable_audio_models import player, saved, tiny
from torch import Tensor, nn

from audio_chain.generate import GenerationRequest
from audio_chain.generate.musicgen.kernels import OPT_OUT
from audio_chain.generate.stable_audio import operations

pytest.importorskip("triton", reason="Triton is not installed; its interpreter needs no GPU")

from audio_chain.generate.stable_audio import kernels

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# what the interpreter runs in the default tier is compiled and run on a GPU
pytestmark = [pytest.mark.gpu] if DEVICE.type == "cuda" else []

CHANCE = torch.Generator().manual_seed(0)

DTYPES = pytest.mark.parametrize(
    ("dtype", "near"), [(torch.float32, 1e-5), (torch.float16, 4e-3)], ids=str
)


def drawn(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=CHANCE).to(DEVICE, dtype)


@DTYPES
@pytest.mark.parametrize("width", [64, 96, 1536])
def test_sums_are_normalised(width: int, dtype: torch.dtype, near: float) -> None:
    """Of some rows of a larger tensor, too, and in place of the other summand's rows."""
    norm = nn.LayerNorm(width).to(DEVICE, dtype)
    norm.weight.data, norm.bias.data = drawn(width, dtype=dtype), drawn(width, dtype=dtype)
    found, more = drawn(3, 5, width, dtype=dtype), drawn(3, 5, width, dtype=dtype)
    wanted, out = found.clone(), torch.zeros(2, 3, 5, width, device=DEVICE, dtype=dtype)
    with torch.inference_mode():
        kernels.add_norm(found[1:], more[1:], norm, out[0, 1:])
        operations.add_norm(wanted[1:], more[1:], norm, out[1, 1:])
    torch.testing.assert_close(found, wanted, atol=0, rtol=0)
    torch.testing.assert_close(out[0], out[1], atol=near, rtol=near)
    assert not out[:, 0].any()


@DTYPES
@pytest.mark.parametrize(("heads", "size"), [(4, 16), (3, 16), (24, 64)])
def test_positions_turn(heads: int, size: int, dtype: torch.dtype, near: float) -> None:
    """Queries and keys; values, which lie behind them, stay as they are."""
    three = drawn(2, 6, 3, heads, size, dtype=dtype)
    expected = three.clone()
    cosine, sine = (drawn(6, size // 2, dtype=dtype) for _ in range(2))
    kernels.turn(three[:, :, :2], cosine, sine)
    operations.turn(expected[:, :, :2], cosine, sine)
    torch.testing.assert_close(three, expected, atol=near, rtol=near)
    assert torch.equal(three[:, :, 2], expected[:, :, 2])


@DTYPES
@pytest.mark.parametrize("width", [8, 1500, 2048])
def test_gates_open(width: int, dtype: torch.dtype, near: float) -> None:
    both = drawn(2, 3, 2 * width, dtype=dtype)
    torch.testing.assert_close(kernels.gate(both), operations.gate(both), atol=near, rtol=near)


def test_a_piece_in_kernels(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guided away from nothing, from a text, and not at all."""
    folder = saved(tiny(), tmp_path / "pipeline")
    monkeypatch.setenv(OPT_OUT, "0")
    plain = player(folder, DEVICE)
    monkeypatch.setattr(
        "audio_chain.generate.stable_audio.network.operations",
        lambda device, size: operations.in_kernels(device),
    )
    ours = player(folder, DEVICE)
    for more in ({}, {"negative": "drums"}, {"guidance": 1.0}):
        request = GenerationRequest(("sad piano", "a waltz"), 0.2, (1, 2), steps=2, **more)
        for one, other in zip(ours.generate(request), plain.generate(request), strict=True):
            torch.testing.assert_close(
                torch.tensor(one.samples), torch.tensor(other.samples), atol=1e-4, rtol=0
            )
