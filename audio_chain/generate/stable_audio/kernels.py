"""`operations` in kernels of our own, written in Triton (Tillet et al. 2019).

Each reads and writes its tensors once. Triton is imported where there is a GPU only.
"""

from __future__ import annotations

from typing import Final

import torch
import triton
import triton.language as tl
from torch import Tensor, nn

_GATED: Final = 1024
"""Values that a program of `gate` makes."""


def add_norm(hidden: Tensor, more: Tensor, norm: nn.LayerNorm, out: Tensor) -> None:
    """As `operations.AddNorm`; all are contiguous."""
    width = hidden.shape[-1]
    block = triton.next_power_of_2(width)
    _add_norm[(hidden.numel() // width,)](
        hidden, more, out, norm.weight, norm.bias, norm.eps, width, block, num_warps=_warps(block)
    )


@triton.jit
def _add_norm(
    hidden,
    more,
    out,
    weight,
    bias,
    eps,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
):
    at = tl.program_id(0).to(tl.int64) * WIDTH
    channel = tl.arange(0, BLOCK)
    inside = channel < WIDTH
    x = tl.load(hidden + at + channel, inside, 0.0).to(tl.float32)
    x += tl.load(more + at + channel, inside, 0.0).to(tl.float32)
    kept = x.to(hidden.dtype.element_ty)
    tl.store(hidden + at + channel, kept, inside)
    x = kept.to(tl.float32)
    mean = tl.sum(x, 0) / WIDTH
    away = tl.where(inside, x - mean, 0.0)
    scale = tl.rsqrt(tl.sum(away * away, 0) / WIDTH + eps)
    w = tl.load(weight + channel, inside, 0.0).to(tl.float32)
    b = tl.load(bias + channel, inside, 0.0).to(tl.float32)
    tl.store(out + at + channel, (away * scale * w + b).to(out.dtype.element_ty), inside)


def turn(states: Tensor, cosine: Tensor, sine: Tensor) -> None:
    """As `operations.Turn`; channels of heads, and heads, lie one after the other."""
    rows, frames, _, heads, size = states.shape
    each = 2 * heads
    _turn[(rows * frames,)](
        states,
        cosine,
        sine,
        frames,
        states.stride(1),
        size,
        cosine.shape[-1] // 2,
        each,
        triton.next_power_of_2(each),
    )


@triton.jit
def _turn(
    states,
    cosine,
    sine,
    frames,
    stride,
    SIZE: tl.constexpr,
    PAIRS: tl.constexpr,
    EACH: tl.constexpr,
    BLOCK: tl.constexpr,
):
    cell = tl.program_id(0).to(tl.int64)
    head, pair = tl.arange(0, BLOCK), tl.arange(0, PAIRS)
    place = (cell % frames) * 2 * PAIRS + pair
    spots = states + cell * stride + head[:, None] * SIZE + pair[None, :]
    inside = (head < EACH)[:, None]
    first = tl.load(spots, inside, 0.0).to(tl.float32)
    second = tl.load(spots + PAIRS, inside, 0.0).to(tl.float32)
    here = first * tl.load(cosine + place).to(tl.float32)[None, :]
    here -= second * tl.load(sine + place).to(tl.float32)[None, :]
    there = second * tl.load(cosine + PAIRS + place).to(tl.float32)[None, :]
    there += first * tl.load(sine + PAIRS + place).to(tl.float32)[None, :]
    tl.store(spots, here.to(states.dtype.element_ty), inside)
    tl.store(spots + PAIRS, there.to(states.dtype.element_ty), inside)


def gate(both: Tensor) -> Tensor:
    """As `operations.Gate`."""
    rows, frames, width = both.shape
    out = torch.empty(rows, frames, width // 2, device=both.device, dtype=both.dtype)
    _gate[(rows * frames, triton.cdiv(width // 2, _GATED))](both, out, width // 2, _GATED)
    return out


@triton.jit
def _gate(both, out, WIDTH: tl.constexpr, BLOCK: tl.constexpr):
    cell = tl.program_id(0).to(tl.int64)
    channel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = channel < WIDTH
    values = tl.load(both + cell * 2 * WIDTH + channel, inside, 0.0).to(tl.float32)
    gates = tl.load(both + cell * 2 * WIDTH + WIDTH + channel, inside, 0.0).to(tl.float32)
    tl.store(out + cell * WIDTH + channel, values * gates * tl.sigmoid(gates), inside)


def _warps(block: int) -> int:
    return max(1, min(8, block // 256))
