"""From a model's card to a transcriber."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from audio_chain.errors import UsageError
from audio_chain.models import ModelCard, resolve
from audio_chain.progress import Progress, silent
from audio_chain.transcribe.context import MUSIC_REQUEST
from audio_chain.transcribe.transcriber import Engine, Transcriber, WhisperTranscriber
from audio_chain.weights import fetch

EngineName = Literal["auto", "faster-whisper", "openai-whisper"]
Device = Literal["auto", "cpu", "cuda"]


def load_transcriber(
    card: ModelCard | str,
    *,
    engine: EngineName = "auto",
    device: Device = "auto",
    context: str = MUSIC_REQUEST,
    offline: bool = False,
    progress: Progress = silent,
) -> Transcriber:
    """Load a Whisper model.

    Parameters
    ----------
    card : ModelCard or str
        From `audio_chain.models`, or a name to look up there.
    engine : str
        "faster-whisper" (CTranslate2) runs CTranslate2 folders, several times faster than
        "openai-whisper" (torch), which runs both those and transformers folders. "auto": the
        faster that can.
    device : str
        "cpu", "cuda", or "auto".
    context : str
        English text to be taken as said before every memo in English, "" for none.
    offline : bool
        Don't download anything.
    progress : Progress
        Told (bytes done, bytes in all) while weights are downloaded.

    Raises
    ------
    UsageError
        There is no such model or engine, it doesn't transcribe, or the engine can't run it.
    ChainError
        Its weights can't be had, or are damaged.
    """
    if isinstance(card, str):
        card = resolve(card, "transcribe")
    if card.stage != "transcribe":
        raise UsageError(f"{card.name} is a model to {card.stage}, not to transcribe")
    for what, value, known in (("engine", engine, EngineName), ("device", device, Device)):
        if value not in get_args(known):
            raise UsageError(f"no {what} {value!r}; choose one of {', '.join(get_args(known))}")
    folder = fetch(card.source, offline=offline, progress=progress)
    return WhisperTranscriber(_engine(card, folder, engine, device), card.name, context)


def _engine(card: ModelCard, folder: Path, engine: EngineName, device: Device) -> Engine:
    is_ct2 = (folder / "model.bin").is_file()
    if engine == "faster-whisper" and not is_ct2:
        raise UsageError(
            f"{card.name} is not in CTranslate2's form, which faster-whisper needs; "
            "use the engine openai-whisper"
        )
    if is_ct2 and engine != "openai-whisper":
        from audio_chain.transcribe.faster_whisper import FasterWhisper

        return FasterWhisper(folder, device=device)
    from audio_chain.transcribe.openai_whisper import OpenAIWhisper

    return OpenAIWhisper(folder, device=device)
