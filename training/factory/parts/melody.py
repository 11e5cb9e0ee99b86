"""Melodies: four bars made of three motifs that come back."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final, NamedTuple

from training.factory.genres.schema import Layer
from training.factory.song import Note, Song
from training.factory.theory import (
    MAJOR_BLUES,
    MINOR_BLUES,
    SCALES,
    Chord,
    chord_scale,
    ladder,
    pentatonic,
)

_FORMS: Final = ("AaAC", "ABAC", "AABC", "AaBC", "ABaC")
_AIRY_FORM: Final = "A-AC"  # the second bar rests
_HALF_NOTE: Final = 8
_BELOW: Final = 9  # semitones of range below and above the layer's center
_ABOVE: Final = 10
_SWIFT_BPM: Final = 104  # from here on, sixteenths are too fast to be sung


class Tone(NamedTuple):
    """A tone of a motif: place and length in sixteenths, and the step from the tone before it."""

    step: int
    length: int
    move: int


Motif = Sequence[Tone]


def melody(layer: Layer, instrument: str, song: Song, rng: random.Random) -> list[Note]:
    """Motifs set to the chords: free steps on weak beats, chord tones on strong and long notes."""
    motifs = _motifs(layer, song, rng)
    form = rng.choice((*_FORMS, _AIRY_FORM if song.density < 0.9 else "AaBC"))
    scale = _scale(layer, song, rng)
    center = layer.center + song.register
    pitch = center + rng.randint(-4, 4)
    beginnings: dict[str, int] = {}
    notes = []
    for number in range(len(song.bars)):
        letter = form[number % len(form)]
        motif = motifs[letter]
        for index, tone in enumerate(motif):
            chord = song.chord_at(number, tone.step)
            rungs = ladder(
                chord_scale(chord.pitch_classes, scale), center - _BELOW, center + _ABOVE
            )
            if index == 0:
                pitch = beginnings.setdefault(letter.upper(), pitch)
            rung = _move(rungs, pitch, tone.move)
            final = letter == "C" and index == len(motif) - 1
            if _strong(tone.step, song) or tone.length >= 4 or final:
                rung = _nearest_chord_tone(rungs, rung, chord, final)
            pitch = rungs[rung]
            start = number * song.meter.steps + tone.step
            notes.append(Note(start, _length(tone, layer, song), pitch, _velocity(tone, song, rng)))
            if tone.length >= 3 and song.ornaments and rng.random() < 0.08:
                grace = rungs[max(0, rung - 1)]
                notes.append(Note(start - 0.35, 0.3, grace, song.touch + 8 - 12))
    return notes


def _motifs(layer: Layer, song: Song, rng: random.Random) -> dict[str, Motif]:
    """Motif A, its variant a (another ending), B, the cadence C, and a rest."""
    wanted = song.melody_notes * layer.density * song.density * song.meter.steps / 16
    finest = song.meter.steps // song.melody_grid
    count = max(2, min(finest, round(wanted + rng.uniform(-0.7, 0.7))))
    grid = 1 if song.melody_grid == 1 or (count > 8 and song.quarter_bpm < _SWIFT_BPM) else 2
    if song.meter.name == "6/8":
        grid = 2 if rng.random() < 0.8 else 1
    first = _motif(_rhythm(count, grid, song, rng), song, rng)
    second = _motif(_rhythm(max(2, count - rng.randint(0, 2)), grid, song, rng), song, rng)
    cadence = _motif(_cadence(count, grid, song, rng), song, rng, rings_out=True)
    half = len(first) // 2 + 1
    ending = [tone._replace(move=rng.choice((-2, -1, 1, 2))) for tone in first[half:]]
    return {"A": first, "B": second, "C": cadence, "a": [*first[:half], *ending], "-": ()}


def _rhythm(count: int, grid: int, song: Song, rng: random.Random) -> list[int]:
    """The `count` most tempting places of a bar, by metrical weight and chance."""
    weights = [
        _metrical_weight(step, song) * (0.25 + rng.random())
        for step in range(0, song.meter.steps, grid)
    ]
    order = sorted(range(len(weights)), key=lambda place: -weights[place])
    return sorted(place * grid for place in order[:count])


def _metrical_weight(step: int, song: Song) -> float:
    if step == 0:
        return 1.6
    if song.on_beat(step):
        return 1.0
    return 0.55 if step % 2 == 0 else 0.16


def _cadence(count: int, grid: int, song: Song, rng: random.Random) -> list[int]:
    """The downbeat, up to two tones in the first half of the bar, and a last one to rest on."""
    half = song.meter.steps // 2
    steps = [0]
    if count > 2:
        most = max(1, count // 2)
        steps += sorted(set(rng.sample(range(0, half, grid), min(rng.randint(0, 2), most))) - {0})
    if len(steps) < 2:
        last = rng.choice((half, song.meter.steps - song.meter.beat, song.meter.beat))
    else:
        last = steps.pop()
    return [*(step for step in steps if step < last), last]


def _motif(
    steps: list[int], song: Song, rng: random.Random, *, rings_out: bool = False
) -> list[Tone]:
    """Give a rhythm its contour: mostly steps, drifting one way and then turning."""
    tones = []
    drift = rng.choice((-1, 1))
    for index, step in enumerate(steps):
        if index + 1 < len(steps):
            end = steps[index + 1]
        else:
            end = song.meter.steps - (0 if rings_out else rng.choice((0, 2, 4)))
        move = 0
        if index:
            moves = (drift, -drift, 0, 2 * drift, 3 * drift, -2 * drift)
            move = rng.choices(moves, (5, 2, 1.2, 2, 0.8, 0.8))[0]
        if rng.random() < 0.25:
            drift = -drift
        tones.append(Tone(step, max(1, end - step), move))
    return tones


def _scale(layer: Layer, song: Song, rng: random.Random) -> tuple[int, ...]:
    """Pitch classes that the melody draws on, ascending."""
    if layer.scale == "pentatonic":
        degrees = pentatonic(song.mode)
    elif layer.scale == "blues":
        degrees = MINOR_BLUES if rng.random() < 0.6 else MAJOR_BLUES
    else:
        degrees = SCALES[song.mode]
    return tuple(sorted((song.tonic + degree) % 12 for degree in degrees))


def _move(rungs: Sequence[int], pitch: int, move: int) -> int:
    """Index of the rung `move` away from the one nearest to a pitch, turning back at the ends."""
    last = len(rungs) - 1
    rung = min(range(len(rungs)), key=lambda index: abs(rungs[index] - pitch)) + move
    if rung < 0:
        rung = -rung
    elif rung > last:
        rung = 2 * last - rung
    return max(0, min(last, rung))


def _strong(step: int, song: Song) -> bool:
    return step % (_HALF_NOTE if song.meter.name == "4/4" else song.meter.beat) == 0


def _nearest_chord_tone(rungs: Sequence[int], rung: int, chord: Chord, final: bool) -> int:
    """Index of the chord tone nearest to a rung, the upper of two; the last tone is choosier."""
    tones = chord.pitch_classes[:3] if final else chord.pitch_classes
    return min(
        (index for index, pitch in enumerate(rungs) if pitch % 12 in tones),
        key=lambda index: abs(index - rung) + 0.1 * (index < rung),
        default=rung,
    )


def _length(tone: Tone, layer: Layer, song: Song) -> float:
    """Sixteenths that a tone sounds: a little less than its place in the rhythm."""
    share = 0.95 if tone.length < 4 else 0.9
    return max(0.6, min(tone.length * share * song.length * layer.length, tone.length))


def _velocity(tone: Tone, song: Song, rng: random.Random) -> float:
    beat = 7 if song.on_beat(tone.step) else 0
    return song.touch + 8 + beat + rng.randint(-6, 5)
