"""Songs and pieces that were there before: each sound is learnt once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audio_chain.finetune.fingerprint import repeats
from audio_chain.finetune.material import Dropped
from audio_chain.finetune.trainee import Piece


@dataclass(frozen=True, eq=False)
class Take:
    """A song's pieces, and fingerprints of the whole and of each of them."""

    file: str
    seconds: float
    pieces: tuple[Piece, ...]
    prints: NDArray[np.float32]


def repeated(takes: Sequence[Take]) -> dict[int, Dropped]:
    """Pieces that sound like others before them, by their `id`, and why they are dropped.

    A song that sounds like another as a whole, as an MP3 of it does, is dropped as a whole: where
    it is cut can differ a little.
    """
    if not takes:
        return {}
    same = repeats(np.stack([t.prints[0] for t in takes]), np.array([t.seconds for t in takes]))
    found: dict[int, Dropped] = {}
    for row, first in same.items():
        whole = Dropped(takes[row].file, f"sounds like {takes[first].file}")
        found |= {id(piece): whole for piece in takes[row].pieces}
    others = [take for row, take in enumerate(takes) if row not in same]
    pieces = [piece for take in others for piece in take.pieces]
    prints = np.concatenate([take.prints[1:] for take in others])
    again = repeats(prints, np.array([piece.seconds for piece in pieces]))
    for row, first in again.items():
        piece, before = pieces[row], pieces[first]
        found[id(piece)] = Dropped(
            piece.file,
            f"sounds like {before.file} from {before.begin_s:.1f} s on",
            round(piece.begin_s, 2),
            round(piece.seconds, 2),
        )
    return found
