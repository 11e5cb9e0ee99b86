"""Speech to text: what was said in a voice memo, or a clear word that nothing was.

>>> from audio_chain import models
>>> from audio_chain.transcribe import load_transcriber
>>> whisper = load_transcriber(models.resolve("whisper-tiny.en", "transcribe"))  # doctest: +SKIP
>>> whisper.transcribe(Path("memo.m4a")).text  # doctest: +SKIP
'Something slow and sad, just a piano.'

Silence and noise give an empty ``text`` and a ``note`` that says why, never an invented sentence.
"""

from __future__ import annotations

from audio_chain.transcribe.context import MUSIC_REQUEST
from audio_chain.transcribe.loading import EngineName, load_transcriber
from audio_chain.transcribe.transcriber import MAX_SECONDS, Transcriber
from audio_chain.transcribe.transcript import Segment, Transcript

__all__ = [
    "MAX_SECONDS",
    "MUSIC_REQUEST",
    "EngineName",
    "Segment",
    "Transcriber",
    "Transcript",
    "load_transcriber",
]
