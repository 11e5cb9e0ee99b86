"""Training data: pieces that a seed and a number determine, rendered in parallel."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.factory.attributes import Attributes
from training.factory.bank import NoteBank, open_bank
from training.factory.captions import caption
from training.factory.compose import compose
from training.factory.genres import GENRES, Genre
from training.factory.render import render
from training.factory.sampling import RATE
from training.factory.score import Score

__all__ = ["RATE", "SOLO_INSTRUMENTS", "Piece", "plan", "render_pieces", "sample"]

CAPTIONS: Final = 4
"""Captions a piece."""

_SOLOS: Final = 0.15  # share of the pieces
_SOLO_ROLES: Final = ("melody", "arpeggio", "comp", "chorale", "strum")
_SEED_STRIDE: Final = 100_003  # a prime beyond the number of pieces taken from one seed at once
_CHUNK: Final = 20  # pieces handed to a process at a time


def _soloists(genre: Genre) -> set[str]:
    """Instruments of a genre that can carry a piece alone."""
    return {
        name
        for layer in genre.layers
        if layer.role in _SOLO_ROLES
        for name in layer.instruments
        if "bass" not in name
    }


SOLO_INSTRUMENTS: Final = tuple(sorted(set().union(*map(_soloists, GENRES.values()))))
"""Instruments that pieces for one instrument are written for."""


@dataclass(frozen=True, eq=False)
class Piece:
    """A piece to train on.

    Attributes
    ----------
    audio : int16 array, shape (samples,)
        Mono at `RATE`.
    attributes : Attributes
        What is true of it.
    captions : tuple of str
        Descriptions.
    """

    audio: NDArray[np.int16]
    attributes: Attributes
    captions: tuple[str, ...]


def plan(generator: np.random.Generator, seconds: float = 10.0) -> tuple[Score, Attributes]:
    """Compose a piece of the training data.

    Beside what `compose` makes by itself there is a share of pieces for one instrument, so that
    every instrument is heard alone often enough to be learned.
    """
    if generator.random() >= _SOLOS:
        return compose(generator, seconds)
    instrument = SOLO_INSTRUMENTS[generator.integers(len(SOLO_INSTRUMENTS))]
    genres = [name for name, genre in GENRES.items() if instrument in _soloists(genre)]
    genre = genres[generator.integers(len(genres))]
    return compose(generator, seconds, genre=genre, instruments=[instrument], drums=False)


def sample(index: int, seed: int, seconds: float = 10.0, *, bank: NoteBank | None = None) -> Piece:
    """Make one piece of the training data.

    Parameters
    ----------
    index, seed : int
        Which: seeds are apart as long as indices stay below 100,003.
    seconds : float
        Its length.
    bank : NoteBank, optional
        What to render with; the whole bank, opened once a process, if not given.
    """
    generator = np.random.default_rng(seed * _SEED_STRIDE + index)
    score, attributes = plan(generator, seconds)
    audio = render(score, bank or _whole_bank())
    captions = tuple(caption(attributes, generator) for _ in range(CAPTIONS))
    return Piece(to_int16(audio), attributes, captions)


def render_pieces(
    count: int, seed: int, processes: int | None = None, seconds: float = 10.0
) -> Iterator[Piece]:
    """Make the first `count` pieces of a seed, in order, in parallel.

    Processes are spawned: call it from a script whose main part is guarded by ``__name__``.

    Parameters
    ----------
    count, seed : int
        Which pieces: as from `sample` with indices 0 to `count` - 1.
    processes : int, optional
        One a core, if not given.
    seconds : float
        Length of each piece.

    Yields
    ------
    Piece
        ``samples = np.stack([piece.audio for piece in ...])`` makes an array of them.
    """
    _whole_bank()  # built here once, rather than by whichever process comes first
    make = partial(sample, seed=seed, seconds=seconds)
    with _one_thread_each(), multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap(make, range(count), chunksize=_CHUNK)


def to_int16(audio: NDArray[np.float32]) -> NDArray[np.int16]:
    """Full scale 1.0 to 16 bits, rounded towards zero."""
    return np.clip(audio * 32767, -32767, 32767).astype(np.int16)


@cache
def _whole_bank() -> NoteBank:
    return open_bank()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let processes that start meanwhile use one core each in numpy."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before
