"""VGGish (Hershey et al. 2017), written out: front end and network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eval.embedders.embedder import WindowedEmbedder
from eval.embedders.framing import Framing
from eval.embedders.tensors import load_tensors

RATE: Final = 16_000
BANDS: Final = 64
FRAMES: Final = 96
_WINDOW: Final = 400  # 25 ms
_HOP: Final = 160  # 10 ms
_FFT: Final = 512
_LOWEST, _HIGHEST = 125.0, 7500.0  # Hz
_OFFSET: Final = 0.01  # added before the logarithm

STAGES: Final = ((64,), (128,), (256, 256), (512, 512))
DENSE: Final = (4096, 4096, 128)


def mel_weights() -> Tensor:
    """Weights of 64 bands over 257 magnitudes, (64, 257).

    Triangles over the HTK mel scale: straight in mel, where librosa's are straight in Hz. The
    bin at 0 Hz counts nowhere. Source: ``mel_features.py`` of the authors' release.
    """

    def mel(hertz: Tensor) -> Tensor:
        return 1127 * (1 + hertz / 700).log()

    bins = mel(torch.linspace(0, RATE / 2, _FFT // 2 + 1, dtype=torch.float64))
    ends = mel(torch.tensor([_LOWEST, _HIGHEST], dtype=torch.float64))
    edges = torch.linspace(float(ends[0]), float(ends[1]), BANDS + 2, dtype=torch.float64)
    low, center, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - low) / (center - low), (high - bins) / (high - center)
    weights = torch.minimum(rising, falling).clamp_min(0)
    weights[:, 0] = 0
    return weights.float()


def log_mel(audio: Tensor) -> Tensor:
    """Log-mel spectrogram of audio (batch, samples) at 16 kHz, (batch, frames, 64).

    Magnitudes of a Fourier transform of 512 over periodic Hann windows of 25 ms every 10 ms,
    the first one starting with the sound; no padding. Then the logarithm of mel + 0.01.
    """
    window = torch.hann_window(_WINDOW, device=audio.device, dtype=audio.dtype)
    frames = audio.unfold(1, _WINDOW, _HOP) * window
    magnitudes = torch.fft.rfft(frames, _FFT).abs()
    bands: Tensor = magnitudes @ mel_weights().T.to(audio)
    return (bands + _OFFSET).log()


class VGGish(nn.Module):
    """The network; its tensors are named as in torchvggish.

    Six convolutions in four stages, each followed by a pooling that halves time and frequency,
    and three dense layers. The last one's ReLU is left out, as in the authors' current release
    and in the peers' FAD.

    Parameters
    ----------
    stages : sequence of sequences of int
        Channels of each convolution, by stage.
    dense : sequence of int
        Widths of the dense layers.
    """

    def __init__(
        self, stages: Sequence[Sequence[int]] = STAGES, dense: Sequence[int] = DENSE
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 1
        for widths in stages:
            for width in widths:
                layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
                before = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        size = before * (FRAMES >> len(stages)) * (BANDS >> len(stages))
        last: list[nn.Module] = []
        for width in dense:
            last += [nn.Linear(size, width), nn.ReLU()]
            size = width
        self.embeddings = nn.Sequential(*last[:-1])

    def forward(self, examples: Tensor) -> Tensor:
        """Embed log-mel examples (batch, 96, 64) as (batch, width)."""
        found = self.features(examples[:, None])
        # as TensorFlow flattens: time, frequency, channels
        embedded: Tensor = self.embeddings(found.permute(0, 2, 3, 1).flatten(1))
        return embedded


class VggishEmbedder(WindowedEmbedder):
    """Embeddings of VGGish (Hershey et al. 2017), 128 dimensions, before PCA and quantization.

    Rate, mono
        16 kHz, the mean of the channels.
    Windows
        96 frames, 0.975 s of sound, every 0.96 s; what is left is dropped, as the authors'
        ``vggish_input.py`` does. A clip shorter than one window is followed by silence, as in
        fadtk; the authors' code would return nothing.
    Normalisation
        None of the waveform, whose full scale is 1. See `log_mel`.
    """

    def __init__(self, name: str, revision: str, model: VGGish, device: str) -> None:
        window = (FRAMES - 1) * _HOP + _WINDOW
        framing = Framing(RATE, window, FRAMES * _HOP, "drop")
        super().__init__(name, revision, framing, DENSE[-1], device, batch=16)
        self._model = model
        self._window = window

    def _embed_windows(self, windows: Tensor) -> Tensor:
        missing = max(0, self._window - windows.shape[1])
        embedded: Tensor = self._model(log_mel(F.pad(windows, (0, missing))))
        return embedded


def load(name: str, revision: str, folder: Path, device: str) -> VggishEmbedder:
    """Load VGGish from safetensors that are named as in torchvggish."""
    model = load_tensors(VGGish, folder, name)
    return VggishEmbedder(name, revision, model.to(device), device)
