"""Which songs are learnt from, and which are kept aside to see whether learning goes on."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from typing import Final

from audio_chain.finetune.trainee import Piece

VALIDATION: Final = 0.1
"""Share of the sound that is kept aside, at least."""


def split(
    pieces: Sequence[Piece], seed: int, share: float = VALIDATION
) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Split pieces by song: no song is on both sides, unless there is but one.

    Songs come in an order that depends on their names and the seed only, so a song that is added
    later moves few of the others. Of a single song the last pieces are kept aside.

    Parameters
    ----------
    pieces : sequence of Piece
        At least two.
    seed : int
    share : float
        Of the sound, to be kept aside.

    Returns
    -------
    train, validation : tuple of Piece
    """
    files = sorted({piece.file for piece in pieces}, key=lambda file: _lot(file, seed))
    wanted = share * sum(piece.seconds for piece in pieces)
    if len(files) == 1:
        ordered = sorted(pieces, key=lambda piece: piece.begin_s)
        count = _enough([piece.seconds for piece in reversed(ordered)], wanted)
        return tuple(ordered[:-count]), tuple(ordered[-count:])
    lengths = [sum(piece.seconds for piece in pieces if piece.file == file) for file in files]
    aside = set(files[: _enough(lengths, wanted)])
    return (
        tuple(piece for piece in pieces if piece.file not in aside),
        tuple(piece for piece in pieces if piece.file in aside),
    )


def _enough(lengths: Sequence[float], wanted: float) -> int:
    """How many of the first make up what is wanted: at least one, never all."""
    short = sum(total < wanted for total in itertools.accumulate(lengths))
    return min(short + 1, len(lengths) - 1)


def _lot(file: str, seed: int) -> str:
    return hashlib.sha256(f"{seed} {file}".encode("utf-8", "surrogateescape")).hexdigest()
