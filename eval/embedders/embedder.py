"""What an embedder is, and what all of ours have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from audio_chain.clip import Clip
from audio_chain.errors import ChainError
from eval.embedders.framing import Framing, Mono
from eval.gaussian import Origin

if TYPE_CHECKING:
    from torch import Tensor

Embeddings = npt.NDArray[np.float32]
"""Shape (windows, dimensions)."""


class EmbeddingError(ChainError):
    """Sound can't be embedded, or a model embeds nonsense. The message is one line."""


class Embedder(Protocol):
    """A model that turns sound into vectors.

    Attributes
    ----------
    name : str
        Of the model, in the catalogue or as a path.
    revision : str
        What identifies its weights: a commit, or a hash.
    rate : int
        Samples a second that it hears; it resamples by itself.
    dimensions : int
        Of an embedding.
    window_seconds, hop_seconds : float
        How much sound an embedding is made from, and how far apart embeddings are.
    origin : Origin
        All of these together: embeddings of one origin may be compared, others not.
    """

    @property
    def name(self) -> str: ...
    @property
    def revision(self) -> str: ...
    @property
    def rate(self) -> int: ...
    @property
    def dimensions(self) -> int: ...
    @property
    def window_seconds(self) -> float: ...
    @property
    def hop_seconds(self) -> float: ...
    @property
    def origin(self) -> Origin: ...

    def embed(self, clip: Clip) -> Embeddings:
        """Embed a clip of any rate and number of channels, the whole of it."""
        ...

    def embed_stream(self, clips: Iterable[Clip]) -> Embeddings:
        """Embed clips put end to end, in constant memory; give them at `rate`."""
        ...


@runtime_checkable
class TextEmbedder(Embedder, Protocol):
    """An embedder that puts texts into the same space: a CLAP."""

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        """Embed texts, (texts, dimensions), each of unit length."""
        ...


class WindowedEmbedder(ABC):
    """Cuts sound into windows, and runs them through a network a batch at a time.

    Parameters
    ----------
    name, revision : str
        As in `Embedder`.
    framing : Framing
        The windows.
    dimensions : int
        As in `Embedder`.
    device : str
        Where the network is.
    hop : int, optional
        Samples from one embedding to the next where a window gives many; else the framing's.
    batch : int
        Windows at a time.
    """

    def __init__(
        self,
        name: str,
        revision: str,
        framing: Framing,
        dimensions: int,
        device: str,
        *,
        hop: int | None = None,
        batch: int = 8,
    ) -> None:
        self.name = name
        self.revision = revision
        self.rate = framing.rate
        self.dimensions = dimensions
        self.window_seconds = framing.window / framing.rate
        self.hop_seconds = (hop or framing.hop) / framing.rate
        self.device = device
        self._framing = framing
        self._batch = batch

    @property
    def origin(self) -> Origin:
        """What embeddings are made from."""
        return Origin(
            embedding=self.name,
            revision=self.revision,
            rate=self.rate,
            window_seconds=self.window_seconds,
            hop_seconds=self.hop_seconds,
        )

    def embed(self, clip: Clip) -> Embeddings:
        """Embed a clip of any rate and number of channels.

        Its channels are mixed to one (their mean), then it is resampled (soxr, high quality).

        Returns
        -------
        float32 array, shape (windows, dimensions)

        Raises
        ------
        EmbeddingError
            There is no sound in it, or the network gave what isn't a number.
        """
        return self.embed_stream([clip])

    def embed_stream(self, clips: Iterable[Clip]) -> Embeddings:
        """Embed clips put end to end, as `embed` does the whole, in constant memory.

        Give clips at `rate`, such as from `audio_chain.audio.stream`: each clip of another rate
        is resampled by itself.
        """
        import torch

        sound = (clip.mono().resampled(self.rate).samples[0] for clip in clips)
        parts = []
        with torch.inference_mode():
            for windows in _batches(self._framing.cut(sound), self._batch):
                embedded = self._embed_windows(torch.from_numpy(windows).to(self.device))
                parts.append(embedded.float().cpu().numpy())
        if not parts:
            raise EmbeddingError("there is no sound in it: 0 samples")
        embeddings = np.concatenate(parts)
        if not np.isfinite(embeddings).all():
            raise EmbeddingError(f"{self.name} embedded it as something that isn't a number")
        return embeddings

    @abstractmethod
    def _embed_windows(self, windows: Tensor) -> Tensor:
        """Embed windows (batch, samples) as (batch or more, dimensions), in their order."""


def _batches(windows: Iterable[Mono], size: int) -> Iterator[npt.NDArray[np.float32]]:
    """Stack windows of the same length, at most `size` at a time, in their order."""
    waiting: list[Mono] = []
    for window in windows:
        if waiting and (len(waiting) == size or len(window) != len(waiting[0])):
            yield np.stack(waiting)
            waiting = []
        waiting.append(window)
    if waiting:
        yield np.stack(waiting)


UNRELATED: tuple[str, ...] = (
    "a slow, sad solo piano piece",
    "fast, aggressive heavy metal with distorted guitars",
    "a bright chiptune melody over 8-bit drums",
    "a calm hymn sung by a choir",
)
"""Captions that no working CLAP puts in one place."""

ALIKE = 0.95
"""Cosine from which two embeddings of `UNRELATED` count as the same."""


def check_texts_differ(embedder: TextEmbedder) -> None:
    """Refuse a CLAP whose text tower says the same of everything.

    Some published conversions do, without any error: every score is then the same number.

    Raises
    ------
    EmbeddingError
        Two unrelated captions embed alike.
    """
    texts = embedder.embed_texts(UNRELATED)
    cosines = texts @ texts.T
    np.fill_diagonal(cosines, -1)
    first, second = divmod(int(cosines.argmax()), len(cosines))
    if not cosines.max() < ALIKE:  # not a number is refused as well
        raise EmbeddingError(
            f'{embedder.name} embeds "{UNRELATED[first]}" and "{UNRELATED[second]}" alike (cosine '
            f"{cosines.max():.3f}): its text tower is damaged or badly converted; use another one"
        )
