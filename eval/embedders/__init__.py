"""Models that turn sound into vectors, behind one Protocol.

>>> from eval.embedders import load_embedder
>>> embedder = load_embedder("clap-nano")  # doctest: +SKIP
>>> embedder.embed(clip).shape  # doctest: +SKIP
(1, 256)
"""

from __future__ import annotations

from eval.embedders.embedder import Embedder, EmbeddingError, Embeddings, TextEmbedder
from eval.embedders.loading import NAMES, load_embedder, load_text_embedder

__all__ = [
    "NAMES",
    "Embedder",
    "EmbeddingError",
    "Embeddings",
    "TextEmbedder",
    "load_embedder",
    "load_text_embedder",
]
