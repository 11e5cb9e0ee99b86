"""The chain's models in memory: loaded when needed or a stage ahead, let go when done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from audio_chain.devices import check, pick
from audio_chain.errors import UsageError
from audio_chain.later import Later
from audio_chain.models import ModelCard, Stage

if TYPE_CHECKING:
    from audio_chain.generate import Generator
    from audio_chain.rewrite import Rewriter
    from audio_chain.transcribe import Transcriber

SMALL: Final = 1_000_000_000
"""Parameters up to which a model is loaded while the one before it still works."""


class Backends:
    """A transcriber, a rewriter and a generator, each loaded on first use.

    Loading is mostly importing and reading, so it overlaps well with the work of the stage
    before. Models above `SMALL` wait their turn: two of them may not fit into memory at once.

    Parameters
    ----------
    cards : mapping of Stage to ModelCard
        For ``transcribe``, ``rewrite`` and ``generate``.
    device, precision, offline, keep, threads
        As for `Chain`.
    """

    def __init__(
        self,
        cards: Mapping[Stage, ModelCard],
        *,
        device: str,
        precision: str,
        offline: bool,
        keep: bool,
        threads: int | None,
    ) -> None:
        for stage, card in cards.items():
            if card.stage != stage:
                raise UsageError(f"{card.name} is a {card.stage} model, not a {stage} one")
        self.cards = cards
        self.device = check(device)
        self.precision = precision
        self.offline = offline
        self._keep = keep
        self._threads = threads
        self._transcriber = Later(self._load_transcriber)
        self._rewriter = Later(self._load_rewriter)
        self._generator = Later(self._load_generator)

    def transcriber(self) -> Transcriber:
        """Wait for the transcriber, and begin to load the rewriter."""
        transcriber = self._transcriber.get()
        self._begin("rewrite", self._rewriter)
        return transcriber

    def rewriter(self) -> Rewriter:
        """Wait for the rewriter, and begin to load the generator."""
        rewriter = self._rewriter.get()
        self._begin("generate", self._generator)
        return rewriter

    def generator(self) -> Generator:
        """Wait for the generator."""
        return self._generator.get()

    def done(self, stage: Stage) -> None:
        """Let go of a stage's model, unless models are kept for the next run."""
        if not self._keep:
            used: dict[Stage, Later[Any]] = {
                "transcribe": self._transcriber,
                "rewrite": self._rewriter,
                "generate": self._generator,
            }
            used[stage].forget()

    def _begin(self, stage: Stage, model: Later[Any]) -> None:
        if self.cards[stage].parameters <= SMALL:
            model.begin()

    def _load_transcriber(self) -> Transcriber:
        from audio_chain.transcribe import load_transcriber

        device: Literal["auto", "cpu", "cuda"] = "auto"
        if self.device != "auto":
            is_cuda = pick(self.device).startswith("cuda")
            device = "cuda" if is_cuda else "cpu"  # CTranslate2 knows no mps
        return load_transcriber(self.cards["transcribe"], device=device, offline=self.offline)

    def _load_rewriter(self) -> Rewriter:
        from audio_chain.rewrite import load_rewriter

        return load_rewriter(self.cards["rewrite"], device=pick(self.device), offline=self.offline)

    def _load_generator(self) -> Generator:
        from audio_chain.generate import load_generator

        device = pick(self.device)
        if self._threads is not None:
            import torch

            torch.set_num_threads(self._threads)
        generator = load_generator(
            self.cards["generate"], device=device, precision=self.precision, offline=self.offline
        )
        # of a family that leaves a choice: what it came to
        self.precision = getattr(generator, "precision", self.precision)
        return generator
