"""Melody conditioning: which pitch class is loudest when, as MusicGen-melody was trained on.

The chromagram is that of transformers' `MusicgenMelodyFeatureExtractor` without source
separation: of the whole mix, so a melody alone (hummed, whistled, played) works best.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from audio_chain.clip import Clip


@dataclass(frozen=True)
class Chroma:
    """A chromagram with one pitch class a frame.

    Parameters
    ----------
    rate : int
        Samples a second of what is analysed.
    n_fft, hop : int
        Window and hop of the short-time Fourier transform, in samples.
    classes : int
        Pitch classes of an octave.
    seconds : float
        How much of a melody is heard.
    """

    rate: int = 32_000
    n_fft: int = 16_384
    hop: int = 4_096
    classes: int = 12
    seconds: float = 30.0

    @classmethod
    def read(cls, folder: Path) -> Chroma:
        """From a checkpoint's ``preprocessor_config.json``, or as MusicGen-melody's."""
        names = {
            "rate": "sampling_rate",
            "n_fft": "n_fft",
            "hop": "hop_length",
            "classes": "num_chroma",
            "seconds": "chunk_length",
        }
        path = folder / "preprocessor_config.json"
        stated = json.loads(path.read_text()) if path.is_file() else {}
        return cls(**{ours: stated[name] for ours, name in names.items() if name in stated})

    def __call__(self, clip: Clip, begin_s: float = 0.0) -> Tensor:
        """Pitch classes of a melody that is repeated for ever, from `begin_s` on.

        Parameters
        ----------
        clip : Clip
            With at least one sample.
        begin_s : float
            Where to begin, in seconds.

        Returns
        -------
        Tensor
            float32 (frames, classes), in every frame 1 at the loudest class and 0 elsewhere.
        """
        from transformers.audio_utils import chroma_filter_bank

        samples = clip.mono().resampled(self.rate).samples[0]
        samples = np.roll(samples, -round(begin_s * self.rate))[: round(self.seconds * self.rate)]
        audio = torch.from_numpy(np.array(samples))
        if (missing := self.n_fft - len(audio)) > 0:
            audio = torch.nn.functional.pad(audio, (missing // 2, missing - missing // 2))
        spectrum = torch.stft(
            audio, self.n_fft, self.hop, window=torch.hann_window(self.n_fft), return_complex=True
        )
        filters = torch.from_numpy(
            chroma_filter_bank(
                num_frequency_bins=self.n_fft,
                num_chroma=self.classes,
                sampling_rate=self.rate,
                tuning=0,
            )
        ).float()
        loudness = filters @ spectrum.abs().square()
        # scaled so that silence, where all classes are below 1e-6, has its ties where theirs are
        window = torch.hann_window(self.n_fft).square().sum()
        scaled = torch.nn.functional.normalize(loudness / window, p=torch.inf, dim=0, eps=1e-6)
        classes = torch.nn.functional.one_hot(scaled.argmax(0), self.classes)
        return classes.float()


@dataclass(frozen=True)
class MelodyReader:
    """How a decoder reads melodies.

    Parameters
    ----------
    chroma : Chroma
        What it hears of them.
    projection : torch.nn.Module
        From pitch classes to the decoder's width.
    columns : int
        How many frames it reads, in front of the text.
    """

    chroma: Chroma
    projection: torch.nn.Module
    columns: int

    def __call__(self, melody: Clip | None, begin_s: float = 0.0) -> Tensor:
        """Read a melody from `begin_s` on: states (columns, width); of none, those of no melody."""
        if melody is None:
            classes = torch.zeros(1, self.chroma.classes)
            classes[:, 0] = 1
        else:
            classes = self.chroma(melody, begin_s)
        weight: Any = next(self.projection.parameters(), classes)
        states: Tensor = self.projection(classes.to(weight))
        times = -(-self.columns // len(states))
        return states.repeat(times, 1)[: self.columns]
