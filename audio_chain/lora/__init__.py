"""LoRA adapters (Hu et al. 2022) in peft's format: read, checked, merged into a model's weights."""

from __future__ import annotations

from audio_chain.lora.adapter import Adapter, read_adapter
from audio_chain.lora.choosing import adapted

__all__ = ["Adapter", "adapted", "read_adapter"]
