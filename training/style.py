"""A style that the nano models have never heard, for fine-tuning them: composed, nobody's own.

Bars of seven eighths in groups of 2, 2 and 3, scales of five notes with two semitones (hirajoshi
and in-sen), plucked and struck instruments of the soundfont that the data factory doesn't play.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audio_chain.audio import encode
from audio_chain.clip import Clip
from training import soundfont
from training.factory.instruments import Instrument
from training.factory.sampling import RATE, Recording, Sampler

PLUCKED: Final = {
    "koto": Instrument(107, 48, 86, "decaying", 0.3, ("koto",)),
    "shamisen": Instrument(106, 48, 84, "decaying", 0.2, ("shamisen",)),
    "sitar": Instrument(104, 45, 81, "decaying", 0.3, ("sitar",)),
    "kalimba": Instrument(108, 55, 91, "decaying", 0.3, ("kalimba",)),
    "dulcimer": Instrument(15, 48, 88, "decaying", 0.4, ("dulcimer",)),
}
STRUCK: Final = {
    "taiko": Instrument(116, 40, 52, "decaying", 0.4, ("taiko",)),
    "woodblock": Instrument(115, 60, 76, "decaying", 0.1, ("woodblock",)),
}
SCALES: Final = {"hirajoshi": (0, 2, 3, 7, 8), "in-sen": (0, 1, 5, 7, 10)}
GROUPS: Final = (0, 2, 4)
"""Eighths of a bar of seven that are stressed."""

_BAR: Final = 7
_PEAK: Final = 0.7

Audio = NDArray[np.float32]


@dataclass(frozen=True)
class Facts:
    """What is true of a piece.

    Attributes
    ----------
    lead, second, drum : str
        Its instruments.
    scale : str
        One of `SCALES`.
    bpm : int
        Quarter notes a minute.
    """

    lead: str
    second: str
    drum: str
    scale: str
    bpm: int

    @property
    def caption(self) -> str:
        """The facts in a sentence, always with the style's own words."""
        pace = "slow" if self.bpm < 100 else "moderate" if self.bpm < 130 else "fast"
        return (
            f"Seven-beat village dance in {self.scale}, {self.lead} over {self.second} and "
            f"{self.drum}, {pace}, {self.bpm} bpm"
        )


class Band:
    """The style's instruments, each note recorded once when it is first played.

    Parameters
    ----------
    font : Path
        The soundfont.
    """

    def __init__(self, font: Path) -> None:
        sampler = Sampler(font)
        self._notes: dict[tuple[str, int], Recording] = {}
        self._release: dict[str, float] = {}
        for name, instrument in (PLUCKED | STRUCK).items():
            self._release[name] = instrument.release
            for note in sampler.record_instrument(instrument):
                self._notes[name, note.pitch] = note

    def play(self, facts: Facts, seconds: float, seed: int) -> Clip:
        """Play a piece of these facts."""
        rng = random.Random(seed)
        audio = np.zeros(round(seconds * RATE), np.float32)
        for start, length, name, pitch, gain in _notes(facts, seconds, rng):
            self._add(audio, round(start * RATE), length, name, pitch, gain)
        peak = float(np.abs(audio).max()) + 1e-9
        return Clip((audio * np.float32(_PEAK / peak))[None], RATE)

    def _add(
        self, audio: Audio, start: int, length: float, name: str, pitch: int, gain: float
    ) -> None:
        note = self._notes[name, pitch]
        held, tail = round(length * RATE), round(self._release[name] * RATE)
        sound = note.samples[: held + tail].astype(np.float32) * np.float32(note.scale * gain)
        if len(sound) > held:
            sound[held:] *= np.linspace(1, 0, tail, dtype=np.float32)[: len(sound) - held]
        end = min(len(audio), start + len(sound))
        audio[start:end] += sound[: end - start]


def draw_facts(rng: random.Random) -> Facts:
    """Draw a piece."""
    lead, second = rng.sample(sorted(PLUCKED), 2)
    return Facts(
        lead, second, rng.choice(sorted(STRUCK)), rng.choice(sorted(SCALES)), rng.randrange(80, 160)
    )


def _notes(
    facts: Facts, seconds: float, rng: random.Random
) -> Iterator[tuple[float, float, str, int, float]]:
    """Start, length, instrument, pitch and gain of every note."""
    eighth = 30 / facts.bpm
    tonic = rng.randrange(12)
    low = _ladder(facts.second, tonic, facts.scale)[:9]
    high = _ladder(facts.lead, tonic, facts.scale)[-11:]
    pattern = [rng.randrange(len(low)) for _ in range(_BAR)]
    drum = PLUCKED.get(facts.drum) or STRUCK[facts.drum]
    place = len(high) // 2
    for step in range(int(seconds / eighth)):
        start, beat = step * eighth, step % _BAR
        if step % (4 * _BAR) == 0:  # every four bars the accompaniment turns
            pattern[rng.randrange(_BAR)] = rng.randrange(len(low))
        stressed = beat in GROUPS
        if stressed or rng.random() < 0.55:
            pitch = low[pattern[beat]]
            yield start, 2 * eighth, facts.second, pitch, 0.8 if stressed else 0.5
        if stressed or rng.random() < 0.15:
            pitch = drum.low if beat == 0 else drum.low + 5
            yield start, eighth, facts.drum, pitch, 1.0 if beat == 0 else 0.6
        if rng.random() < (0.75 if stressed else 0.4):
            place = min(len(high) - 1, max(0, place + rng.choice((-2, -1, -1, 0, 1, 1, 2))))
            late = abs(rng.gauss(0, 0.01))
            yield start + late, rng.choice((1, 2, 3)) * eighth, facts.lead, high[place], 1.0


def _ladder(name: str, tonic: int, scale: str) -> list[int]:
    instrument = PLUCKED[name]
    classes = {(tonic + step) % 12 for step in SCALES[scale]}
    return [p for p in range(instrument.low, instrument.high + 1) if p % 12 in classes]


def write_style(folder: Path, pieces: int, seconds: float, seed: int, band: Band) -> float:
    """Write pieces as FLAC with their captions beside them; return their seconds together."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    rows = []
    for number in range(pieces):
        facts, chance = draw_facts(rng), rng.randrange(1 << 30)
        path = folder / f"piece-{number:03d}.flac"
        if not path.exists():
            encode(band.play(facts, seconds, chance), path)
        rows.append(json.dumps({"file": path.name, "caption": facts.caption}) + "\n")
    (folder / "captions.jsonl").write_text("".join(rows))
    return pieces * seconds


def open_band() -> Band:
    """The band, with the data factory's soundfont."""
    return Band(soundfont.fetch_soundfont())
