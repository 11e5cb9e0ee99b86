"""Captions of songs that nobody has described: measured, and heard by CLAP-nano."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from audio_chain.clip import Clip
from audio_chain.vocabulary import GENRES, MOODS, tempo_class
from eval.adherence.instruments import HEARD
from eval.adherence.key import estimate_key
from eval.adherence.listener import Heard, Listener
from eval.adherence.tempo import estimate_tempo

MOST_INSTRUMENTS: Final = 4

_DRUMS: Final = "drums"
_CALM, _LIVELY = 2.0, 5.0  # onsets a second


class MeasuredCaptioner:
    """Writes what can be measured of a song as a caption like those of the data factory.

    Genre and mood are the ones of the vocabulary whose words CLAP-nano puts nearest to the sound,
    without ever having been told (zero-shot); instruments are those that it hears. Tempo is named
    only where there are drums, since the estimator needs them.

    Parameters
    ----------
    listener : Listener
    name : str
        Captions are kept by it.
    """

    def __init__(self, listener: Listener, name: str = "measured-1") -> None:
        self.name = name
        self._listener = listener
        self._genres = listener.embed_text([f"a {genre} piece" for genre in GENRES])
        self._moods = listener.embed_text([f"{mood} music" for mood in MOODS])

    def describe(self, clip: Clip) -> dict[str, Any]:
        """Facts of a clip, ``caption`` among them."""
        heard = self._listener.hear(clip)
        mono = clip.mono()
        audio = mono.samples[0]
        instruments = _instruments(heard)
        bpm = estimate_tempo(audio, mono.rate) if _DRUMS in instruments else None
        key = estimate_key(audio, mono.rate)
        facts: dict[str, Any] = {
            "genre": GENRES[int(np.argmax(self._genres @ heard.embedding))],
            "mood": MOODS[int(np.argmax(self._moods @ heard.embedding))],
            "energy": energy(clip),
            "instruments": instruments,
            "bpm": None if bpm is None else round(bpm),
            "key": None if key is None else str(key),
        }
        return {"caption": sentence(facts), **facts}


def energy(clip: Clip) -> str:
    """``calm``, ``moderate`` or ``lively``, by how many notes begin in a second."""
    import librosa

    mono = clip.mono()
    begun = librosa.onset.onset_detect(y=mono.samples[0], sr=mono.rate, units="time")
    rate = len(begun) / max(mono.seconds, 1e-9)
    return "calm" if rate < _CALM else "moderate" if rate < _LIVELY else "lively"


def sentence(facts: dict[str, Any]) -> str:
    """Facts in one sentence."""
    instruments = facts["instruments"]
    *first, last = instruments or ["instruments"]
    who = f"{', '.join(first)} and {last}" if first else last
    parts = [f"{facts['energy'].capitalize()}, {facts['mood']} {facts['genre']} with {who}"]
    if facts["bpm"] is not None:
        parts.append(f"{tempo_class(facts['bpm'])}, {facts['bpm']} bpm")
    if facts["key"] is not None:
        parts.append(f"in {facts['key']}")
    return ", ".join(parts)


def _instruments(heard: Heard) -> list[str]:
    """Those that are heard, the surest first; the likeliest one if none is."""
    chances = sorted(heard.instruments.items(), key=lambda item: -item[1])
    found = [name for name, chance in chances if chance >= HEARD][:MOST_INSTRUMENTS]
    return found or [heard.instrument]
