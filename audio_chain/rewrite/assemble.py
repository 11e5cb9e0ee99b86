"""From a model's answer to a brief: stated facts overrule it, what is missing is filled in."""

from __future__ import annotations

from audio_chain.brief import (
    Brief,
    energy_of,
    stated_alone,
    stated_bpm,
    stated_instruments,
    stated_key,
    stated_seconds,
    typical_bpm,
)
from audio_chain.rewrite.schema import MAX_INSTRUMENTS, Answer
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
    instruments = with_stated(answer, transcript)
    tempo = answer.tempo if bpm is None else tempo_class(bpm)
    description = answer.description
    if len(instruments) < len(answer.instruments):  # it may speak of those that are not to play
        description = f"{tempo} {answer.mood} solo {instruments[0]}"
    return Brief(
        description=description,
        genre=answer.genre,
        mood=answer.mood,
        tempo=tempo,
        tempo_bpm=typical_bpm(answer.genre, tempo) if bpm is None else bpm,
        key=stated_key(transcript),
        instruments=instruments,
        avoid=tuple(name for name in answer.avoid if name not in instruments),
        energy=energy_of(answer.genre, answer.mood, tempo),
        seconds=stated_seconds(transcript) or seconds,
    )


def with_stated(answer: Answer, transcript: str) -> tuple[str, ...]:
    """Put instruments that the person asks for, and the answer forgot, before those it has.

    One that is asked for alone stays alone. What the answer avoids is not added: the language model
    may have understood more.
    """
    alone = stated_alone(transcript)
    if alone is not None and alone not in answer.avoid:
        return (alone,)
    missing = [
        name
        for name in stated_instruments(transcript)
        if not any(_words(name) <= _words(known) for known in answer.instruments + answer.avoid)
    ]
    return tuple(dict.fromkeys([*missing, *answer.instruments]))[:MAX_INSTRUMENTS]


def _words(name: str) -> set[str]:
    """Words of a name in the singular, with "sax" spelt out."""
    words = (word if word.endswith("ss") else word.removesuffix("s") for word in name.split())
    return {"saxophone" if word == "sax" else word for word in words}
