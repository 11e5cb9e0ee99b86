"""LoRA adapters of random numbers, made and written by peft itself."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer

TARGETS = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]
DIFFUSION = ["to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2"]


def random_adapter(
    model: Any,
    folder: Path,
    base: str,
    *,
    rank: int = 4,
    seed: int = 0,
    targets: list[str] = TARGETS,
    **more: Any,
) -> Path:
    """Write an adapter whose matrices are all random; `model` gets it too."""
    torch.manual_seed(seed)
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=targets, **more)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tuned = get_peft_model(model, config)
        for name, value in tuned.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(value, std=0.1)
        tuned.peft_config["default"].base_model_name_or_path = base
        tuned.save_pretrained(str(folder))
    return folder


def with_adapter(model: Any, folder: Path) -> Any:
    """The model as plain peft loads the adapter for it, not merged."""
    return with_adapters(model, {folder: 1.0})


def with_adapters(model: Any, strengths: Mapping[Path, float]) -> Any:
    """The model as plain peft uses several adapters at once, scaled."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first, *others = strengths
        tuned: Any = PeftModel.from_pretrained(model, str(first), adapter_name=str(0))
        for number, folder in enumerate(others, 1):
            tuned.load_adapter(str(folder), adapter_name=str(number))
    tuned.base_model.set_adapter([str(number) for number in range(len(strengths))])
    layers: list[Any] = [layer for layer in tuned.modules() if isinstance(layer, LoraLayer)]
    for layer in layers:
        for number, strength in enumerate(strengths.values()):
            layer.scaling[str(number)] *= strength
    return tuned.eval().base_model.model
