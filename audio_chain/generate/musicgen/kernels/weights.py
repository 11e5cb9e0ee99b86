"""What kernels read of a matrix."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from audio_chain.generate.musicgen.layers import Norm
from audio_chain.generate.musicgen.matrices import Matrix, Plain, Scaled


def parts(matrix: Matrix) -> tuple[Tensor, Tensor, bool]:
    """Values, scale, and whether there is one."""
    if isinstance(matrix, Scaled):
        return matrix.values, matrix.scale, True
    assert isinstance(matrix, Plain)
    return matrix.weight, matrix.weight, False


def sums(norm: Norm, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Of weights (outputs, inputs) times gain and times shift, float32: see `products`."""
    along, aside = F.linear(torch.stack([norm.weight, norm.bias]).float(), weight.float())
    return along, aside
