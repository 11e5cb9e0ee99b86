"""From a model's answer to a brief: stated facts overrule it, what is missing is filled in."""

from __future__ import annotations

from audio_chain.brief import (
    Brief,
    energy_of,
    stated_bpm,
    stated_key,
    stated_seconds,
    typical_bpm,
)
from audio_chain.rewrite.schema import Answer
from audio_chain.vocabulary import tempo_class


def assemble(answer: Answer, transcript: str, seconds: float) -> Brief:
    """Make a brief.

    Parameters
    ----------
    answer : Answer
        The language model's.
    transcript : str
        What the person said: a tempo, a key or a length stated there overrules.
    seconds : float
        Length of the track where the person states none.

    Returns
    -------
    Brief
        With a tempo in any case: a track can only be checked against a number.
    """
    bpm = stated_bpm(transcript)
    tempo = answer.tempo if bpm is None else tempo_class(bpm)
    return Brief(
        description=answer.description,
        genre=answer.genre,
        mood=answer.mood,
        tempo=tempo,
        tempo_bpm=typical_bpm(answer.genre, tempo) if bpm is None else bpm,
        key=stated_key(transcript),
        instruments=answer.instruments,
        avoid=tuple(name for name in answer.avoid if name not in answer.instruments),
        energy=energy_of(answer.genre, answer.mood, tempo),
        seconds=stated_seconds(transcript) or seconds,
    )
