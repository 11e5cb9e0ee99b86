"""Compose a piece: from a seed and a few wishes to a score and the facts about it."""

from __future__ import annotations

import math
import random
from typing import Unpack

import numpy as np

from audio_chain.errors import UsageError
from audio_chain.vocabulary import tempo_class
from training.factory.attributes import NO_KIT, Attributes, Texture
from training.factory.cast import Cast, draw_cast
from training.factory.character import Character, draw_character
from training.factory.form import Entry, Form, draw_entry, draw_fills, draw_form
from training.factory.instruments import DRUMS_TRACK
from training.factory.mixing import draw_mix
from training.factory.parts import WRITERS
from training.factory.parts.drums import drums
from training.factory.performance import Performance, draw_feel, heard
from training.factory.score import Score, Track
from training.factory.song import Song
from training.factory.theory import tonic
from training.factory.wishes import Wishes, check


def compose(
    generator: np.random.Generator, seconds: float = 10.0, **wishes: Unpack[Wishes]
) -> tuple[Score, Attributes]:
    """Write a clip of a piece.

    Parameters
    ----------
    generator : numpy.random.Generator
        Source of chance: one number is drawn from it.
    seconds : float
        Length of the clip.
    **wishes
        Facts to fix: see `Wishes`.

    Returns
    -------
    score : Score
        Ready for `training.factory.render.render`.
    attributes : Attributes
        What is true of it.

    Raises
    ------
    UsageError
        If a wish names something unknown, or the length is none.
    """
    check(wishes)
    if not 0 < seconds < math.inf:
        raise UsageError(f"a piece can't last {seconds} s: ask for more than 0 s")
    rng = random.Random(int(generator.integers(1 << 62)))
    character = draw_character(rng, wishes)
    form = draw_form(character, seconds, rng)
    cast = draw_cast(character, rng, wishes)
    entry = draw_entry(form, len(cast.players), bool(cast.beats), rng)
    tracks = _perform(character, form, cast, entry, rng)
    mix = draw_mix(
        character,
        rng,
        drums=bool(cast.beats),
        throughout=entry is None or entry.part < len(cast.players),
    )
    score = Score(
        quarter_microseconds=round(60e6 / character.quarter_bpm),
        start=form.start_tick,
        seconds=seconds,
        tracks=tracks,
        mix=mix,
    )
    return score, _attributes(character, form, cast, tracks)


def _perform(
    character: Character, form: Form, cast: Cast, entry: Entry | None, rng: random.Random
) -> tuple[Track, ...]:
    """Write every part and play it."""
    song = _song(character, form)
    genre = character.genre
    fills = draw_fills(form, character.energy, rng)
    feel = draw_feel(genre.swing, genre.looseness, rng)
    performance = Performance(feel, character.quarter_bpm, form.end, rng)
    for part, (layer, instrument) in enumerate(cast.players):
        notes = WRITERS[layer.role](layer, instrument, song, rng)
        if entry and entry.part == part:
            notes = [note for note in notes if entry.sounding(note.start)]
        gain = layer.gain + rng.uniform(-1.5, 1)
        performance.play(instrument, notes, gain, dry=layer.dry)
    if cast.beats:
        beat = rng.choice(cast.beats)
        kit = rng.choice(beat.kits)
        strokes = drums(beat, song, fills, rng)
        if entry and entry.part == len(cast.players):
            strokes = [stroke for stroke in strokes if entry.sounding(stroke.start)]
        performance.drum(kit, strokes, beat.gain + rng.uniform(-1, 1))
    return performance.tracks()


def _song(character: Character, form: Form) -> Song:
    return Song(
        mode=character.mode,
        tonic=tonic(character.key),
        meter=character.meter,
        quarter_bpm=character.quarter_bpm,
        energy=character.energy,
        density=character.mood.density,
        length=character.mood.length,
        velocity=character.velocity,
        register=character.mood.register,
        melody_notes=character.genre.melody_notes,
        melody_grid=character.genre.melody_grid,
        ornaments=character.genre.ornaments,
        bars=form.bars,
    )


def _attributes(
    character: Character, form: Form, cast: Cast, tracks: tuple[Track, ...]
) -> Attributes:
    """State the facts, about what can be heard rather than what was planned."""
    instruments = heard(tracks, form.start, form.end)
    melodies = (player.instrument for player in cast.players if player.layer.role == "melody")
    lead = next(melodies, "")
    kits = [track.program for track in tracks if track.is_drums and track.name in instruments]
    return Attributes(
        genre=character.genre.name,
        mood=character.mood_name,
        bpm=character.bpm,
        tempo=tempo_class(character.quarter_bpm),
        key=character.key,
        mode=character.mode,
        meter=character.meter.name,
        instruments=instruments,
        has_drums=DRUMS_TRACK in instruments,
        drum_kit=kits[0] if kits else NO_KIT,
        texture=_texture(len(instruments)),
        energy=round(character.energy, 2),
        lead=lead if lead in instruments else "",
        seconds=form.seconds,
        beat=round(form.offset * character.bpm / 60 % 1, 4) % 1,
    )


def _texture(instruments: int) -> Texture:
    if instruments <= 1:
        return "solo"
    return "sparse" if instruments == 2 else "full"
