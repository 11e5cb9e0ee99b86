"""Putting an adapter into a model with peft, and writing it as peft does."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import save
from torch import Tensor

from audio_chain.errors import UsageError
from audio_chain.files import write_whole
from audio_chain.lora.adapter import CONFIG, TENSORS

if TYPE_CHECKING:
    from audio_chain.finetune.recipe import Recipe
    from audio_chain.finetune.trainee import Trainee


def adapt(trainee: Trainee, recipe: Recipe) -> Any:
    """Put a fresh adapter into a trainee's network.

    The network itself is changed, and calls what has been put into it.

    Returns
    -------
    PeftModel
        Around the network.

    Raises
    ------
    UsageError
        The recipe's targets are none of the trainee's.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    if recipe.targets not in trainee.targets:
        raise UsageError(
            f"no targets {recipe.targets!r}; {trainee.card.name} has {', '.join(trainee.targets)}"
        )
    torch.manual_seed(recipe.seed)  # of the matrices at the start
    settings: dict[str, Any] = {
        "r": recipe.rank,
        "lora_alpha": recipe.alpha,
        "lora_dropout": recipe.dropout,
        "target_modules": list(trainee.targets[recipe.targets]),
    }
    network: Any = trainee.network
    model: Any = get_peft_model(network, LoraConfig(**settings))
    model.peft_config["default"].base_model_name_or_path = trainee.card.name
    return model


@contextmanager
def unadapted(network: Any) -> Iterator[None]:
    """Let a network answer as it did before its adapter was put in."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [module for module in network.modules() if isinstance(module, BaseTunerLayer)]
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)


def learnt(model: Any) -> dict[str, Tensor]:
    """The adapter's own tensors by their names in the model."""
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


def write_adapter(model: Any, folder: Path) -> None:
    """Write an adapter in peft's format, each file whole.

    Raises
    ------
    AudioError
        There is no space left, or the folder can't be written to.
    """
    tensors = {
        name.replace(".default.", "."): value.detach().float().contiguous().cpu()
        for name, value in learnt(model).items()
    }
    config = model.peft_config["default"].to_dict()
    config["inference_mode"] = True
    config = {
        name: sorted(value) if isinstance(value, set) else value for name, value in config.items()
    }
    write_whole(folder / TENSORS, io.BytesIO(save(tensors, metadata={"format": "pt"})))
    text = json.dumps(config, indent=2, sort_keys=True, default=str)
    write_whole(folder / CONFIG, io.BytesIO(text.encode()))
