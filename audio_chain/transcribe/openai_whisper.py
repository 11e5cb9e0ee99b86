"""Whisper as OpenAI published it, on torch, without pickles and without an ffmpeg program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from audio_chain.errors import ChainError
from audio_chain.transcribe import checkpoint
from audio_chain.transcribe.gate import Guess
from audio_chain.transcribe.speech import Mono

if TYPE_CHECKING:
    from whisper.model import Whisper

BEAMS: Final = 5


class OpenAIWhisper:
    """A Whisper model run by the reference implementation: float32 on a CPU, float16 on a GPU.

    Parameters
    ----------
    folder : Path
        A transformers folder with safetensors, or a CTranslate2 folder (converted once).
    device : str
        "cpu", "cuda", or "auto" for a GPU where torch finds one.

    Raises
    ------
    ChainError
        openai-whisper isn't installed, the folder holds no Whisper model, or a damaged one.
    """

    name = "openai-whisper"

    def __init__(self, folder: Path, *, device: str = "auto") -> None:
        import torch

        try:
            from whisper.tokenizer import LANGUAGES
        except ImportError as error:
            raise ChainError(
                f"the openai-whisper engine needs a package that isn't here ({error.name}); "
                "pip install --no-deps openai-whisper, then more-itertools numba tiktoken tqdm"
            ) from error
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model = _build(checkpoint.load(folder), folder).to(device).eval()
        self._half = device.startswith("cuda")
        multilingual = self._model.is_multilingual
        count = self._model.num_languages if multilingual else 0
        self.languages: tuple[str, ...] = tuple(LANGUAGES)[:count] if multilingual else ("en",)

    def rank_languages(self, samples: Mono) -> list[str]:
        """See `Engine.rank_languages`."""
        import whisper

        mel = whisper.log_mel_spectrogram(
            whisper.pad_or_trim(samples), self._model.dims.n_mels, device=self._model.device
        )
        mel = mel.half() if self._half else mel
        _, probabilities = self._model.detect_language(mel)
        return sorted(probabilities, key=probabilities.__getitem__, reverse=True)

    def recognise(self, samples: Mono, *, language: str, context: str) -> list[Guess]:
        """See `Engine.recognise`."""
        # No thresholds and one temperature: the gate judges, and sampling isn't repeatable.
        result = self._model.transcribe(
            samples,
            language=language,
            initial_prompt=context or None,
            beam_size=BEAMS,
            temperature=0.0,
            compression_ratio_threshold=None,
            logprob_threshold=None,
            no_speech_threshold=None,
            condition_on_previous_text=False,
            fp16=self._half,
        )
        return [
            Guess(
                start=segment["start"],
                end=segment["end"],
                text=segment["text"],
                logprob=segment["avg_logprob"],
                no_speech=segment["no_speech_prob"],
                compression=segment["compression_ratio"],
            )
            for segment in result["segments"]
        ]


def _build(weights: checkpoint.Checkpoint, folder: Path) -> Whisper:
    from whisper.model import ModelDimensions, Whisper

    model = Whisper(ModelDimensions(**weights.dimensions))
    try:
        model.load_state_dict(dict(weights.tensors))
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise ChainError(f"{folder}: its tensors don't fit a Whisper model: {reason}") from error
    return model
