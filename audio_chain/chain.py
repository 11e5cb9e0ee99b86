"""The chain: a voice memo becomes a transcript, a brief, music, and a folder that holds it all."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Self

from audio_chain import models
from audio_chain.audio import probe
from audio_chain.errors import UsageError
from audio_chain.events import ChainFinished, Event
from audio_chain.loading import Backends
from audio_chain.lora import adapted
from audio_chain.models import ModelCard
from audio_chain.request import MemoRequest
from audio_chain.run import Run, RunFolder
from audio_chain.stages import Pass


class Chain:
    """Three models in a row: one hears, one writes the brief, one plays.

    Parameters
    ----------
    transcribe, rewrite, generate : ModelCard
        As `audio_chain.models.resolve` gives them. Nothing is loaded until it is needed.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    precision : str
        Of a MusicGen's weights, one of `audio_chain.generate.PRECISIONS`.
    offline : bool
        Never use the network; ``AUDIO_CHAIN_OFFLINE=1`` does so everywhere.
    keep : bool
        Keep models in memory for the next run; else each goes when its stage is done.
    threads : int, optional
        Of torch on a CPU. Sums depend on it in their last bits, so repeating a run sets it.

    Raises
    ------
    UsageError
        A card is of another stage, or there is no such device.

    Examples
    --------
    >>> chain = Chain.from_preset("offline")
    >>> run = chain.run("voice.m4a")  # doctest: +SKIP
    >>> run.clip.seconds  # doctest: +SKIP
    10.0
    """

    def __init__(
        self,
        transcribe: ModelCard,
        rewrite: ModelCard,
        generate: ModelCard,
        *,
        device: str = "auto",
        precision: str = "auto",
        offline: bool = False,
        keep: bool = True,
        threads: int | None = None,
    ) -> None:
        self._backends = Backends(
            {"transcribe": transcribe, "rewrite": rewrite, "generate": generate},
            device=device,
            precision=precision,
            offline=offline,
            keep=keep,
            threads=threads,
        )

    @classmethod
    def from_preset(
        cls,
        name: str = "offline",
        *,
        whisper: str | None = None,
        llm: str | None = None,
        model: str | None = None,
        lora: Sequence[str] = (),
        device: str = "auto",
        precision: str = "auto",
        offline: bool = False,
        keep: bool = True,
        threads: int | None = None,
    ) -> Self:
        """Make a chain of a preset's models, any of them replaced.

        Parameters
        ----------
        name : str
            Of `audio_chain.models.PRESETS`.
        whisper, llm, model : str, optional
            Instead of the preset's: a catalogue name, a local folder or GGUF file, or a hub id;
            `llm` also ``http://host:port/v1#model``.
        lora : sequence of str
            Adapters for the music model, ``FOLDER[:STRENGTH]`` each.
        device, precision, offline, keep, threads
            As for `Chain`.

        Raises
        ------
        UsageError
            There is no such preset, model, adapter or device.
        """
        if name not in models.PRESETS:
            raise UsageError(f"no preset {name!r}; choose one of {', '.join(models.PRESETS)}")
        preset = models.PRESETS[name]
        return cls(
            models.resolve(whisper or preset.transcribe, "transcribe"),
            models.resolve(llm or preset.rewrite, "rewrite"),
            adapted(models.resolve(model or preset.generate, "generate"), lora),
            device=device,
            precision=precision,
            offline=offline,
            keep=keep,
            threads=threads,
        )

    def run(self, request: MemoRequest | Path | str, *, folder: Path | None = None) -> Run:
        """Make music of a memo, and wait for it.

        Takes and raises what `stream` does.
        """
        for event in self.stream(request, folder=folder):
            if isinstance(event, ChainFinished):
                return event.run
        raise AssertionError("a stream that ends without an exception has finished")

    def stream(
        self, request: MemoRequest | Path | str, *, folder: Path | None = None
    ) -> Generator[Event, None, None]:
        """Make music of a memo, told event by event; the last is `ChainFinished`.

        Closing the iterator stops the run at the work's next step. What is left of a run that
        was stopped, or that failed, is ``FOLDER.partial`` where its transcript or brief can be
        used to go on, else nothing.

        Parameters
        ----------
        request : MemoRequest or path
            A path is a recording to be made music of, all else by default.
        folder : Path, optional
            Run folder to make, new or empty. Default: a new one in ``runs``.

        Yields
        ------
        Event
            Each stage's work goes on in a thread while the consumer does something else.

        Raises
        ------
        UsageError
            The request can't be met: no such file, a track too long for the model.
        ChainError
            The memo can't be understood, a model can't be had or run, a disk is full ...
        """
        if not isinstance(request, MemoRequest):
            request = MemoRequest(memo=Path(request))
        request = request.completed()
        if request.memo is not None:
            probe(request.memo)  # what isn't audio is refused before anything is fetched
        with RunFolder(folder, request.title) as draft:
            work = Pass(request, self._backends, draft)
            for stage in (work.fetch, work.transcribe, work.rewrite, work.generate):
                yield from stage()
            run = yield from work.finish()
        yield ChainFinished(run)
