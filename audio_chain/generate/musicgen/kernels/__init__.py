"""The step of a few rows in kernels of our own, written in Triton (Tillet et al. 2019).

With two rows a step is nothing but reading the weights once. PyTorch's kernels read them at a
third of what the memory could give, and there are many small ones between. Here a layer is eight
kernels, each of which reads its weights in one go. More than `MOST_ROWS` rows are matrix products
again, and cuBLAS's.

Triton is imported where there is a GPU only; see `stepping`.
"""

from __future__ import annotations

from typing import Final

MOST_ROWS: Final = 16
"""More rows go through cuBLAS."""

OPT_OUT: Final = "AUDIO_CHAIN_KERNELS"
"""Environment variable; 0 leaves every step to PyTorch's kernels."""

SPLIT: Final = 256
"""Columns of the cache that one program attends to."""
