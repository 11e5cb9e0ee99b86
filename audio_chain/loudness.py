"""Loudness as ITU-R BS.1770-4 defines it, and bringing a track to it.

References
----------
ITU-R BS.1770-4 (10/2015): Annex 1, integrated loudness; Annex 2, true peak.
EBU Tech 3341: the test signals and tolerances the tests use.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import reduce

import numpy as np
import numpy.typing as npt

from audio_chain.clip import Clip, Samples, refuse_nonfinite
from audio_chain.errors import AudioError, AudioUsageError

TARGET_LUFS = -14.0
CEILING_DBTP = -1.0

MAX_GAIN_DB = 30.0  # what is quieter than the target by more is left quieter, not blown up
MAX_LIMITING_DB = 12.0  # past this the limiter would be heard: the track stays quieter instead
TOLERANCE_LU = 0.05

_BLOCK_S = 0.4  # gating block of BS.1770
_LOOKAHEAD_S = 0.005
_RELEASE_S = 0.03
_TRUE_PEAK_RATE = 176_400  # four times 44.1 kHz; Annex 2 asks for four times 48 kHz
_CHUNK_FRAMES = 1 << 18
_FIVE_ONE = (0, 1, 2, 4, 5)  # L R C LFE Ls Rs: the LFE is not measured


def integrated_loudness(clip: Clip) -> float:
    """Gated loudness of the whole clip, LUFS (BS.1770-4); ``-inf`` for silence.

    A clip shorter than one gating block (400 ms) is measured as one block of its own length.
    1 to 5 channels are taken as L, R, C, Ls, Rs, and 6 as 5.1 (its LFE is left out).

    Raises
    ------
    AudioError
        More than 6 channels, or samples that are not numbers.
    """
    from pyloudnorm import Meter

    refuse_nonfinite(clip.samples, clip.rate, "the sound")
    if clip.channels > 6:
        raise AudioError(
            f"the loudness of {clip.channels} channels is not defined; mix it to stereo"
        )
    if clip.frames == 0 or not clip.samples.any():
        return -math.inf
    if clip.rate < 8_000:  # the K-weighting filters need room below half the rate
        clip = clip.resampled(48_000)
    samples = clip.samples[_FIVE_ONE, :] if clip.channels == 6 else clip.samples
    # "DeMan" is the name there of the filters that reproduce BS.1770's own coefficients.
    block = min(_BLOCK_S, clip.frames / clip.rate)
    if block * clip.rate > clip.frames:  # rounded up, and pyloudnorm refuses less than a block
        block = math.nextafter(block, 0.0)
    meter = Meter(clip.rate, filter_class="DeMan", block_size=block)
    return float(meter.integrated_loudness(samples.T.astype(np.float64)))


def true_peak(clip: Clip) -> float:
    """The highest level between and at the samples, dBTP; ``-inf`` for silence.

    BS.1770-4 Annex 2: oversampled 4 times or more up to 48 kHz, less above.
    """
    refuse_nonfinite(clip.samples, clip.rate, "the sound")
    return _decibels(float(_peaks(clip).max(initial=0.0)))


def normalise(clip: Clip, *, target: float = TARGET_LUFS, ceiling: float = CEILING_DBTP) -> Clip:
    """Bring `clip` to `target` LUFS with no true peak above `ceiling` dBTP.

    One gain for the whole clip; where that lifts peaks over the ceiling, a limiter that sees
    them 5 ms ahead turns them down and lets go over some 30 ms, all channels alike. The gain
    makes up for what the limiter takes, so both numbers are met (the loudness within 0.05 LU).

    The ceiling is always kept. The clip stays quieter than the target where reaching it takes
    more than 30 dB of gain (`MAX_GAIN_DB`) or 12 dB of limiting (`MAX_LIMITING_DB`). Silence
    (nothing over BS.1770's gate of -70 LUFS) is returned as it is, but for the
    ceiling.

    Parameters
    ----------
    clip : Clip
    target : float
        Integrated loudness, LUFS, from -70 to 0.
    ceiling : float
        True peak, dBTP, at most 0.
    """
    if not -70.0 <= target <= 0.0:
        raise AudioUsageError(f"a target of {target} LUFS is out of range; choose -70 to 0")
    if not -70.0 <= ceiling <= 0.0:
        raise AudioUsageError(f"a ceiling of {ceiling} dBTP is out of range; choose -70 to 0")
    loudness = integrated_loudness(clip)
    peaks = _peaks(clip)
    peak = _decibels(float(peaks.max(initial=0.0)))
    if not math.isfinite(peak):
        return clip
    silent = not math.isfinite(loudness)
    gain = 0.0 if silent else min(target - loudness, MAX_GAIN_DB)
    if gain <= ceiling - peak or silent:
        return _amplified(clip, min(gain, ceiling - peak))

    # The limiter takes some of what the gain gives: secant steps to the gain that makes up for it.
    wanted, most = loudness + gain, ceiling - peak + MAX_LIMITING_DB
    gain, slope = min(gain, most), 1.0
    limited = _limited(clip, gain, peaks, ceiling)
    reached = integrated_loudness(limited)
    for _ in range(8):
        step = min((wanted - reached) / slope, most - gain)
        if abs(wanted - reached) <= TOLERANCE_LU or abs(step) <= TOLERANCE_LU:
            break
        limited = _limited(clip, gain + step, peaks, ceiling)
        before, reached = reached, integrated_loudness(limited)
        gain, slope = gain + step, min(1.0, max(0.25, (reached - before) / step))
    return limited


def fade(clip: Clip, *, attack: float = 0.01, release: float = 0.2) -> Clip:
    """Raised-cosine fades: in over `attack` seconds, out over `release`.

    The first and the last frame become zero. In a clip shorter than both together they are
    shortened alike, so that they meet.
    """
    if not (math.isfinite(attack) and math.isfinite(release) and min(attack, release) >= 0.0):
        raise AudioUsageError(f"fades of {attack} s and {release} s; choose 0 or more")
    scale = min(1.0, clip.seconds / (attack + release)) if attack + release else 1.0
    rising, falling = (int(seconds * scale * clip.rate) for seconds in (attack, release))
    samples = clip.samples.copy()
    samples[:, :rising] *= _ramp(rising)
    samples[:, clip.frames - falling :] *= _ramp(falling)[::-1]
    return Clip(samples, clip.rate)


def master(clip: Clip, *, loudness: bool = True, fades: bool = True) -> Clip:
    """Finish a track: fades, then loudness, each of which can be switched off."""
    if fades:
        clip = fade(clip)
    return normalise(clip) if loudness else clip


def _ramp(frames: int) -> Samples:
    """Half a raised cosine, from 0 towards 1."""
    phase = np.pi * np.arange(frames) / max(frames, 1)
    return np.asarray(0.5 - 0.5 * np.cos(phase), dtype=np.float32)


def _decibels(amplitude: float) -> float:
    return 20.0 * math.log10(amplitude) if amplitude > 0.0 else -math.inf


def _amplified(clip: Clip, decibels: float) -> Clip:
    if decibels == 0.0:
        return clip
    return Clip(clip.samples * np.float32(10.0 ** (decibels / 20.0)), clip.rate)


def _oversampled(clip: Clip, factor: int) -> Iterator[npt.NDArray[np.float32]]:
    """The clip at `factor` times its rate, in arrays of shape (frames, channels)."""
    import soxr

    resampler = soxr.ResampleStream(clip.rate, clip.rate * factor, clip.channels, "float32", "HQ")
    for start in range(0, clip.frames, _CHUNK_FRAMES):
        chunk = clip.samples[:, start : start + _CHUNK_FRAMES]
        last = start + _CHUNK_FRAMES >= clip.frames
        yield resampler.resample_chunk(np.ascontiguousarray(chunk.T), last=last)


def _peaks(clip: Clip) -> npt.NDArray[np.float32]:
    """The true peak of each frame: the highest of it and up to the next, over all channels."""
    peaks: npt.NDArray[np.float32] = np.abs(clip.samples).max(axis=0)
    factor = math.ceil(_TRUE_PEAK_RATE / clip.rate)
    if factor == 1:
        return peaks
    frame, rest = 0, np.zeros(0, dtype=np.float32)
    for chunk in _oversampled(clip, factor):
        rest = np.concatenate([rest, reduce(np.maximum, np.abs(chunk).T)])
        whole = len(rest) // factor
        part = peaks[frame : frame + whole]
        between = reduce(np.maximum, rest[: len(part) * factor].reshape(-1, factor).T)
        np.maximum(part, between, out=part)
        frame, rest = frame + whole, rest[whole * factor :]
    return peaks


def _limited(clip: Clip, gain: float, peaks: npt.NDArray[np.float32], ceiling: float) -> Clip:
    """`clip` turned up by `gain` dB, its peaks held under `ceiling` by a look-ahead limiter.

    The reduction each frame needs is held over the look-ahead, falls exponentially after
    it, and is smoothed by a window no longer than the hold, so it is never less than needed.
    """
    from scipy.ndimage import maximum_filter1d
    from scipy.signal import oaconvolve

    level = 20.0 * np.log10(np.maximum(peaks.astype(np.float64), 1e-12)) + gain
    needed = np.maximum(level - ceiling, 0.0)
    reach = max(1, round(_LOOKAHEAD_S * clip.rate))
    held = maximum_filter1d(needed, 2 * reach + 1, mode="constant")
    window = np.hanning(2 * reach + 3)[1:-1]
    padded = np.pad(_released(held, _RELEASE_S * clip.rate), reach, mode="edge")
    reduction = oaconvolve(padded, window / window.sum(), mode="valid")
    shaped = clip.samples * (10.0 ** ((gain - reduction) / 20.0)).astype(np.float32)
    limited = Clip(shaped, clip.rate)
    excess = true_peak(limited) - ceiling  # the moving gain itself makes some hundredths of a dB
    return _amplified(limited, -excess - 1e-4) if excess > 0.0 else limited


def _released(reduction: npt.NDArray[np.float64], frames: float) -> npt.NDArray[np.float64]:
    """The smallest curve over `reduction` (dB) that falls by 1/e in no fewer than `frames`.

    ``y[n] = max over k <= n of x[k] exp(-(n - k) / frames)``: a running maximum, in logarithms.
    """
    decay = np.arange(len(reduction)) / frames
    with np.errstate(divide="ignore"):
        logarithm = np.log(reduction)
    released: npt.NDArray[np.float64] = np.exp(np.maximum.accumulate(logarithm + decay) - decay)
    return released
