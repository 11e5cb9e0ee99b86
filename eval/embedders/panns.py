"""PANNs CNN14 (Kong et al. 2020), written out: front end and network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eval.embedders.embedder import WindowedEmbedder
from eval.embedders.framing import Framing
from eval.embedders.tensors import load_tensors

RATE: Final = 32_000
BANDS: Final = 64
_FFT: Final = 1024
_HOP: Final = 320
_LOWEST, _HIGHEST = 50.0, 14_000.0  # Hz
_FAINTEST: Final = 1e-10  # power
WIDTHS: Final = (64, 128, 256, 512, 1024, 2048)
_SECONDS: Final = 10  # the clips that it was trained on
_SHORTEST: Final = 1

# in published checkpoints: the front end, which is computed here, and the classifier
_UNUSED: Final = ("spectrogram_extractor.", "logmel_extractor.", "fc_audioset.")


@cache
def mel_weights() -> Tensor:
    """Weights of 64 bands over 513 powers, (64, 513): Slaney's scale, each of unit area."""
    from transformers.audio_utils import mel_filter_bank

    weights = mel_filter_bank(
        _FFT // 2 + 1, BANDS, _LOWEST, _HIGHEST, RATE, norm="slaney", mel_scale="slaney"
    )
    return torch.tensor(weights.T, dtype=torch.float32)


def log_mel(audio: Tensor) -> Tensor:
    """Log-mel power in dB of audio (batch, samples) at 32 kHz, (batch, frames, 64).

    Frames of 1024 under a periodic Hann window are centred every 320 samples, the ends
    reflected; powers below 1e-10 count as that.
    """
    window = torch.hann_window(_FFT, device=audio.device)
    spectrum = torch.stft(
        audio, _FFT, _HOP, window=window, center=True, pad_mode="reflect", return_complex=True
    )
    power = mel_weights().to(audio) @ spectrum.abs().square()
    return 10 * power.clamp_min(_FAINTEST).log10().transpose(1, 2)


class _Block(nn.Module):
    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class Cnn14(nn.Module):
    """The network up to its embedding; its tensors are named as in the authors' release.

    Parameters
    ----------
    widths : sequence of int
        Channels of its blocks, each of two convolutions; all but the last halve time and bands.
    """

    def __init__(self, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        self.blocks = len(widths)
        self.bn0 = nn.BatchNorm2d(BANDS)
        for number, (before, width) in enumerate(zip((1, *widths), widths, strict=False), 1):
            self.add_module(f"conv_block{number}", _Block(before, width))
        self.fc1 = nn.Linear(widths[-1], widths[-1])

    def forward(self, spectrogram: Tensor) -> Tensor:
        """Embed log-mel spectrograms (batch, frames, 64) as (batch, width)."""
        x = self.bn0(spectrogram[..., None].transpose(1, 2)).permute(0, 3, 2, 1)
        for number in range(1, self.blocks + 1):
            x = self.get_submodule(f"conv_block{number}")(x)
            if number < self.blocks:
                x = F.avg_pool2d(x, 2)
        x = x.mean(3)
        return F.relu(self.fc1(x.amax(2) + x.mean(2)))


class PannsEmbedder(WindowedEmbedder):
    """Embeddings of PANNs' CNN14 for 32 kHz (Kong et al. 2020), 2048 dimensions.

    Rate, mono
        32 kHz, the mean of the channels.
    Windows
        10 s, the length of AudioSet's clips that it was trained on, without overlap; the last
        one ends where the clip ends. A shorter clip is embedded as it is, with silence up to
        1 s. (frechet-audio-distance embeds each file whole.)
    Normalisation
        None of the waveform. See `log_mel`.
    """

    def __init__(self, name: str, revision: str, model: Cnn14, device: str) -> None:
        framing = Framing(RATE, _SECONDS * RATE, _SECONDS * RATE, "align")
        super().__init__(name, revision, framing, WIDTHS[-1], device, batch=4)
        self._model = model

    def _embed_windows(self, windows: Tensor) -> Tensor:
        missing = max(0, _SHORTEST * RATE - windows.shape[1])
        embedded: Tensor = self._model(log_mel(F.pad(windows, (0, missing))))
        return embedded


def load(name: str, revision: str, folder: Path, device: str) -> PannsEmbedder:
    """Load CNN14 from safetensors that are named as in the authors' release."""
    model = load_tensors(Cnn14, folder, name, unused=_UNUSED)
    return PannsEmbedder(name, revision, model.to(device), device)
