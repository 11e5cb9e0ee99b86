"""Whisper on CTranslate2, through faster-whisper."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from audio_chain.errors import ChainError
from audio_chain.transcribe.gate import Guess
from audio_chain.transcribe.speech import Mono

if TYPE_CHECKING:
    import faster_whisper

BEAMS: Final = 5
FILES: Final = ("model.bin", "config.json", "tokenizer.json")


class FasterWhisper:
    """A Whisper model in CTranslate2's form: int8 on a CPU, float16 on a GPU.

    Parameters
    ----------
    folder : Path
        Holds ``model.bin``, ``config.json``, ``tokenizer.json`` and the vocabulary.
    device : str
        "cpu", "cuda", or "auto" for a GPU where CTranslate2 finds a working one.

    Raises
    ------
    ChainError
        A file is missing or damaged, or the device can't be used.
    """

    name = "faster-whisper"

    def __init__(self, folder: Path, *, device: str = "auto") -> None:
        for file in FILES:  # without its tokenizer faster-whisper would ask the hub
            if not (folder / file).is_file():
                raise ChainError(f"{folder}: no CTranslate2 Whisper model: {file} is missing")
        self._model = _load(folder, device)
        self.languages: tuple[str, ...] = tuple(self._model.supported_languages)

    def rank_languages(self, samples: Mono) -> list[str]:
        """See `Engine.rank_languages`."""
        _, _, ranked = self._model.detect_language(samples)
        return [language for language, _ in ranked]

    def recognise(self, samples: Mono, *, language: str, context: str) -> list[Guess]:
        """See `Engine.recognise`."""
        # No thresholds and one temperature: the gate judges, and sampling isn't repeatable.
        segments, _ = self._model.transcribe(
            samples,
            language=language,
            initial_prompt=context or None,
            beam_size=BEAMS,
            temperature=0.0,
            compression_ratio_threshold=None,
            log_prob_threshold=None,
            no_speech_threshold=None,
            condition_on_previous_text=False,
            vad_filter=False,
        )
        return [
            Guess(
                start=segment.start,
                end=segment.end,
                text=segment.text,
                logprob=segment.avg_logprob,
                no_speech=segment.no_speech_prob,
                compression=segment.compression_ratio,
            )
            for segment in segments
        ]


def _load(folder: Path, device: str) -> faster_whisper.WhisperModel:
    import ctranslate2

    if device == "cpu" or (device == "auto" and not ctranslate2.get_cuda_device_count()):
        return _load_on(folder, "cpu", "int8")
    try:
        model = _load_on(folder, "cuda", "float16")
        _try_out(model)
    except ChainError:
        if device == "auto":  # a GPU without the libraries CTranslate2 wants
            return _load_on(folder, "cpu", "int8")
        raise
    return model


def _load_on(folder: Path, device: str, compute_type: str) -> faster_whisper.WhisperModel:
    import faster_whisper
    from faster_whisper.feature_extractor import FeatureExtractor

    try:
        model = faster_whisper.WhisperModel(
            str(folder), device=device, compute_type=compute_type, cpu_threads=_threads()
        )
    except Exception as error:  # the tokenizer's and CTranslate2's own have no common base
        reason = " ".join(str(error).split())
        raise ChainError(f"{folder}: can't be loaded on {device}: {reason}") from error
    # a folder without preprocessor_config.json is taken to have 80 mel bands
    model.feature_extractor = FeatureExtractor(feature_size=model.model.n_mels)
    return model


def _try_out(model: faster_whisper.WhisperModel) -> None:
    """Encode a second of silence: CTranslate2 looks for CUDA's libraries only when it computes."""
    import numpy as np

    try:
        model.encode(np.zeros((model.model.n_mels, 3000), dtype=np.float32))
    except RuntimeError as error:
        raise ChainError(f"CTranslate2 can't use the GPU: {error}; use the CPU") from error


def _threads() -> int:
    """As many as OMP_NUM_THREADS says, or as this process may use, but no more than 4."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    if told.isdigit() and int(told):
        return int(told)
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(4, usable or 1)
