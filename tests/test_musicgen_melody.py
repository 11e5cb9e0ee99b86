"""Melody conditioning: the chromagram, and codes equal to transformers'."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.signal
import torch
import transformers
from musicgen_models import CHROMA_LENGTH, CPU, codes_of, player, saved, tiny, tokenizer

from audio_chain.audio import Clip
from audio_chain.errors import UsageError
from audio_chain.generate import GenerationRequest
from audio_chain.generate.musicgen.checkpoint import load_whole
from audio_chain.generate.musicgen.decoding import decode
from audio_chain.generate.musicgen.generator import MusicgenGenerator
from audio_chain.generate.musicgen.melody import Chroma
from audio_chain.generate.musicgen.sampling import Sampling

RATE = 32_000


@functools.cache
def loaded(channels: int) -> tuple[Any, MusicgenGenerator]:
    model = tiny(channels, melody=True)
    return model, player(model)


def scale(seconds: float, seed: int = 0) -> Clip:
    """Tones of a quarter second, each of a random pitch."""
    chance = np.random.default_rng(seed)
    time = np.arange(RATE // 4) / RATE
    notes = [
        np.sin(2 * np.pi * 440 * 2 ** (chance.integers(-9, 3) / 12) * time)
        for _ in range(round(4 * seconds))
    ]
    return Clip(0.3 * np.concatenate(notes)[None].astype(np.float32), RATE)


class ScipySpectrogram:
    """What torchaudio's `Spectrogram` does with the feature extractor's arguments, by scipy."""

    def __init__(self, n_fft: int, hop_length: int, **rest: Any) -> None:
        assert rest == {
            "win_length": n_fft,
            "power": 2,
            "center": True,
            "pad": 0,
            "normalized": True,
        }
        self.window = scipy.signal.get_window("hann", n_fft)
        self.hop = hop_length

    def __call__(self, audio: torch.Tensor) -> torch.Tensor:
        half = len(self.window) // 2
        padded = np.pad(audio.numpy().astype(float), ((0, 0), (half, half)), "reflect")
        frames = np.lib.stride_tricks.sliding_window_view(padded, 2 * half, -1)[:, :: self.hop]
        spectra = np.abs(np.fft.rfft(frames * self.window)) ** 2 / np.sum(self.window**2)
        return torch.from_numpy(spectra.swapaxes(1, 2)).float()


@pytest.fixture
def extractor(monkeypatch: pytest.MonkeyPatch) -> Any:
    """transformers' feature extractor; where torchaudio is missing, with scipy in its place.

    Its code is then loaded from its file: the package itself hides it without torchaudio.
    """
    try:
        importlib.import_module("torchaudio")
    except (ImportError, OSError):
        stand_in: Any = types.ModuleType("torchaudio")
        stand_in.transforms = types.SimpleNamespace(Spectrogram=ScipySpectrogram)
        monkeypatch.setitem(sys.modules, "torchaudio", stand_in)
        monkeypatch.setattr("transformers.utils.is_torchaudio_available", lambda: True)
        name = "feature_extraction_musicgen_melody"
        folder = Path(transformers.__file__).parent / "models" / "musicgen_melody"
        spec = importlib.util.spec_from_file_location(
            f"transformers.models.musicgen_melody.{name}_loaded", folder / f"{name}.py"
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.MusicgenMelodyFeatureExtractor
    return transformers.MusicgenMelodyFeatureExtractor


@pytest.mark.parametrize("seconds", [0.25, 3.0, 31.5])
def test_chroma_equals_the_feature_extractor(extractor: Any, seconds: float) -> None:
    clip = scale(seconds)
    theirs = extractor()(clip.samples[0], sampling_rate=RATE, return_tensors="pt")
    ours = Chroma()(clip)
    assert ours.shape == theirs["input_features"][0].shape
    assert torch.equal(ours, theirs["input_features"][0])


def test_chroma_of_silence(extractor: Any) -> None:
    silence = Clip(np.zeros((1, 40_000), np.float32), RATE)
    theirs = extractor()(silence.samples[0], sampling_rate=RATE, return_tensors="pt")
    assert torch.equal(Chroma()(silence), theirs["input_features"][0])


@pytest.mark.parametrize("note", [220.0, 261.63, 329.63])
def test_chroma_names_the_note(note: float) -> None:
    """At any rate, in any octave."""
    time = np.arange(2 * 44_100) / 44_100
    for octave in (1, 2):
        clip = Clip(np.sin(2 * np.pi * note * octave * time)[None].astype(np.float32), 44_100)
        classes = Chroma()(clip).argmax(-1)
        assert set(classes.tolist()) == {round(12 * np.log2(note / 261.63)) % 12}


def test_a_melody_goes_round() -> None:
    clip, chroma = scale(8.0), Chroma()
    assert torch.equal(chroma(clip, 8.0), chroma(clip))
    late = chroma(clip, 4.096)  # 32 hops
    assert torch.equal(late[2:28], chroma(clip)[34:60])


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize("with_melody", [True, False])
def test_greedy_codes_equal_transformers(channels: int, guidance: float, with_melody: bool) -> None:
    model, generator = loaded(channels)
    melody = scale(0.75) if with_melody else None
    words = tokenizer()(["sad piano waltz"], return_tensors="pt")
    features = {"input_features": Chroma()(melody)[None]} if melody else {}
    for frames in (4, 25):
        theirs = codes_of(model, frames, **words, **features, guidance_scale=guidance)
        read = generator._reader
        condition = read.condition(read.texts("sad piano waltz"), melody, 0.0)
        assert condition.states.shape == (2, CHROMA_LENGTH + 3, 32)
        ours = decode(
            generator._parts.decoder,
            condition.states[:1],
            condition.mask[:1],
            frames,
            (0,),
            Sampling(guidance=guidance, top_k=1),
            against=(condition.states[1:], condition.mask[1:]),
        )
        assert torch.equal(ours, theirs)


def test_the_melody_matters_and_company_does_not() -> None:
    _, generator = loaded(1)
    prompts, lengths = ("sad piano", "drums", "fast drums", "fast waltz"), (2.0, 0.5, 1.0, 0.9)
    request = GenerationRequest(prompts, 2.0, (1, 2, 3, 4), lengths=lengths, melody=scale(3.0))
    together = list(generator.generate(request))
    for piece, clip in enumerate(together):
        one = (prompts[piece : piece + 1], lengths[piece], (piece + 1,))
        (alone,) = generator.generate(GenerationRequest(*one, melody=scale(3.0)))
        (other,) = generator.generate(GenerationRequest(*one, melody=scale(3.0, seed=8)))
        (plain,) = generator.generate(GenerationRequest(*one))
        assert np.array_equal(clip.samples, alone.samples)
        assert not np.array_equal(clip.samples, other.samples)
        assert not np.array_equal(clip.samples, plain.samples)


def test_a_whole_melody_checkpoint_loads(tmp_path: Any) -> None:
    model, generator = loaded(2)
    saved(model, tmp_path)
    (tmp_path / "preprocessor_config.json").write_text('{"hop_length": 2048, "chunk_length": 10}')
    again = MusicgenGenerator("tiny", "musicgen", load_whole(tmp_path, CPU, "fp32"))
    assert again._parts.melody is not None
    assert again._parts.melody.chroma == Chroma(hop=2048, seconds=10)
    request = GenerationRequest(("sad piano",), 0.3, (3,), negative="fast loud drums")
    (ours,), (theirs,) = again.generate(request), generator.generate(request)
    assert np.array_equal(ours.samples, theirs.samples)


def test_other_models_refuse_a_melody() -> None:
    generator = player(tiny())
    with pytest.raises(UsageError, match="can't follow a melody: leave out --melody"):
        list(generator.generate(GenerationRequest(("a",), 1.0, (1,), melody=scale(1.0))))
    with pytest.raises(UsageError, match="a melody with some sound"):
        GenerationRequest(("a",), 1.0, (1,), melody=Clip(np.zeros((1, 0), np.float32), RATE))
