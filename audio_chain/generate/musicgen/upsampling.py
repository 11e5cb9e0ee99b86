"""EnCodec's decoder after its LSTM: from 50 frames a second to samples.

The weights are transformers'. Each convolution reads exponential linear units (Clevert et al. 2016)
of what the one before it gave, reflected at both ends. That and the sums of residual blocks move
far more bytes than the convolutions do, so on a GPU one kernel does all that lies between two of
them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache
from typing import Any, Final, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audio_chain.generate.musicgen.kernels import may_run

LARGE: Final = 1 << 24
"""Values from which on our kernel takes less time than its launch costs more than PyTorch's."""


class Activate(Protocol):
    """What lies between two convolutions."""

    def __call__(self, x: Tensor, more: Tensor | None, left: int, right: int) -> Tensor:
        """Activated sum, with so many values reflected at its beginning and its end.

        Parameters
        ----------
        x : Tensor
            (pieces, channels, length); in the last dimension without gaps.
        more : Tensor or None
            To be added to it; contiguous.
        left, right : int
            Each less than the length.
        """
        ...


def activate(x: Tensor, more: Tensor | None, left: int, right: int) -> Tensor:
    """As `Activate`."""
    x = F.elu(x if more is None else x + more)
    return F.pad(x, (left, right), "reflect") if left or right else x


@cache
def activation(device: torch.device) -> Activate:
    """The fastest one on a device."""
    if not may_run(device):
        return activate
    try:
        from audio_chain.generate.musicgen.kernels import elu

        elu.activate(torch.zeros(1, 1, 4, device=device), None, 1, 1)
    except Exception:  # of Triton, of the compilers that it calls, of the driver
        return activate
    return elu.activate


def upsample(layers: Iterable[nn.Module], x: Tensor) -> Tensor:
    """Let the layers after an `EncodecDecoder`'s LSTM make sound of its states.

    Parameters
    ----------
    layers : iterable of Module
        With their weights as they are multiplied.
    x : Tensor
        (pieces, channels, frames).

    Returns
    -------
    Tensor
        (pieces, 1, samples).
    """
    between, more = activation(x.device), None
    for layer in layers:
        if isinstance(layer, nn.ELU):  # each convolution begins with its own
            continue
        block: Any = getattr(layer, "block", None)
        if block is None:
            x, more = _convolved(layer, x, more, between), None
            continue
        x = x if more is None else x + more
        _, first, _, second = block
        more = _convolved(second, _convolved(first, x, None, between), None, between)
        x = layer.shortcut(x)  # type: ignore[operator]
    return x


def _convolved(layer: Any, x: Tensor, more: Tensor | None, between: Activate) -> Tensor:
    conv = layer.conv
    between = between if x.numel() >= LARGE else activate
    (kernel,), (stride,), (dilation,) = conv.kernel_size, conv.stride, conv.dilation
    beyond = (kernel - 1) * dilation + 1 - stride
    if isinstance(conv, nn.ConvTranspose1d):
        right = math.ceil(beyond * layer.trim_right_ratio) if layer.causal else beyond // 2
        y: Tensor = conv(between(x, more, 0, 0))
        return y[..., beyond - right : y.shape[-1] - right]
    right = 0 if layer.causal else beyond // 2
    convolved: Tensor = conv(between(x, more, beyond - right, right))
    return convolved
