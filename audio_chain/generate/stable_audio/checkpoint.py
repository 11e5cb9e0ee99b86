"""Checkpoints in diffusers' format: a folder with one for each component, and no code of theirs.

``model_index.json`` names the classes of the components. Only those named here are loaded, from
safetensors; where the autoencoder or the text encoder is ``["audio_chain", ...]`` it is one that
several models share. Beside diffusers' own keys it can say of a model which ``steps``,
``guidance`` and ``sampler`` do best, and whether pieces may be of ``any_length``: a network that
was only ever shown whole windows fills what is shorter with silence, and so has to make it all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from audio_chain.errors import ChainError, UsageError
from audio_chain.files import read_json, shown
from audio_chain.generate.stable_audio.autoencoders import Autoencoder, Oobleck, load_spectral
from audio_chain.generate.stable_audio.denoiser import Denoiser
from audio_chain.generate.stable_audio.paths import Path as NoisePath
from audio_chain.generate.stable_audio.paths import path_of
from audio_chain.generate.stable_audio.samplers import sampler_of
from audio_chain.generate.stable_audio.texts import TextReader, minilm_reader, t5_reader
from audio_chain.lora.adapter import Adapter
from audio_chain.lora.merging import merged

INDEX: Final = "model_index.json"

PIPELINE: Final = "StableAudioPipeline"

TRANSFORMER: Final = "transformer"
"""The component that adapters are for."""

_CLASSES: Final[Mapping[str, tuple[str, ...]]] = {
    TRANSFORMER: ("StableAudioDiTModel",),
    "projection_model": ("StableAudioProjectionModel",),
    "vae": ("AutoencoderOobleck", "SpectralAutoencoder"),
    "text_encoder": ("T5EncoderModel", "MiniLM"),
}
"""Classes of the components that are known here."""

_WEIGHTS: Final = "diffusion_pytorch_model.safetensors"


@dataclass(frozen=True, eq=False)
class Parts:
    """A loaded checkpoint.

    Attributes
    ----------
    reader : TextReader
    projection : torch.nn.Module
        Of text and timing.
    transformer : torch.nn.Module
        diffusers' StableAudioDiTModel.
    autoencoder : Autoencoder
    path : Path
        From noise to latents.
    sampler : str
    steps : int
    guidance : float
        Where a request has none of its own.
    any_length : bool
        Whether a piece may be shorter than the window.
    """

    reader: TextReader
    projection: Any
    transformer: Any
    autoencoder: Autoencoder
    path: NoisePath
    sampler: str
    steps: int
    guidance: float
    any_length: bool

    @cached_property
    def denoiser(self) -> Denoiser:
        """The transformer made ready to sample from, which can no longer be trained then."""
        return Denoiser(self.transformer)


def load_folder(
    folder: Path,
    *,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    text: Path | None = None,
    codec: Path | None = None,
    adapters: Sequence[Adapter] = (),
) -> Parts:
    """Load a checkpoint.

    Parameters
    ----------
    folder : Path
    device : torch.device
    dtype : torch.dtype
        Of the transformer. All else is small, or run once, and stays float32.
    text, codec : Path, optional
        Folders of MiniLM and of the spectral codec, for a checkpoint that shares them.
    adapters : sequence of Adapter
        Merged into the transformer's weights.

    Raises
    ------
    UsageError
        The checkpoint is not one that is known here, or not complete.
    ChainError
        A file is damaged, or an adapter doesn't fit.
    """
    index = read_json(folder / INDEX, "pipeline's index")
    classes = _classes(index, folder)
    config = read_json(folder / "scheduler" / "scheduler_config.json", "scheduler's configuration")
    path, sampler = path_of(config, shown(folder / "scheduler" / "scheduler_config.json"))
    sampler = str(index.get("sampler", sampler))
    sampler_of(sampler)
    from diffusers.models.autoencoders.autoencoder_oobleck import AutoencoderOobleck
    from diffusers.models.transformers.stable_audio_transformer import StableAudioDiTModel
    from diffusers.pipelines.stable_audio.modeling_stable_audio import StableAudioProjectionModel

    autoencoder: Autoencoder
    if classes["vae"] == "SpectralAutoencoder":
        autoencoder = load_spectral(folder / "vae", _shared(codec, folder), device)
    else:
        autoencoder = Oobleck(load_component(AutoencoderOobleck, folder / "vae", device))
    if classes["text_encoder"] == "MiniLM":
        reader = minilm_reader(_shared(text, folder), device)
    else:
        reader = t5_reader(folder / "tokenizer", folder / "text_encoder", device)
    return Parts(
        reader=reader,
        projection=load_component(StableAudioProjectionModel, folder / "projection_model", device),
        transformer=load_component(
            StableAudioDiTModel, folder / TRANSFORMER, device, dtype, adapters
        ),
        autoencoder=autoencoder,
        path=path,
        sampler=sampler,
        steps=int(index.get("steps", 100)),
        guidance=float(index.get("guidance", 7.0)),
        any_length=bool(index.get("any_length", False)),
    )


def _classes(index: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Class of each component, if it is one of `_CLASSES`."""
    if index.get("_class_name") != PIPELINE:
        raise UsageError(
            f"{shown(folder)} is a {index.get('_class_name')} of diffusers; known is {PIPELINE}"
        )
    classes = {}
    for component, known in _CLASSES.items():
        entry = index.get(component)
        name = entry[1] if isinstance(entry, list) and len(entry) == 2 else None
        if name not in known:
            raise UsageError(
                f"{shown(folder / INDEX)}: the {component} is {name}, not {' or '.join(known)}"
            )
        classes[component] = str(name)
    return classes


def _shared(part: Path | None, folder: Path) -> Path:
    if part is None:
        raise UsageError(f"{shown(folder)} shares parts with other models, which are not given")
    return part


def load_component(
    kind: Any,
    folder: Path,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    adapters: Sequence[Adapter] = (),
) -> Any:
    """Make one of diffusers' models from its ``config.json`` and safetensors, adapters merged.

    Raises
    ------
    UsageError
        A file is missing or damaged, or doesn't fit the configuration.
    """
    config = {
        key: value
        for key, value in read_json(folder / "config.json", "model's configuration").items()
        if not key.startswith("_")
    }
    try:
        with torch.device("meta"):
            model = kind(**config)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{shown(folder / 'config.json')} makes no model: {error}") from None
    kept = _tensors(folder)
    kept |= merged(kept, adapters)
    tensors = {name: tensor.to(device, dtype) for name, tensor in kept.items()}
    try:
        model.load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"the tensors in {shown(folder)} are not the model's: {reason}") from None
    return model.requires_grad_(False).eval()


def _tensors(folder: Path) -> dict[str, Tensor]:
    """Tensors of a component, in one file or in several named by an index."""
    index = folder / f"{_WEIGHTS}.index.json"
    names = {_WEIGHTS}
    if index.is_file():
        names = {
            Path(name).name for name in read_json(index, "weights' index")["weight_map"].values()
        }
    tensors: dict[str, Tensor] = {}
    for name in sorted(names):
        file = folder / name
        if not file.is_file():
            raise UsageError(f"{shown(folder)} lacks {name}; only safetensors are read")
        try:
            tensors |= load_file(file)
        except SafetensorError as error:
            raise ChainError(f"{shown(file)} is damaged: {error}; fetch it again") from None
    return tensors
