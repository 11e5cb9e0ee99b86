"""Pieces of the data factory that no model was trained on, and what would be asked to get them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from audio_chain.brief import Brief, energy_of, render
from audio_chain.clip import Clip
from training.factory.attributes import Attributes
from training.factory.dataset import RATE, Piece, sample
from training.shards import HELD_OUT_SEED

SECONDS: Final = 10.0


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A held-out piece.

    Attributes
    ----------
    number : int
        Which piece of the held-out seed it is.
    piece : Piece
        Its sound and what is true of it.
    prompt : str
        What the product would ask MusicGen-nano for, knowing the facts.
    in_prompts, in_solos : bool
        What it was chosen for: as one of the first pieces, as one of the first solos.
    """

    number: int
    piece: Piece
    prompt: str
    in_prompts: bool
    in_solos: bool

    @property
    def clip(self) -> Clip:
        """Its sound."""
        samples = self.piece.audio[np.newaxis].astype(np.float32)
        samples /= 32768
        return Clip(samples, RATE)


def held_out(prompts: int, solos: int = 0) -> Iterator[HeldOut]:
    """Render the first `prompts` pieces, and as many more as the first `solos` solos take.

    Solos among the first pieces count as both. Needs the soundfont, as all of the factory does.

    Yields
    ------
    HeldOut
        In the order of their numbers.
    """
    number = 0
    while prompts > number or solos > 0:
        piece = sample(number, HELD_OUT_SEED, SECONDS)
        solo = solos > 0 and is_solo(piece.attributes)
        if number < prompts or solo:
            prompt = render(brief_of(piece), "musicgen-nano")
            yield HeldOut(number, piece, prompt, number < prompts, solo)
        solos -= solo
        number += 1


def is_solo(attributes: Attributes) -> bool:
    """Whether one instrument plays, and it is not the drums."""
    return len(attributes.instruments) == 1 and not attributes.has_drums


def brief_of(piece: Piece) -> Brief:
    """Write the brief that asks for a piece.

    Its tempo is counted in beats as felt, as in the captions that models learn from.
    """
    return brief_of_facts(piece.attributes, piece.captions[0])


def brief_of_facts(facts: Attributes, description: str) -> Brief:
    """Write the brief that asks for a piece of which these facts are true."""
    return Brief(
        description=description,
        genre=facts.genre,
        mood=facts.mood,
        tempo=facts.tempo,
        tempo_bpm=facts.bpm,
        key=f"{facts.key} {facts.mode}",
        instruments=facts.instruments,
        avoid=(),
        energy=energy_of(facts.genre, facts.mood, facts.tempo),
        seconds=facts.seconds,
    )
