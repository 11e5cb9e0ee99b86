"""Small modules in the place of large ones that a package imports and hardly uses."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


def stand_in_for_xformers() -> None:
    """Put torch's own attention in the place of xformers'.

    audiocraft imports xformers without condition, and MAGNeT's attention is written for it. Its
    binaries exist for CUDA and for some torch versions only; torch's function computes the same,
    and on a CPU too.
    """
    import torch
    import torch.nn.functional as F

    class LowerTriangularMask:
        """Stands for causal attention."""

    def memory_efficient_attention(
        query: Any, key: Any, value: Any, attn_bias: Any = None, p: float = 0.0
    ) -> Any:
        """Attend; tensors are (batch, time, heads, channels), a bias is added to the scores."""
        causal = isinstance(attn_bias, LowerTriangularMask)
        attended = F.scaled_dot_product_attention(
            query.transpose(1, 2),
            key.transpose(1, 2),
            value.transpose(1, 2),
            attn_mask=None if causal else attn_bias,
            dropout_p=p,
            is_causal=causal,
        )
        return attended.transpose(1, 2)

    package, ops = ModuleType("xformers"), ModuleType("xformers.ops")
    members = {
        "unbind": torch.unbind,
        "memory_efficient_attention": memory_efficient_attention,
        "LowerTriangularMask": LowerTriangularMask,
    }
    for name, member in members.items():
        setattr(ops, name, member)
    package.ops = ops  # type: ignore[attr-defined]
    sys.modules |= {"xformers": package, "xformers.ops": ops}


def stand_in_for_spacy() -> None:
    """Put a splitter at blanks in the place of spaCy.

    audiocraft imports spaCy (190 MB) for the word tables of its debugging models; its published
    checkpoints read text with T5.
    """

    class Word:
        def __init__(self, text: str) -> None:
            self.text = self.lemma_ = text
            self.is_stop = False

    def load(language: str) -> Any:
        return lambda text: [Word(word) for word in text.lower().split()]

    package = ModuleType("spacy")
    package.load = load  # type: ignore[attr-defined]
    sys.modules["spacy"] = package
