"""Record every note of an instrument once, through TinySoundFont.

Loudness is evened out between instruments, and partly over the range of each, so that gains in
dB mean the same for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audio_chain.errors import ChainError
from training.factory.instruments import DRUMS, INSTRUMENTS, Instrument, Kit

RATE: Final = 32_000
"""Hz."""

_SECONDS: Final = {"decaying": 3.5, "sustained": 5.2, "plucked": 1.2}
_PLUCK_DECAY: Final = 0.16  # seconds to 1/e
_VELOCITY: Final = 100
_PERCUSSION_BANK: Final = 128
_DRUM_TAIL: Final = 0.2  # seconds

_BLOCK: Final = 320  # samples; silence is cut off in these steps
_SILENCE: Final = 1.5e-3  # of the peak
_FULL_SCALE: Final = 32_000  # peak of every note in the bank

_LOUDNESS: Final = 0.1
_DRUM_LOUDNESS: Final = 0.16
_EVENNESS: Final = 0.35  # how far single notes are brought to their instrument's loudness
_FAINTEST: Final = 0.02

Audio = NDArray[np.float32]


def synthesizer_version() -> str:
    """Version of TinySoundFont's binding.

    Raises
    ------
    ChainError
        It isn't installed.
    """
    try:
        return version("tinysoundfont")
    except PackageNotFoundError as error:
        # Its one dependency, PyAudio, plays through the sound card: not needed here.
        raise ChainError(
            "the data factory needs tinysoundfont: pip install --no-deps tinysoundfont"
        ) from error


class Recording(NamedTuple):
    """One note: `samples` with a peak of 32,000, times `scale` for its true amplitude."""

    pitch: int
    samples: NDArray[np.int16]
    scale: float


class Sampler:
    """Plays single notes of a soundfont file."""

    def __init__(self, soundfont: Path) -> None:
        import tinysoundfont

        self._synth: Any = tinysoundfont.Synth(samplerate=RATE, gain=0.0)
        self._font: int = self._synth.sfload(str(soundfont))

    def record_instrument(self, instrument: Instrument) -> Iterator[Recording]:
        """Record all notes of an instrument, from the lowest up."""
        seconds = _SECONDS[instrument.kind]
        notes = {
            pitch: self._play(0, instrument.program, pitch, seconds)
            for pitch in range(instrument.low, instrument.high + 1)
        }
        if instrument.kind == "plucked":
            notes = {pitch: _plucked(note) for pitch, note in notes.items()}
        gain = _LOUDNESS / _typical_loudness(notes)
        for pitch, note in notes.items():
            evened = (_LOUDNESS / max(gain * _loudness(note), _FAINTEST)) ** _EVENNESS
            yield _trimmed(pitch, note, gain * evened)

    def record_kit(self, kit: Kit) -> Iterator[Recording]:
        """Record all drums of a kit."""
        for drum in DRUMS.values():
            note = self._play(_PERCUSSION_BANK, int(kit), drum.pitch, drum.seconds + _DRUM_TAIL)
            yield _trimmed(drum.pitch, note, _DRUM_LOUDNESS / max(_loudness(note), 1e-4))

    def _play(self, bank: int, program: int, pitch: int, seconds: float) -> Audio:
        synth = self._synth
        synth.program_select(0, self._font, bank, program, bank == _PERCUSSION_BANK)
        synth.noteon(0, pitch, _VELOCITY)
        stereo = np.frombuffer(bytes(synth.generate(int(RATE * seconds))), np.float32)
        synth.sounds_off(0)
        synth.generate(RATE // 4)  # let it die away before the next note
        mono: Audio = stereo.reshape(-1, 2).mean(1)
        return mono


def record(soundfont: Path, names: list[str], kits: list[Kit]) -> Iterator[tuple[str, Recording]]:
    """Record instruments by name, and drum kits, each note with the name of its voice."""
    sampler = Sampler(soundfont)
    for name in names:
        for recording in sampler.record_instrument(INSTRUMENTS[name]):
            yield name, recording
    for kit in kits:
        for recording in sampler.record_kit(kit):
            yield kit.voice, recording


def _plucked(note: Audio) -> Audio:
    decay = np.exp(-np.arange(len(note)) / (RATE * _PLUCK_DECAY))
    return note * decay.astype(np.float32)


def _typical_loudness(notes: Mapping[int, Audio]) -> float:
    """Geometric mean over every fourth note."""
    sampled = list(notes.values())[::4]
    return float(np.exp(np.mean([np.log(_loudness(note)) for note in sampled])))


def _loudness(note: Audio) -> float:
    """Root mean square of the loudest ten blocks of 25 ms in the first second, weighted."""
    second = np.pad(note[:RATE], (0, max(0, RATE - len(note))))
    weighted = np.fft.irfft(np.fft.rfft(second) * _WEIGHTING)
    powers = np.sort((weighted.reshape(-1, RATE // 40) ** 2).mean(1))[::-1]
    return float(np.sqrt(powers[:10].mean()) + 1e-9)


def _weighting() -> NDArray[np.float64]:
    """Gentle loudness weighting of a second's spectrum: the A curve to the power of 0.4.

    The curve is that of IEC 61672-1, with corner frequencies 20.6, 107.7, 737.9 and 12194 Hz.
    """
    f = np.fft.rfftfreq(RATE, 1 / RATE)
    poles = (f**2 + 424.4) * np.sqrt((f**2 + 11599) * (f**2 + 544497)) * (f**2 + 12194**2)
    curve: NDArray[np.float64] = (12194**2 * f**4 / (poles + 1e-9) + 1e-6) ** 0.4
    return curve


_WEIGHTING: Final = _weighting()


def _trimmed(pitch: int, note: Audio, gain: float) -> Recording:
    """Cut off the silence after a note, and store it in 16 bits."""
    blocks = np.abs(note[: len(note) // _BLOCK * _BLOCK]).reshape(-1, _BLOCK).max(1)
    audible = np.nonzero(blocks > blocks.max() * _SILENCE)[0]
    note = note[: (int(audible[-1]) + 1 if len(audible) else 1) * _BLOCK]
    peak = float(np.abs(note).max()) + 1e-9
    samples = (note * (_FULL_SCALE / peak)).astype(np.int16)
    return Recording(pitch, samples, peak * gain / _FULL_SCALE)
