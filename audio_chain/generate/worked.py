"""Generators whose model runs in a backend's worker: what they have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from audio_chain import devices
from audio_chain.backends.worker import Worker
from audio_chain.backends.workers import open_worker
from audio_chain.clip import Clip
from audio_chain.errors import UsageError
from audio_chain.progress import Progress, silent
from audio_chain.request import SAMPLING
from audio_chain.weights import Delegated

if TYPE_CHECKING:
    from audio_chain.generate import GenerationRequest
    from audio_chain.models import ModelCard

LOADING_PATIENCE_S: Final = 3600.0
"""Seconds that loading may take without a word: a first download has no steps to report."""


class WorkedGenerator:
    """A generator in a worker; see `audio_chain.generate.Generator`.

    The worker stays for as long as this object, with the model in its memory. A piece is made at
    a time, so that it depends on its own seed and prompt only.
    """

    def __init__(
        self,
        card: ModelCard,
        worker: Worker,
        model: Mapping[str, Any],
        *,
        progress: Progress = silent,
    ) -> None:
        facts = worker.call("load", model, progress=progress, patience=LOADING_PATIENCE_S).values
        self.name = card.name
        self.family = card.family
        self.rate: int = facts["rate"]
        self.max_seconds: float = facts["max_seconds"]
        self.least_seconds: float = facts["least_seconds"]
        self.defaults: Mapping[str, Any] = facts["defaults"]
        self._worker = worker
        self._model = dict(model)

    def generate(
        self, request: GenerationRequest, *, progress: Progress = silent
    ) -> Iterator[Clip]:
        """Yield a clip for each prompt, in order; progress counts steps of all together."""
        if request.seconds > self.max_seconds:
            raise UsageError(
                f"{self.name} makes pieces of up to {self.max_seconds:g} s, not "
                f"{request.seconds:g}: lower --seconds"
            )
        pieces = len(request.prompts)
        arrays = {} if request.source is None else {"source": request.source.samples}
        rate = None if request.source is None else request.source.rate
        for piece, (prompt, seed) in enumerate(zip(request.prompts, request.seeds, strict=True)):

            def stepped(done: float, total: float, before: int = piece) -> None:
                # pieces are equally long, and models count on a little beyond the end
                progress(before * total + min(done, total), pieces * total)

            values = {
                **self._model,
                "prompt": prompt,
                "negative": request.negative.strip(),
                "seconds": request.seconds,
                "seed": seed,
                "sampling": sampling_of(request),
                "source_rate": rate,
            }
            answer = self._worker.call("generate", values, arrays=arrays, progress=stepped)
            samples = np.ascontiguousarray(answer.arrays["samples"], dtype=np.float32)
            yield Clip(samples, answer.values["rate"])

    def close(self) -> None:
        """Stop the worker."""
        self._worker.close()


def sampling_of(request: GenerationRequest) -> dict[str, Any]:
    """Settings of the sampler that are not just the defaults of a request."""
    fields = type(request).__dataclass_fields__
    settings = {name: getattr(request, name) for name in SAMPLING}
    return {name: value for name, value in settings.items() if value != fields[name].default}


def load_worked(
    card: ModelCard, backend: str, *, device: str, offline: bool, progress: Progress
) -> WorkedGenerator:
    """Load a model of a local folder or of the hub in a backend's worker.

    Raises
    ------
    UsageError
        The model isn't what the backend reads.
    BackendError
        The backend isn't installed or fails.
    """
    if not isinstance(card.source, Delegated) or card.source.backend != backend:
        raise UsageError(f"{card.name} is no model of {backend}; write {backend}:{card.name}")
    worker = open_worker(backend, offline=offline)
    model = {"model": card.source.model, "device": devices.pick(device)}
    return WorkedGenerator(card, worker, model, progress=progress)
