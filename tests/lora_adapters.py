"""LoRA adapters of random numbers, made and written by peft itself."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model

TARGETS = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]


def random_adapter(
    model: Any, folder: Path, base: str, *, rank: int = 4, seed: int = 0, **more: Any
) -> Path:
    """Write an adapter whose matrices are all random; `model` gets it too."""
    torch.manual_seed(seed)
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=TARGETS, **more)
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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return PeftModel.from_pretrained(model, str(folder)).eval().base_model.model
