"""From a recording to a transcript, with whichever engine runs Whisper."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from audio_chain.audio import Clip, probe, stream
from audio_chain.clip import refuse_nonfinite
from audio_chain.errors import UsageError
from audio_chain.progress import Progress, silent
from audio_chain.transcribe.gate import Guess, believable
from audio_chain.transcribe.speech import RATE, Mono, Window, spans, windows
from audio_chain.transcribe.transcript import Segment, Transcript

MAX_SECONDS: Final = 600.0
BLOCK_SECONDS: Final = 30.0
SILENCE: Final = 1e-3  # a peak of -60 dBFS
LANGUAGES_TRIED: Final = 2  # an accent can be taken for the speaker's first language


class Transcriber(Protocol):
    """Hears what was said."""

    name: str

    def transcribe(
        self,
        audio: Path | Clip,
        *,
        language: str | None = None,
        max_seconds: float = MAX_SECONDS,
        progress: Progress = silent,
    ) -> Transcript:
        """Transcribe a recording.

        Parameters
        ----------
        audio : Path or Clip
            An audio file, read as a stream, or sound in memory; any rate, any channels.
        language : str, optional
            ISO 639-1 code; default: found out from the first speech heard.
        max_seconds : float
            Listen to so much of it; the transcript's note says if there was more.
        progress : Progress
            Told (seconds done, seconds in all).

        Returns
        -------
        Transcript
            With an empty text and a note that says why where there is no speech to be understood.

        Raises
        ------
        AudioError
            The file can't be read or is not sound.
        UsageError
            The model doesn't speak `language`, or `max_seconds` isn't positive.
        """
        ...


class Engine(Protocol):
    """Runs a Whisper model on up to 30 s of speech."""

    name: str
    languages: tuple[str, ...]

    def rank_languages(self, samples: Mono) -> list[str]:
        """`languages`, the one likeliest spoken in `samples` (16 kHz) first."""
        ...

    def recognise(self, samples: Mono, *, language: str, context: str) -> list[Guess]:
        """What is said in `samples` (16 kHz), in order, deterministically.

        `context` is text to be taken as said before, "" for none.
        """
        ...


class _Listening:
    """Blocks of a recording at `RATE`, up to a limit, and what was noticed on the way."""

    def __init__(self, audio: Path | Clip, limit: float) -> None:
        self.frames = 0
        self.peak = 0.0
        self.was_cut = False
        self._audio = audio
        self._limit = limit

    @property
    def seconds(self) -> float:
        return self.frames / RATE

    @property
    def expected(self) -> float:
        """How many seconds there will be, as far as is known before the end."""
        known = self._audio.seconds if isinstance(self._audio, Clip) else probe(self._audio).seconds
        return min(self._limit, known or 0.0)

    def __iter__(self) -> Iterator[Mono]:
        most = math.inf if math.isinf(self._limit) else max(1, round(self._limit * RATE))
        with closing(_clips(self._audio)) as clips:
            for clip in clips:
                samples = clip.samples[0]
                self.was_cut = self.frames + samples.size > most
                if self.was_cut:
                    samples = samples[: int(most) - self.frames]
                if samples.size:
                    self.frames += samples.size
                    self.peak = max(self.peak, float(np.abs(samples).max()))
                    yield samples
                if self.was_cut:
                    return


def _clips(audio: Path | Clip) -> Generator[Clip, None, None]:
    if isinstance(audio, Clip):
        refuse_nonfinite(audio.samples, audio.rate, "the clip")
        whole = audio.mono().resampled(RATE)
        step = round(BLOCK_SECONDS * RATE)
        for start in range(0, whole.frames, step):
            yield Clip(whole.samples[:, start : start + step], RATE)
    else:
        yield from stream(audio, rate=RATE, mono=True, block_seconds=BLOCK_SECONDS)


class WhisperTranscriber:
    """A `Transcriber` around an `Engine`: finds the speech, and keeps what can be believed.

    Parameters
    ----------
    engine : Engine
        A loaded model.
    model : str
        The model's name, for messages and transcripts.
    context : str
        English text to be taken as said before the memo, "" for none; see `MUSIC_REQUEST`.
    """

    def __init__(self, engine: Engine, model: str, context: str) -> None:
        self.name = f"{model} ({engine.name})"
        self._engine = engine
        self._model = model
        self._context = context

    def transcribe(
        self,
        audio: Path | Clip,
        *,
        language: str | None = None,
        max_seconds: float = MAX_SECONDS,
        progress: Progress = silent,
    ) -> Transcript:
        """See `Transcriber.transcribe`."""
        if not max_seconds > 0:
            raise UsageError(f"max_seconds must be positive, not {max_seconds}")
        if language is None and len(self._engine.languages) == 1:
            language = self._engine.languages[0]
        elif language is not None:
            language = self._known(language)

        heard = _Listening(audio, max_seconds)
        expected = heard.expected
        segments: list[Segment] = []
        left_out: list[Segment] = []
        progress(0.0, expected)
        for window in windows(spans(heard)):
            guessed = [language] if language else self._engine.rank_languages(window.samples)
            for candidate in guessed[:LANGUAGES_TRIED]:
                believed, doubted = self._segments(window, candidate)
                if believed:
                    language = candidate
                    break
            segments += believed
            left_out += doubted
            progress(window.end, max(expected, window.end))
        progress(heard.seconds, heard.seconds)

        notes = [_reason(heard, left_out)] if not segments else _omissions(left_out)
        if heard.was_cut:
            notes.append(f"only the first {max_seconds:g} s were listened to")
        return Transcript(
            text=" ".join(segment.text for segment in segments),
            language=language or "",
            segments=tuple(segments),
            confidence=_mean_confidence(segments),
            seconds=heard.seconds,
            model=self.name,
            note="; ".join(notes),
        )

    def _known(self, language: str) -> str:
        code = language.strip().lower()
        languages = self._engine.languages
        if code in languages:
            return code
        if len(languages) == 1:
            raise UsageError(
                f"{self._model} understands English only, not {language!r}; "
                "choose a multilingual model such as whisper-base"
            )
        raise UsageError(
            f"{self._model} knows no language {language!r}; "
            f"give a code such as en, de or ja, one of: {', '.join(sorted(languages))}"
        )

    def _segments(self, window: Window, language: str) -> tuple[list[Segment], list[Segment]]:
        """What is said in a window, at its time in the recording: the believed, the doubted."""
        context = self._context if language == "en" else ""
        believed: list[Segment] = []
        doubted: list[Segment] = []
        earliest = 0.0
        for guess in self._engine.recognise(window.samples, language=language, context=context):
            start = max(earliest, window.original(guess.start))
            end = max(start, window.original(guess.end, is_end=True))
            earliest = end
            text = " ".join(guess.text.split())
            segment = Segment(_to_ms(start), _to_ms(end), text, round(guess.confidence, 4))
            (believed if believable(guess, context) else doubted).append(segment)
        return believed, doubted


def _to_ms(seconds: float) -> float:
    """Rounded down to a millisecond, so that the end of the recording stays inside it."""
    return math.floor(seconds * 1000) / 1000


def _reason(heard: _Listening, left_out: list[Segment]) -> str:
    """Why there is no text."""
    if heard.frames == 0:
        return "no speech found: the recording is empty"
    length = f"{heard.seconds:.1f} s" if heard.seconds >= 0.1 else f"{heard.seconds * 1000:.0f} ms"
    if heard.peak < SILENCE:
        return f"no speech found, only silence ({length})"
    if left_out:
        return f"speech too unclear to understand ({length} of sound); speak closer, or less noise"
    return f"no speech found in {length} of sound"


def _omissions(left_out: list[Segment]) -> list[str]:
    """What was heard but not believed."""
    if not left_out:
        return []
    times = ", ".join(f"{segment.start:.1f}-{segment.end:.1f} s" for segment in left_out[:3])
    more = f" and {len(left_out) - 3} more" if len(left_out) > 3 else ""
    return [f"left out as too unclear: {times}{more}"]


def _mean_confidence(segments: list[Segment]) -> float:
    weight = sum(len(segment.text) for segment in segments)
    if not weight:
        return 0.0
    return round(sum(len(s.text) * s.confidence for s in segments) / weight, 4)
