"""MusicGen (Copet et al. 2023): our own decoding of transformers' checkpoints, large and nano."""

from __future__ import annotations

from audio_chain.generate.musicgen.generator import MusicgenGenerator, load_musicgen

__all__ = ["MusicgenGenerator", "load_musicgen"]
