"""Put trained models into the folders that are shipped: sharded safetensors with checksums.

python -m training.export musicgen RUN
python -m training.export codec RUN
python -m training.export clap RUN
python -m training.export stable-audio RUN
python -m training.export rewriter RUN
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file
from transformers import AutoConfig, MusicgenConfig, MusicgenForCausalLM, PretrainedConfig

import audio_chain.nano
from audio_chain import models, weights
from audio_chain.generate.musicgen.checkpoint import DIGIT_BY_DIGIT
from audio_chain.nano.clap import ClapNanoModel
from audio_chain.nano.codec import SpectralCodecConfig, SpectralCodecModel

WEIGHTS: Final = Path(audio_chain.nano.__file__).parent / "weights"
SHARD: Final = "15MB"
SECONDS: Final = 10
"""Length of the pieces that the decoder was trained on."""

PIPELINE: Final = {
    "_class_name": "StableAudioPipeline",
    "transformer": ["diffusers", "StableAudioDiTModel"],
    "projection_model": ["stable_audio", "StableAudioProjectionModel"],
    "scheduler": ["diffusers", "CosineDPMSolverMultistepScheduler"],
    "vae": ["audio_chain", "SpectralAutoencoder"],
    "text_encoder": ["audio_chain", "MiniLM"],
    "any_length": True,
    "steps": 16,
    "guidance": 3.0,
    "sampler": "dpmpp-2m",
}
"""Which classes make a Stable Audio pipeline, and how the nano one is best sampled from."""


def _cleared(name: str) -> Path:
    folder = WEIGHTS / name
    folder.mkdir(parents=True, exist_ok=True)
    for pattern in ("*.safetensors", "*.index.json"):
        for path in folder.glob(pattern):
            path.unlink()
    return folder


def _described(config: PretrainedConfig) -> dict[str, Any]:
    """A configuration without the folder that it was read from."""
    return {name: value for name, value in config.to_dict().items() if name != "_name_or_path"}


def export_musicgen(run: Path) -> Path:
    """Join decoder and projection under the names of a whole MusicGen checkpoint."""
    from huggingface_hub import save_torch_state_dict

    folder = _cleared("musicgen-nano")
    decoder = MusicgenForCausalLM.from_pretrained(run / "decoder", dtype=torch.float16)
    tensors = {f"decoder.{name}": value for name, value in decoder.state_dict().items()}
    tensors |= load_file(run / "projection.safetensors")
    save_torch_state_dict(tensors, folder, max_shard_size=SHARD)
    text = models.folders(models.CATALOGUE["minilm"])["minilm"]
    config = MusicgenConfig(
        text_encoder=_described(AutoConfig.from_pretrained(text)),
        audio_encoder=_described(SpectralCodecConfig()),
        decoder=_described(decoder.config),
    )
    config.save_pretrained(folder)
    limits = {
        "max_length": SECONDS * SpectralCodecConfig().frame_rate,
        "guidance_scale": 3.0,
        DIGIT_BY_DIGIT: True,  # see training.asked
    }
    (folder / "generation_config.json").write_text(json.dumps(limits, indent=1) + "\n")
    shutil.copy(run / "log.jsonl", folder / "training.jsonl")
    return folder


def export_codec(run: Path) -> Path:
    """Copy the codec of a run."""
    folder = _cleared("spectral-codec-nano")
    model = SpectralCodecModel.from_pretrained(run / "model", dtype=torch.float16)
    model.save_pretrained(folder, max_shard_size=SHARD)
    shutil.copy(run / "log.jsonl", folder / "training.jsonl")
    return folder


def export_clap(run: Path) -> Path:
    """Copy the listener of a run."""
    folder = _cleared("clap-nano")
    model = ClapNanoModel.from_pretrained(run / "model", dtype=torch.float16)
    model.save_pretrained(folder, max_shard_size=SHARD)
    shutil.copy(run / "log.jsonl", folder / "training.jsonl")
    return folder


def export_stable_audio(run: Path) -> Path:
    """Put transformer, projection, scheduler and bottleneck where a pipeline has them."""
    from diffusers.models.transformers.stable_audio_transformer import StableAudioDiTModel
    from diffusers.pipelines.stable_audio.modeling_stable_audio import StableAudioProjectionModel

    from training.diffusion import scheduler

    folder = _cleared("stable-audio-nano")
    for name, kind in (
        ("transformer", StableAudioDiTModel),
        ("projection_model", StableAudioProjectionModel),
    ):
        shutil.rmtree(folder / name, ignore_errors=True)
        part = kind.from_pretrained(run / name, torch_dtype=torch.float16)
        part.register_to_config(_name_or_path="")
        part.save_pretrained(folder / name, max_shard_size=SHARD)
    scheduler().save_pretrained(folder / "scheduler")
    shutil.copytree(run / "vae", folder / "vae", dirs_exist_ok=True)
    (folder / "model_index.json").write_text(json.dumps(PIPELINE, indent=1) + "\n")
    shutil.copy(run / "log.jsonl", folder / "training.jsonl")
    return folder


def export_rewriter(run: Path) -> Path:
    """Copy the adapter of a run."""
    folder = _cleared("smollm2-135m-rewriter")
    for name in ("adapter_config.json", "adapter_model.safetensors", "training.json"):
        shutil.copy(run / name, folder)
    shutil.copy(run / "log.jsonl", folder / "training.jsonl")
    return folder


EXPORTS: Final = {
    "rewriter": export_rewriter,
    "musicgen": export_musicgen,
    "codec": export_codec,
    "clap": export_clap,
    "stable-audio": export_stable_audio,
}


def export(name: str, run: Path) -> Path:
    """Export a trained model; returns its folder, readable by all and with its checksums."""
    folder = EXPORTS[name](run)
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o644)
    weights.write_sums(folder)
    return folder


def main() -> None:
    """Export from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", choices=EXPORTS)
    parser.add_argument("run", type=Path, help="folder that training wrote")
    options = parser.parse_args()
    print(export(options.model, options.run))


if __name__ == "__main__":
    main()
