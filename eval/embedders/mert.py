"""MERT, as the HuBERT that it is, without its own code."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import torch

from eval.embedders.embedder import EmbeddingError, WindowedEmbedder
from eval.embedders.framing import Framing

if TYPE_CHECKING:
    from torch import Tensor

_SECONDS: Final = 5  # what it was trained on
_SHORTEST: Final = 0.5
_LAYER: Final = 12
_EPSILON: Final = 1e-7  # in the normalisation of transformers' Wav2Vec2FeatureExtractor

# what MERT's code adds to HuBERT, and the values with which it adds nothing
_PLAIN: Final[Mapping[str, Callable[[Any], bool]]] = {
    "deepnorm": lambda value: not value,
    "attention_relax": lambda value: value <= 0,
    "feature_extractor_cqt": lambda value: not value,
}


class MertEmbedder(WindowedEmbedder):
    """The states of MERT-v1-95M after its layer 12 (Li et al. 2024), 768 dimensions.

    As fadtk's ``MERT-v1-95M``, which takes layer 12, the last one, unless asked otherwise: one
    embedding for every 320 samples, 75 a second.

    Rate, mono
        24 kHz, the mean of the channels.
    Windows
        5 s, as in its training, without overlap. What is left is embedded by itself from 0.5 s
        on. (fadtk gives it up to 6 minutes at once.)
    Normalisation
        Of each window, to zero mean and unit variance, where the checkpoint's
        ``preprocessor_config.json`` says so, as the published one does.

    The published checkpoint asks for code of its own, which is never run: with its settings
    that code is transformers' ``HubertModel``. Settings that go beyond it are refused.
    """

    def __init__(
        self, name: str, revision: str, model: Any, rate: int, normalises: bool, device: str
    ) -> None:
        config = model.config
        framing = Framing(rate, _SECONDS * rate, _SECONDS * rate, "keep", round(_SHORTEST * rate))
        hop = math.prod(config.conv_stride)
        super().__init__(name, revision, framing, config.hidden_size, device, hop=hop, batch=4)
        self._model = model
        self._normalises = normalises
        self._layer = min(_LAYER, config.num_hidden_layers)
        self._receptive = _receptive_field(config.conv_kernel, config.conv_stride)

    def _embed_windows(self, windows: Tensor) -> Tensor:
        if self._normalises:
            spread = (windows.var(1, correction=0, keepdim=True) + _EPSILON).sqrt()
            windows = (windows - windows.mean(1, keepdim=True)) / spread
        missing = max(0, self._receptive - windows.shape[1])
        windows = torch.nn.functional.pad(windows, (0, missing))
        states = self._model(windows, output_hidden_states=True).hidden_states[self._layer]
        return cast("Tensor", states.flatten(0, 1))


def _receptive_field(kernels: list[int], strides: list[int]) -> int:
    """Samples that the convolutions need for one frame."""
    field, step = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field += (kernel - 1) * step
        step *= stride
    return field


def load(name: str, revision: str, folder: Path, device: str) -> MertEmbedder:
    """Load a MERT checkpoint as a `HubertModel`: safetensors only, none of its code.

    Raises
    ------
    EmbeddingError
        It needs more than HuBERT has, or its tensors are not HuBERT's.
    """
    from transformers import HubertConfig, HubertModel

    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    for setting, is_plain in _PLAIN.items():
        if setting in settings and not is_plain(settings[setting]):
            raise EmbeddingError(
                f'{name} has "{setting}": {settings[setting]}, which only code of its own can run, '
                "and such code is not run: use MERT-v1-95M"
            )
    own = ("auto_map", "model_type", "architectures", "torch_dtype", "dtype")
    make: Any = HubertConfig
    config = make(**{key: settings[key] for key in settings if key not in own})
    model: Any
    report: dict[str, Any]
    opened: Any = HubertModel.from_pretrained
    model, report = opened(
        folder,
        config=config,
        dtype=torch.float32,
        use_safetensors=True,
        output_loading_info=True,
    )
    if wrong := [*report["missing_keys"], *report["unexpected_keys"], *report["mismatched_keys"]]:
        raise EmbeddingError(f"{name} is no MERT that HuBERT can stand in for: {wrong[0]} differs")
    sound = folder / "preprocessor_config.json"
    preprocessing = json.loads(sound.read_text(encoding="utf-8")) if sound.exists() else {}
    return MertEmbedder(
        name,
        revision,
        model.eval().to(device),
        settings.get("sample_rate", 24_000),
        preprocessing.get("do_normalize", True),
        device,
    )
