"""Clip: sound in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audio_chain.errors import AudioError, AudioUsageError

Samples = npt.NDArray[np.float32]
"""Samples of shape (channels, frames); full scale is [-1, 1]."""

RATES = range(1_000, 768_001)
"""Sample rates taken seriously, in Hz; anything outside is a damaged header or a slip."""


def check_rate(rate: int | None) -> None:
    """Raise ``AudioUsageError`` unless `rate` (Hz) is ``None`` or one of `RATES`."""
    if rate is not None and (rate != int(rate) or int(rate) not in RATES):
        raise AudioUsageError(
            f"a sample rate of {rate} Hz is out of range; "
            f"choose a whole number from {RATES[0]} to {RATES[-1]}"
        )


@dataclass(frozen=True, eq=False)
class Clip:
    """A piece of sound.

    Parameters
    ----------
    samples : ndarray of float32, shape (channels, frames)
        Full scale is [-1, 1]; values beyond it are kept. The clip holds a C-contiguous,
        read-only view (a copy only where the array isn't contiguous).
    rate : int
        Frames per second, Hz.

    Raises
    ------
    TypeError
        `samples` is not a float32 array, or `rate` not an int.
    ValueError
        `samples` is not (channels >= 1, frames), or `rate` not positive.

    Examples
    --------
    >>> clip = Clip(np.zeros((2, 48_000), np.float32), 48_000)
    >>> clip.channels, clip.frames, clip.seconds
    (2, 48000, 1.0)
    >>> clip.mono().resampled(16_000).samples.shape
    (1, 16000)
    """

    samples: Samples
    rate: int

    def __post_init__(self) -> None:
        if not isinstance(self.samples, np.ndarray) or self.samples.dtype != np.float32:
            kind = getattr(self.samples, "dtype", type(self.samples).__name__)
            raise TypeError(f"samples must be a float32 array, not {kind}")
        if self.samples.ndim != 2 or self.samples.shape[0] == 0:
            raise ValueError(f"samples must be (channels, frames), not {self.samples.shape}")
        if not isinstance(self.rate, int):
            raise TypeError(f"rate must be an int, not {type(self.rate).__name__}")
        if self.rate <= 0:
            raise ValueError(f"rate must be positive, not {self.rate}")
        view = np.ascontiguousarray(self.samples).view()
        view.flags.writeable = False
        object.__setattr__(self, "samples", view)

    @property
    def channels(self) -> int:
        return int(self.samples.shape[0])

    @property
    def frames(self) -> int:
        return int(self.samples.shape[1])

    @property
    def seconds(self) -> float:
        return self.frames / self.rate

    def mono(self) -> Clip:
        """The mean of the channels, as one."""
        if self.channels == 1:
            return self
        return Clip(self.samples.mean(axis=0, keepdims=True, dtype=np.float32), self.rate)

    def resampled(self, rate: int) -> Clip:
        """The same sound at another `rate` (Hz): soxr, high quality, linear phase.

        The result has ``frames * rate / self.rate`` frames, to the nearest one.
        """
        import soxr

        check_rate(rate)
        if rate == self.rate:
            return self
        if self.frames == 0:
            return Clip(self.samples, rate)
        frames_first = np.ascontiguousarray(self.samples.T)
        return Clip(np.asarray(soxr.resample(frames_first, self.rate, rate, "HQ").T), rate)

    def cropped(self, start_s: float, end_s: float | None = None) -> Clip:
        """The part from `start_s` to `end_s` (default: the end), in seconds.

        Times beyond the clip mean its ends. The frames kept are those from
        ``round(start_s * rate)`` up to, not including, ``round(end_s * rate)``.
        """
        end_s = max(start_s, self.seconds) if end_s is None else end_s
        if not 0.0 <= start_s <= end_s:
            raise ValueError(f"can't crop from {start_s} s to {end_s} s")
        first, last = (round(min(time, self.seconds) * self.rate) for time in (start_s, end_s))
        return Clip(self.samples[:, first:last], self.rate)


def refuse_nonfinite(samples: Samples, rate: int, what: str, offset_s: float = 0.0) -> None:
    """Raise ``AudioError`` naming `what` and the time if a sample is NaN or infinite."""
    finite = np.isfinite(samples)
    if finite.all():
        return
    at = offset_s + int(np.argmin(finite.all(axis=0))) / rate
    raise AudioError(
        f"{what} is damaged: it holds samples that are not numbers (NaN or infinity), "
        f"the first at {at:.3f} s; export or generate it again"
    )
