"""Who plays: layers with their instruments, and the beat."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final, NamedTuple

from training.factory.attributes import Texture
from training.factory.character import Character, weighted
from training.factory.genres import Beat, Genre, Layer
from training.factory.instruments import DRUMS_TRACK
from training.factory.wishes import Wishes

_FEWER: Final = {"solo": 1, "sparse": 2}
_MOST: Final = 6
_LOW_ROLES: Final = ("bass", "walk", "drone")


class Player(NamedTuple):
    """A layer and the instrument chosen for it."""

    layer: Layer
    instrument: str


class Cast(NamedTuple):
    """All parts of a piece: `players` in order, and the `beats` to choose from, if any."""

    players: list[Player]
    beats: Sequence[Beat]


def draw_cast(character: Character, rng: random.Random, wishes: Wishes) -> Cast:
    """Choose layers, instruments and whether there are drums."""
    layers = [layer for layer in character.genre.layers if _fits(layer, character.meter.steps)]
    beats = _beats(character, wishes)
    wanted = wishes.get("instruments")
    if wanted is not None:
        players = _seat([name for name in wanted if name != DRUMS_TRACK], layers, rng)
        drums = wishes.get("drums", DRUMS_TRACK in wanted)
    else:
        texture = wishes["texture"] if "texture" in wishes else _draw_texture(character.genre, rng)
        players = _draw_players(layers, texture, character, rng)
        if "drums" in wishes:
            drums = wishes["drums"]
        else:
            drums = bool(beats) and _draw_drums(character.genre, texture, rng)
    return Cast(players, beats if drums else ())


def _fits(layer: Layer, steps: int) -> bool:
    """Whether a layer can be played in bars of so many sixteenths."""
    return layer.role != "arpeggio" or any(len(pattern) == steps for pattern in layer.patterns)


def _seat(wanted: list[str], layers: Sequence[Layer], rng: random.Random) -> list[Player]:
    """Give every wanted instrument a layer: its own, else a free one, else a new one."""
    waiting = list(wanted)
    players = []
    for layer in layers:
        suited = [name for name in waiting if name in layer.instruments]
        if suited:
            players.append(Player(layer, suited[0]))
            waiting.remove(suited[0])
    for name in waiting:
        low = "bass" in name
        taken = [player.layer for player in players]
        free = [layer for layer in layers if layer not in taken and (layer.role == "bass") == low]
        stranger = Layer("bass", (name,), center=36) if low else Layer("melody", (name,), center=70)
        players.append(Player(rng.choice(free) if free else stranger, name))
    return players


def _draw_texture(genre: Genre, rng: random.Random) -> Texture:
    weights: dict[Texture, float] = {
        "solo": 0.06 if genre.solo else 0,
        "sparse": 0.24,
        "full": 0.7,
    }
    return weighted(weights, rng)


def _draw_players(
    layers: Sequence[Layer], texture: Texture, character: Character, rng: random.Random
) -> list[Player]:
    liveliness = 1.1 if character.energy > 0.5 else 0.9
    fullness = 0.15 if texture == "full" else 0
    kept = [
        layer for layer in layers if rng.random() < min(1, layer.chance * liveliness + fullness)
    ]
    if layers[0] not in kept and rng.random() < 0.9:
        kept.insert(0, layers[0])
    kept = kept[: _FEWER.get(texture, _MOST)] or [layers[0]]
    if texture == "solo" and kept[0].role in _LOW_ROLES:
        kept = [layers[1]]
    return _draw_instruments(kept, character.genre, rng)


def _draw_instruments(layers: Sequence[Layer], genre: Genre, rng: random.Random) -> list[Player]:
    """Choose instruments, different ones unless the genre lives on one or has no others."""
    alike = len(genre.layers[0].instruments) == 1
    players: list[Player] = []
    for layer in layers:
        used = {player.instrument for player in players}
        unused = [name for name in layer.instruments if alike or name not in used]
        players.append(Player(layer, rng.choice(unused or layer.instruments)))
    return players


def _beats(character: Character, wishes: Wishes) -> Sequence[Beat]:
    """Beats of the genre that suit the energy and fit the meter.

    A genre that lives by its drums, or a wish for drums, settles for one of another energy.
    """
    genre, steps = character.genre, character.meter.steps
    beats = [beat for beat in genre.beats if _suits(beat, character.energy, steps)]
    if not beats and steps == 16 and (wishes.get("drums") or genre.energy > 0.5):
        return genre.beats
    return beats


def _suits(beat: Beat, energy: float, steps: int) -> bool:
    low, high = beat.energy
    return low <= energy <= high + 1e-9 and all(
        steps % len(row) == 0 or len(row) % steps == 0 for row in beat.rows.values()
    )


def _draw_drums(genre: Genre, texture: Texture, rng: random.Random) -> bool:
    if texture == "solo":
        return False
    chance = 0.93 if genre.energy > 0.45 else 0.75 if genre.energy >= 0.32 else 0.4
    return rng.random() < chance - (0.25 if texture == "sparse" else 0)
