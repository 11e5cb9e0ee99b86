"""Stable Audio (Evans et al. 2024): our own sampling of checkpoints in diffusers' format."""

from __future__ import annotations

from audio_chain.generate.stable_audio.generator import StableAudioGenerator, load_stable_audio

__all__ = ["StableAudioGenerator", "load_stable_audio"]
