"""Whether metrics get worse when sound does: ways to spoil clips, and the check."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from audio_chain.clip import Clip
from eval.gaussian import Origin

if TYPE_CHECKING:
    from eval.embedders.embedder import Embeddings

Audio = NDArray[np.float32]
Spoiler = Callable[[Clip, float, int], Clip]
"""Takes a clip, a strength, and a seed."""


@dataclass(frozen=True)
class Trouble:
    """A way to spoil clips, weakest strength first.

    Attributes
    ----------
    name, unit : str
    strengths : tuple of float
    spoil : Spoiler
    """

    name: str
    unit: str
    strengths: tuple[float, ...]
    spoil: Spoiler


def noisy(clip: Clip, snr_db: float, seed: int) -> Clip:
    """Add white noise so many dB below the clip's power."""
    noise = np.random.default_rng(seed).standard_normal(clip.samples.shape, np.float32)
    power = float(np.mean(np.square(clip.samples, dtype=np.float64)))
    amplitude = np.float32(np.sqrt(power) * 10 ** (-snr_db / 20))
    return Clip(clip.samples + amplitude * noise, clip.rate)


def low_passed(clip: Clip, hertz: float, seed: int) -> Clip:
    """Take away what is above a frequency: Butterworth, order 8."""
    from scipy.signal import butter, sosfilt

    sections = butter(8, hertz, fs=clip.rate, output="sos")
    return Clip(np.asarray(sosfilt(sections, clip.samples), np.float32), clip.rate)


def slowed(clip: Clip, factor: float, seed: int) -> Clip:
    """Play at a fraction of the tempo, at the same pitch, cut to the same length."""
    import librosa

    stretched: Any = librosa.effects.time_stretch(clip.samples, rate=factor)
    return Clip(np.ascontiguousarray(stretched[:, : clip.frames], np.float32), clip.rate)


TROUBLES: Final = (
    Trouble("noise", "dB SNR", (40, 30, 20, 10, 0), noisy),
    Trouble("low-pass", "Hz", (8000, 4000, 2000, 1000, 500), low_passed),
    Trouble("tempo", "x tempo", (0.95, 0.9, 0.8, 0.67, 0.5), slowed),
)


def wrong_steps(values: Sequence[float], *, rising: bool) -> list[int]:
    """Find where values that must get worse at every step do not.

    Parameters
    ----------
    values : sequence of float
        At no trouble, then at each strength.
    rising : bool
        Whether worse is more, as for distances.

    Returns
    -------
    list of int
        Strengths, counted from 1, that are no worse than the one before.
    """
    return [
        step
        for step, (before, after) in enumerate(pairwise(values), 1)
        if not (after > before if rising else after < before)
    ]


class LogMel:
    """Log-mel spectra as embeddings: nothing learned, for contrast with what is.

    The mean over each second of the power in 64 mel bands, in dB down to 80 below full scale.
    """

    name = "log-mel"
    rate = 32_000
    dimensions = 64
    window_seconds = hop_seconds = 1.0

    @property
    def revision(self) -> str:
        """The recipe."""
        return hashlib.sha256(b"64 bands, n_fft 2048, hop 512, mean power, 1e-8").hexdigest()

    @property
    def origin(self) -> Origin:
        """What embeddings are made from."""
        return Origin(self.name, self.revision, self.rate, self.window_seconds, self.hop_seconds)

    def embed(self, clip: Clip) -> Embeddings:
        """Embed a clip, (whole seconds, 64)."""
        import librosa

        audio = clip.mono().resampled(self.rate).samples[0]
        seconds = audio[: len(audio) // self.rate * self.rate].reshape(-1, self.rate)
        power = librosa.feature.melspectrogram(
            y=seconds, sr=self.rate, n_fft=2048, hop_length=512, n_mels=self.dimensions
        )
        return np.asarray(10 * np.log10(power.mean(-1) + 1e-8), np.float32)

    def embed_stream(self, clips: Iterable[Clip]) -> Embeddings:
        """Embed clips put end to end."""
        parts = [clip.mono().resampled(self.rate).samples for clip in clips]
        return self.embed(Clip(np.concatenate(parts, axis=1), self.rate))
