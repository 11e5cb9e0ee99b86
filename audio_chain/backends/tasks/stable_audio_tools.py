"""stable-audio-tools: diffusion models from a JSON configuration and safetensors."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file, save_file
from stable_audio_tools import create_model_from_config
from stable_audio_tools.inference.generation import (
    generate_diffusion_cond,
    generate_diffusion_cond_inpaint,
)

from audio_chain.backends.serve import Job, Reply
from audio_chain.backends.tasks.checkpoints import LastUsed, checkpoint, only_tensors
from audio_chain.errors import UsageError

CHECKPOINT: Final = ("model_config.json", "model.safetensors")

# How these objectives are usually sampled; the guidance is the package's own. Distilled models
# ("rf_denoiser") predict the sound itself, need few steps, and have their guidance inside.
_DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "v": {"guidance": 6.0, "steps": 100, "sampler": "dpmpp-3m-sde"},
    "rectified_flow": {"guidance": 6.0, "steps": 50, "sampler": "euler"},
}
_DISTILLED: Final[Mapping[str, Any]] = {"guidance": 1.0, "steps": 8, "sampler": "pingpong"}

_SAMPLERS: Final[Mapping[str, tuple[str, ...]]] = {
    "v": (
        *("dpmpp-2m", "dpmpp-2m-sde", "dpmpp-3m-sde", "k-heun", "k-lms", "k-dpmpp-2s-ancestral"),
        *("k-dpm-2", "k-dpm-fast", "k-dpm-adaptive", "v-ddim"),
    ),
}
_FLOW_SAMPLERS: Final = ("euler", "rk4", "dpmpp", "pingpong")

VARIATION: Final = 0.6
"""Strength of a variation where none is asked for, as elsewhere."""


@dataclass(frozen=True)
class _Loaded:
    model: Any
    rate: int
    frames: int
    fills: bool
    """Whether it was made to fill in parts."""

    @property
    def defaults(self) -> Mapping[str, Any]:
        return _DEFAULTS.get(self.model.diffusion_objective, _DISTILLED)

    @property
    def adapts(self) -> bool:
        """Whether a shorter piece takes less: the package sees to it."""
        marks = ("mask_padding_attention", "use_effective_length_for_schedule")
        return any(getattr(self.model, mark, False) for mark in marks)


_models: Final = LastUsed[_Loaded]()


def load(job: Job) -> Reply:
    """Load a model and tell its facts."""
    loaded = _model(job.values)
    seconds = loaded.frames / loaded.rate
    return Reply(
        {
            "rate": loaded.rate,
            "max_seconds": seconds,
            "least_seconds": 0.0 if loaded.adapts else seconds,
            "defaults": dict(loaded.defaults),
        }
    )


def generate(job: Job) -> Reply:
    """Make one piece of a prompt.

    The whole window is sampled and then cropped, as the model was trained; models that learnt to
    attend to a part of it only make that part, and the package sees to it.
    """
    values = job.values
    loaded = _model(values)
    model, rate = loaded.model, loaded.rate
    sampling = {**loaded.defaults, **values["sampling"]}
    steps, sampler = int(sampling["steps"]), sampling["sampler"]
    known = _SAMPLERS.get(model.diffusion_objective, _FLOW_SAMPLERS)
    if sampler not in known:
        raise UsageError(f"this model has no sampler {sampler!r}; choose one of {', '.join(known)}")
    conditions = {"seconds_start": 0, "seconds_total": float(values["seconds"])}
    against = None
    if values["negative"]:
        against = [{**conditions, "prompt": values["negative"]}]

    play, more = _edited(job, loaded)

    def stepped(state: Mapping[str, Any]) -> None:
        job.progress(state["i"] + 1, steps)

    with torch.inference_mode():
        audio = play(
            model,
            steps=steps,
            cfg_scale=sampling["guidance"],
            conditioning=[{**conditions, "prompt": values["prompt"]}],
            negative_conditioning=against,
            batch_size=1,
            sample_size=loaded.frames,
            seed=values["seed"],
            device=values["device"],
            sampler_type=sampler,
            callback=stepped,
            **more,
        )
    samples = audio[0, :, : round(values["seconds"] * rate)].float().cpu().numpy()
    return Reply({"rate": rate}, {"samples": samples})


def _edited(job: Job, loaded: _Loaded) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The package's function for what is asked, and what of it concerns given sound."""
    source, span = job.arrays.get("source"), job.values["sampling"].get("inpaint")
    play = generate_diffusion_cond_inpaint if loaded.fills else generate_diffusion_cond
    if source is None:
        return play, {}
    sound = (int(job.values["source_rate"]), torch.from_numpy(source.copy()))
    strength = job.values["sampling"].get("strength")
    if span is None:
        return play, {
            "init_audio": sound,
            "init_noise_level": VARIATION if strength is None else strength,
        }
    if not loaded.fills:
        raise UsageError(
            "this model was not made to fill in parts: leave out --inpaint, or choose one of the "
            "type diffusion_cond_inpaint"
        )
    if strength is not None:
        raise UsageError("a part is filled in from noise only: leave out --strength or --inpaint")
    return play, {
        "inpaint_audio": sound,
        "inpaint_mask_start_seconds": span[0],
        "inpaint_mask_end_seconds": span[1],
    }


def check(job: Job) -> Reply:
    """Sample a tiny model with random weights, written and read as a checkpoint is."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        write_random(Path(name), TINY, seed=0)
        values = {
            "model": name,
            "device": "cpu",
            "prompt": "",
            "negative": "",
            "seconds": 0.25,
            "seed": 1,
            "sampling": {"guidance": 2.0, "steps": 4},
        }
        samples = generate(Job(values, {}, job.progress)).arrays["samples"]
    _models.forget()
    seconds = time.perf_counter() - start
    if samples.shape != (1, 4000) or not samples.std() > 0:
        raise RuntimeError(f"4000 frames came out as {samples.shape}, std {samples.std()}")
    versions = {name: version(name) for name in ("stable-audio-tools", "torch", "transformers")}
    did = f"made 0.25 s of noise with a tiny random model in {seconds:.1f} s"
    return Reply({"did": did, "versions": versions})


TINY: Final[Mapping[str, Any]] = {
    "model_type": "diffusion_cond",
    "sample_size": 8000,
    "sample_rate": 16_000,
    "audio_channels": 1,
    "model": {
        "io_channels": 4,
        "pretransform": {
            "type": "autoencoder",
            "config": {
                "encoder": {
                    "type": "oobleck",
                    "config": {
                        "in_channels": 1,
                        "channels": 4,
                        "c_mults": [1, 2],
                        "strides": [4, 8],
                        "latent_dim": 8,
                        "use_snake": True,
                    },
                },
                "decoder": {
                    "type": "oobleck",
                    "config": {
                        "out_channels": 1,
                        "channels": 4,
                        "c_mults": [1, 2],
                        "strides": [4, 8],
                        "latent_dim": 4,
                        "use_snake": True,
                        "final_tanh": False,
                    },
                },
                "bottleneck": {"type": "vae"},
                "latent_dim": 4,
                "downsampling_ratio": 32,
                "io_channels": 1,
            },
        },
        "conditioning": {
            "cond_dim": 16,
            "configs": [
                {
                    "id": "seconds_total",
                    "type": "number",
                    "config": {"min_val": 0, "max_val": 512},
                }
            ],
        },
        "diffusion": {
            "type": "dit",
            "diffusion_objective": "v",
            "cross_attention_cond_ids": ["seconds_total"],
            "global_cond_ids": ["seconds_total"],
            "config": {
                "io_channels": 4,
                "embed_dim": 64,  # heads of 32: the rotary embedding's least
                "depth": 1,
                "num_heads": 2,
                "cond_token_dim": 16,
                "global_cond_dim": 16,
                "project_cond_tokens": True,
                "transformer_type": "continuous_transformer",
            },
        },
    },
}
"""Configuration of a model for checks: no text, so nothing has to be fetched."""


def write_random(folder: Path, config: Mapping[str, Any], *, seed: int) -> None:
    """Write a checkpoint with random weights."""
    torch.manual_seed(seed)
    model = create_model_from_config(config)
    # its last layers begin at zero, and nothing would be heard
    state = {
        name: torch.randn_like(value) * 0.1
        if value.is_floating_point() and not value.any()
        else value
        for name, value in model.state_dict().items()
    }
    (folder / CHECKPOINT[0]).write_text(json.dumps(config), encoding="utf-8")
    save_file(
        {name: value.contiguous().clone() for name, value in state.items()}, folder / CHECKPOINT[1]
    )


def _model(values: Mapping[str, Any]) -> _Loaded:
    name, device = values["model"], values["device"]
    return _models.get((name, device), lambda: _load(name, device))


def _load(name: str, device: str) -> _Loaded:
    folder = checkpoint(name, CHECKPOINT, "stable-audio-tools")
    try:
        config = json.loads((folder / CHECKPOINT[0]).read_text("utf-8"))
        kind, rate, frames = (config[key] for key in ("model_type", "sample_rate", "sample_size"))
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder / CHECKPOINT[0]} can't be read ({error!r})") from error
    if kind not in ("diffusion_cond", "diffusion_cond_inpaint"):
        raise UsageError(f"{folder} is a model of type {kind!r}, which makes nothing of a prompt")
    with only_tensors():  # a configuration can name further checkpoints
        model = create_model_from_config(config)
    model.load_state_dict(load_file(folder / CHECKPOINT[1]))
    fills = kind == "diffusion_cond_inpaint"
    return _Loaded(model.to(device).eval().requires_grad_(False), int(rate), int(frames), fills)


TASKS: Final = {"load": load, "generate": generate, "check": check}
