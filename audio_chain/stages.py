"""One request on its way through the chain, stage by stage."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from audio_chain import models, weights
from audio_chain.audio import Clip, decode, probe
from audio_chain.brief import Brief, negative, render
from audio_chain.errors import ChainError, UsageError
from audio_chain.events import Event, Notice, staged
from audio_chain.files import shown
from audio_chain.generate import check_extras
from audio_chain.loading import Backends
from audio_chain.manifest import describe_memo
from audio_chain.progress import Progress
from audio_chain.request import DEFAULT_SECONDS, MemoRequest
from audio_chain.run import BRIEF, TRANSCRIPT, Run, RunFolder

if TYPE_CHECKING:
    from audio_chain.generate import GenerationRequest
    from audio_chain.transcribe import Transcript


@contextmanager
def _enough_memory(card: models.ModelCard) -> Iterator[None]:
    """Turn running out of memory, the computer's or the GPU's, into one clear line."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # torch's are RuntimeErrors
        signs = ("out of memory", "can't allocate memory")
        if isinstance(error, RuntimeError) and not any(sign in str(error) for sign in signs):
            raise
        raise ChainError(
            f"not enough memory for {card.name}: choose a smaller model, "
            "or fewer and shorter tracks"
        ) from error


class Pass:
    """What is known of one request so far; each stage is a stream of events and adds to it.

    Parameters
    ----------
    request : MemoRequest
        Completed: with a seed and a title.
    backends : Backends
    draft : RunFolder
        Gets every result as it comes.

    Attributes
    ----------
    memo : dict or None
        Path, size and hash of the recording, as it was before the run.
    recordings : dict of str to dict
        The same of the generator's, by the setting that names them.
    begun_seconds : float
        Length of what the tracks continue from.
    varied_seconds : float or None
        Length of what the tracks are variations of.
    transcript : Transcript or None
    brief : Brief or None
    prompt, negative : str
        For the generator.
    track_seconds : float
        How much music the generator was asked for.
    clips : tuple of Clip
        As the generator made them.
    seconds : dict of str to float
        How long each stage took.
    """

    def __init__(self, request: MemoRequest, backends: Backends, draft: RunFolder) -> None:
        self.request = request
        self.backends = backends
        self.draft = draft
        self.memo = describe_memo(request.memo) if request.memo is not None else None
        check_extras(backends.cards["generate"], request.extras)
        lengths = {name: probe(path).seconds or 0.0 for name, path in request.recordings.items()}
        self.recordings = {name: describe_memo(path) for name, path in request.recordings.items()}
        self.begun_seconds = lengths.get("continue_from", 0.0)
        self.varied_seconds = lengths.get("variation_of")
        if self.varied_seconds and (request.seconds or 0.0) > self.varied_seconds + 0.01:
            raise UsageError(
                f"what to vary is {self.varied_seconds:.1f} s long: --seconds can't be more, and "
                "--continue-from goes on from it"
            )
        self.transcript = request.transcript
        self.brief = request.brief
        self.prompt = request.prompt or ""
        self.negative = request.negative
        self.track_seconds = DEFAULT_SECONDS
        self.clips: tuple[Clip, ...] = ()
        self.seconds: dict[str, float] = {}

    def fetch(self) -> Iterator[Event]:
        """Say what the models' licences don't allow, and fetch the weights that aren't here."""
        wanted = (self.backends.cards[stage] for stage in self.request.stages)
        cards = {card.name: card for one in wanted for card in models.with_needs(one)}
        for card in cards.values():
            if notice := models.licence_notice(card):
                yield Notice(notice)
        for card in cards.values():
            if not weights.is_cached(card.source):
                yield from self._fetch(card)

    def _fetch(self, card: models.ModelCard) -> Generator[Event, None, Path]:
        return staged(
            "fetch",
            lambda progress: weights.fetch(
                card.source, offline=self.backends.offline, progress=progress
            ),
            total=card.size_mb * 1e6 or None,
            unit="bytes",
            detail=card.name,
            clock=self.seconds,
        )

    def transcribe(self) -> Iterator[Event]:
        """Hear what was said, if the request starts from a recording."""
        memo = self.request.memo
        if memo is not None and "transcribe" in self.request.stages:

            def listen(progress: Progress) -> Transcript:
                with _enough_memory(self.backends.cards["transcribe"]):
                    transcriber = self.backends.transcriber()
                    return transcriber.transcribe(
                        memo, language=self.request.language, progress=progress
                    )

            length = probe(memo).seconds
            heard = yield from staged(
                "transcribe", listen, clock=self.seconds, total=length, unit="seconds"
            )
            if not heard.text.strip():
                raise ChainError(
                    f"{shown(memo.name)}: {heard.note or 'no speech found'}; record it again, "
                    "or type what you want with --text"
                )
            if heard.note:
                yield Notice(heard.note)
            self.transcript = heard
            self.backends.done("transcribe")
        if self.transcript is not None:
            self.draft.write_json(TRANSCRIPT, self.transcript.to_dict())

    def rewrite(self) -> Iterator[Event]:
        """Turn what was said into a brief, and a brief into words for the generator."""
        request, transcript = self.request, self.transcript
        if transcript is not None and "rewrite" in request.stages:

            def write(progress: Progress) -> Brief:
                with _enough_memory(self.backends.cards["rewrite"]):
                    rewriter = self.backends.rewriter()
                    seconds = request.seconds or DEFAULT_SECONDS
                    return rewriter.rewrite(transcript.text, seconds=seconds, progress=progress)

            self.brief = yield from staged("rewrite", write, clock=self.seconds)
            self.backends.done("rewrite")
        if self.brief is not None:
            if request.seconds is not None:  # asked for outright: overrules what was said
                self.brief = replace(self.brief, seconds=float(request.seconds))
            self.draft.write_json(BRIEF, self.brief.to_dict())
        if request.prompt is None and self.brief is not None:
            self.prompt = render(self.brief, self.backends.cards["generate"].family)
            self.negative = negative(self.brief)

    def generate(self) -> Iterator[Event]:
        """Play."""
        request, card = self.request, self.backends.cards["generate"]
        fresh = self.brief.seconds if self.brief else DEFAULT_SECONDS
        wanted = request.seconds or self.varied_seconds or self.begun_seconds + fresh
        least_seconds = 0.0

        def play(progress: Progress) -> tuple[Clip, ...]:
            nonlocal least_seconds
            with _enough_memory(card):
                generator = self.backends.generator()
                least_seconds = generator.least_seconds
                self.request = replace(request, **{**generator.defaults, **request.sampling})
                if request.seconds and wanted > generator.max_seconds:
                    raise UsageError(
                        f"{card.name} makes at most {generator.max_seconds:g} s at a time, "
                        f"not {wanted:g}; ask for fewer seconds"
                    )
                self.track_seconds = min(wanted, generator.max_seconds)
                whole = self.track_seconds * request.count

                def in_seconds(done: float, total: float) -> None:
                    progress(whole * done / total if total else 0.0, whole)

                return tuple(generator.generate(self._task(), progress=in_seconds))

        self.clips = yield from staged(
            "generate",
            play,
            clock=self.seconds,
            total=wanted * request.count,
            unit="seconds",
        )
        if self.track_seconds < wanted:
            most = f"{card.name} makes at most {self.track_seconds:g} s at a time"
            whole = "the recording" if self.varied_seconds else "the brief"
            yield Notice(f"{most}, not the {wanted:g} s of {whole}")
        if self.track_seconds < least_seconds:
            yield Notice(
                f"{card.name} was trained on windows of {least_seconds:.1f} s and makes a whole "
                "one each time: shorter tracks take as long"
            )
        for clip, seed in zip(self.clips, request.seeds, strict=True):
            if not clip.samples.any():
                yield Notice(f"seed {seed} gave silence: choose another --seed")
        self.backends.done("generate")

    def _task(self) -> GenerationRequest:
        from audio_chain.generate import GenerationRequest

        request = self.request
        clips = {name: decode(path) for name, path in request.recordings.items()}
        return GenerationRequest(
            prompts=(self.prompt,) * request.count,
            seconds=self.track_seconds,
            seeds=request.seeds,
            negative=self.negative,
            beginning=clips.get("continue_from"),
            melody=clips.get("melody"),
            source=clips.get("variation_of"),
            **request.sampling,
        )

    def finish(self) -> Generator[Event, None, Run]:
        """Master, encode and draw the tracks, write page and manifest, name the folder."""
        from audio_chain.finishing import finish

        return staged(
            "finish",
            lambda progress: finish(self, progress),
            clock=self.seconds,
            total=self.request.count + 1,
        )
