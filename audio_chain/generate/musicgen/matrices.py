"""A decoder's weights as each precision keeps them, and products of rows with them.

Two rows a step leave a processor waiting for the weights, so that time goes with their bytes.
What is summed is never of less than the precision of the rows: ``fp16`` and ``int8`` on a CPU
keep weights small and compute in float32.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from audio_chain.errors import UsageError

Precision = Literal["fp32", "bf16", "fp16", "int8"]
"""Of the weights. ``int8`` has a scale for each output."""

PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)

_LEVELS: Final = 127
"""Of an 8-bit weight on either side of 0."""

_HALF: Final = 128
_PEAK: Final = 63 * _HALF + 63
"""Rows are integers up to this, in two parts of 7 bits: more would overflow where a processor
adds pairs of products in 16 bits."""

_LARGE: Final = 1 << 18
"""Values of a weight that gains nothing from being joined to others: to read it takes longer than
to call for its product."""

_ROUNDED: Final = 1 << 18
"""Values that are rounded at a time, so that they stay in a processor's cache."""

_warning_filters: Final = threading.Lock()
"""Python has one list of them for all threads."""


class Matrix(Protocol):
    """A weight (outputs, inputs)."""

    def __call__(self, x: Tensor) -> Tensor:
        """Product with rows (..., inputs): (..., outputs)."""
        ...


@dataclass(frozen=True, eq=False)
class Plain:
    """A weight in the precision that is computed in."""

    weight: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        if x.device.type == "cpu" and x.numel() == x.shape[-1]:
            # a CPU has a kernel of its own for one row, which sums in another order
            return F.linear(torch.cat([x, x]), self.weight)[:1]
        return F.linear(x, self.weight)


@dataclass(frozen=True, eq=False)
class Apart:
    """Weights that read the same input, each where it was: their products, one after the other."""

    parts: tuple[Plain, ...]

    def __call__(self, x: Tensor) -> Tensor:
        return torch.cat([part(x) for part in self.parts], -1)


@dataclass(frozen=True, eq=False)
class Half:
    """A weight in 16 bits on a CPU, packed for FBGEMM; sums are in float32."""

    packed: Any

    @classmethod
    def of(cls, weight: Tensor) -> Half:
        """Pack a weight."""
        return cls(torch.ops.quantized.linear_prepack_fp16(weight.float().contiguous(), None))

    def __call__(self, x: Tensor) -> Tensor:
        product: Tensor = torch.ops.quantized.linear_dynamic_fp16(x, self.packed)
        return product


@dataclass(frozen=True, eq=False)
class Scaled:
    """A weight in 8 bits, multiplied out where it is used.

    Attributes
    ----------
    values : Tensor
        int8 (outputs, inputs).
    scale : Tensor
        float32 (outputs,).
    """

    values: Tensor
    scale: Tensor

    @classmethod
    def of(cls, weight: Tensor) -> Scaled:
        """Round a weight to the nearest of 255 levels for each output."""
        values = torch.empty_like(weight, dtype=torch.int8)
        scale = torch.empty(len(weight), device=weight.device)
        rows = max(1, _ROUNDED // weight.shape[1]) if weight.device.type == "cpu" else len(weight)
        for part, rounded, unit in zip(
            weight.split(rows), values.split(rows), scale.split(rows), strict=True
        ):
            exact = part.float()
            unit.copy_(exact.abs().amax(1).clamp_min_(torch.finfo(torch.float32).tiny) / _LEVELS)
            rounded.copy_((exact / unit[:, None]).round_())
        return cls(values, scale)

    def __call__(self, x: Tensor) -> Tensor:
        product = F.linear(x, self.values.to(x.dtype))
        return (product * self.scale).to(x.dtype)


@dataclass(frozen=True, eq=False)
class Exact:
    """A weight in 8 bits on a CPU; sums are of integers and exact, in whatever order.

    A row is rounded to 14 bits relative to its largest value, finer than bfloat16 has it.
    """

    packed: Any

    @classmethod
    def of(cls, weight: Tensor) -> Exact:
        """Round and pack a weight."""
        scaled = Scaled.of(weight)
        with _warning_filters, warnings.catch_warnings():
            # such tensors are going to be removed, and then `can_keep` says so
            warnings.simplefilter("ignore", UserWarning)
            levels = torch._make_per_channel_quantized_tensor(
                scaled.values, scaled.scale.double(), torch.zeros(len(weight)).long(), 0
            )
        return cls(torch.ops.quantized.linear_prepack(levels, None))

    def __call__(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        count = len(rows)
        peak = torch.linalg.vector_norm(rows, torch.inf, -1, keepdim=True)
        scale = peak.div_(_PEAK).clamp_min_(1e-30)
        levels = (rows / scale).round_()
        parts = rows.new_empty(2 * count, rows.shape[1])
        torch.mul(levels, 1 / _HALF, out=parts[:count]).round_()
        torch.sub(levels, parts[:count], alpha=_HALF, out=parts[count:])
        products: Tensor = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
            parts, 1.0, _HALF // 2, self.packed
        )
        product = torch.add(products[count:], products[:count], alpha=_HALF).mul_(scale)
        return product.view(*x.shape[:-1], -1)


def can_keep(precision: Precision, device: torch.device) -> bool:
    """Whether weights can be kept like this on a device."""
    if device.type != "cpu" or precision in ("fp32", "bf16"):
        return True
    needed = {
        "fp16": ("linear_prepack_fp16", "linear_dynamic_fp16"),
        "int8": ("linear_prepack", "linear_with_input_q_dq_qweight_dq_output_fp32"),
    }[precision]
    return "fbgemm" in torch.backends.quantized.supported_engines and all(
        hasattr(torch.ops.quantized, name) for name in needed
    )


def computed_in(precision: Precision, device: torch.device) -> torch.dtype:
    """Of the rows that weights of a precision are multiplied with."""
    if precision == "bf16":
        return torch.bfloat16
    if precision == "fp32" or device.type == "cpu":
        return torch.float32
    return torch.float16


def choose(wanted: str, device: torch.device) -> Precision:
    """The precision to use.

    Parameters
    ----------
    wanted : str
        One of `PRECISIONS`, or ``auto``: ``fp16`` on a GPU, and on a CPU that can; else ``fp32``.
    device : torch.device
        Where the decoder runs.

    Raises
    ------
    UsageError
        There is no such precision, or not here.
    """
    if wanted == "auto":
        wanted = "fp16" if device.type in ("cuda", "cpu") and can_keep("fp16", device) else "fp32"
    for precision in PRECISIONS:
        if wanted == precision:
            if not can_keep(precision, device):
                raise UsageError(
                    f"this PyTorch can't multiply {precision} weights on this processor; "
                    "choose --precision bf16 or fp32"
                )
            return precision
    raise UsageError(f"no precision {wanted!r}; choose auto, {', '.join(PRECISIONS)}")


def keep(weights: Sequence[Tensor], precision: Precision, device: torch.device) -> Matrix:
    """Keep weights (outputs, inputs) in a precision, on a device; several as one, all outputs.

    On a CPU, what needs no conversion is not copied: it stays mapped from its file.
    """
    dtype = computed_in(precision, device)
    if device.type != "cpu":
        # it takes them from the file as they are
        weight = _joined(weights, device, weights[0].dtype)
        return Scaled.of(weight) if precision == "int8" else Plain(weight.to(dtype))
    if precision == "fp32" and min(weight.numel() for weight in weights) >= _LARGE:
        parts = tuple(Plain(weight.to(device, dtype)) for weight in weights)
        return parts[0] if len(parts) == 1 else Apart(parts)
    weight = _joined(weights, device, dtype)
    if precision == "fp16":
        return Half.of(weight)
    return Exact.of(weight) if precision == "int8" else Plain(weight)


def _joined(weights: Sequence[Tensor], device: torch.device, dtype: torch.dtype) -> Tensor:
    """Weights one after the other; one alone is not copied where it is as it shall be."""
    if len(weights) == 1:
        return weights[0].to(device, dtype)
    rows = [len(weight) for weight in weights]
    joined = torch.empty(sum(rows), weights[0].shape[1], device=device, dtype=dtype)
    for part, weight in zip(joined.split(rows), weights, strict=True):
        part.copy_(weight)
    return joined
