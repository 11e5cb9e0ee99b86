"""A brief as the prompt that each model family was trained to read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from audio_chain.brief.fields import Brief
from audio_chain.errors import UsageError

# genres whose name already says what kind of piece it is
_NOUNS: Final = ("waltz", "lullaby", "hymn", "quartet", "shuffle")


def render(brief: Brief, family: str) -> str:
    """Write a brief as a prompt.

    Parameters
    ----------
    brief : Brief
    family : str
        ``musicgen-nano`` or ``stable-audio-nano`` (a caption of the data factory), ``musicgen``
        or ``audiocraft`` (a description as in MusicCaps, Agostinelli et al. 2023),
        ``stable-audio-3`` likewise, ``stable-audio``, ``stable-audio-tools`` or ``ace-step``
        (tags).

    Returns
    -------
    str
        One line.

    Raises
    ------
    UsageError
        If the family is unknown.
    """
    try:
        return _RENDERERS[family](brief)
    except KeyError:
        raise UsageError(
            f"no way to write a prompt for the family {family!r}; known are {', '.join(FAMILIES)}"
        ) from None


def negative(brief: Brief) -> str:
    """What the track should not contain, as a negative prompt; "" if the brief avoids nothing."""
    return ", ".join(brief.avoid)


def _nano(brief: Brief) -> str:
    """Facts only, in the words and the order of the captions it was trained on."""
    text = f"{_headline(brief)} with {_join(brief.instruments)}"
    if _is_solo(brief):
        piece = f"solo {brief.instruments[0]} piece"
        text = f"{_article(_adjectives(brief))} {piece} in {_article(brief.genre)} style"
    return f"{_capital(text)}{_pace(brief, 'at {} bpm')}."


def _is_solo(brief: Brief) -> bool:
    """Whether to say that one instrument plays, unless the genre's name already does."""
    first, *others = brief.instruments
    return not others and first != "drums" and first.split()[-1] not in brief.genre


def _musicgen(brief: Brief) -> str:
    text = f"{_headline(brief)} featuring {_join(brief.instruments)}"
    closing = f"The mood is {brief.mood}, the energy {brief.energy}{_pace(brief, '{} BPM', ', ')}"
    return f"{_capital(text)}. {_capital(brief.description.rstrip(' .'))}. {closing}."


def _stable_audio(brief: Brief) -> str:
    tags = [
        f"Genre: {_title(brief.genre)}",
        f"Mood: {_title(brief.mood)}",
        f"Instruments: {_join(brief.instruments)}",
        f"Tempo: {_title(brief.tempo)}",
    ]
    if brief.tempo_bpm is not None:
        tags.append(f"{brief.tempo_bpm} BPM")
    if brief.key is not None:
        tags.append(brief.key)
    tags += [f"{brief.energy} energy", brief.description.rstrip(" .")]
    return ", ".join(tags)


_RENDERERS: Final[dict[str, Callable[[Brief], str]]] = {
    "musicgen-nano": _nano,
    "musicgen": _musicgen,
    "stable-audio-nano": _nano,
    "stable-audio": _stable_audio,
    "stable-audio-3": _musicgen,
    "ace-step": _stable_audio,
    "audiocraft": _musicgen,
    "stable-audio-tools": _stable_audio,
}

FAMILIES: Final = tuple(_RENDERERS)


def _headline(brief: Brief) -> str:
    """``a slow, sad waltz``: a tempo word, a mood word, and what it is."""
    noun = brief.genre if brief.genre.endswith(_NOUNS) else f"{brief.genre} piece"
    return f"{_article(_adjectives(brief))} {noun}"


def _adjectives(brief: Brief) -> str:
    tempo = "mid-tempo" if brief.tempo == "moderate" else brief.tempo
    return f"{tempo}, {brief.mood}"


def _article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _pace(brief: Brief, bpm: str, separator: str = " ") -> str:
    """Tempo and key, as far as they are known, each with the separator before it."""
    known = []
    if brief.tempo_bpm is not None:
        known.append(bpm.format(brief.tempo_bpm))
    if brief.key is not None:
        known.append(f"in {brief.key}")
    return "".join(separator + item for item in known)


def _join(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _title(text: str) -> str:
    """``lo-fi hip hop`` to ``Lo-Fi Hip Hop``, small words left small."""
    return " ".join(word if word == "and" else word.title() for word in text.split())
