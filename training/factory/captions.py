"""Captions: English descriptions of a piece, true but never complete.

Three styles, as people write them: a list of tags, a prompt of one sentence, and a few sentences
in the manner of MusicCaps (Agostinelli et al., 2023). Each mentions a random part of the facts in
one of many wordings, so that a model trained on them understands free text.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from training.factory import phrases
from training.factory.attributes import Attributes
from training.factory.moods import MOODS
from training.factory.wording import Dice, Words, choose_words

# A caption's style is a number from 0 to 1: tags, then prompts, then sentences.
_PROMPTS: Final = 0.24
_SENTENCES: Final = 0.58
_NO_TELEGRAMS: Final = 0.5  # from here on no article is dropped
_NO_BPM: Final = 0.7  # from here on the head doesn't state the tempo in numbers

# Not before "80s": seeds have always said "a 80s synthwave track", and go on doing so.
_AN_BEFORE: Final = ("a", "e", "i", "o", "u", "8-", "808")


def caption(attributes: Attributes, generator: np.random.Generator) -> str:
    """Describe a piece.

    Parameters
    ----------
    attributes : Attributes
        The facts.
    generator : numpy.random.Generator
        Source of chance: one number is drawn from it.

    Returns
    -------
    str
        One line of English.
    """
    dice = Dice(random.Random(int(generator.integers(1 << 62))))
    return write(attributes, choose_words(attributes, dice), dice)


def write(facts: Attributes, words: Words, dice: Dice) -> str:
    """Write a caption in words that are already chosen, its style by chance."""
    style = dice.rng.random()
    if style < _PROMPTS:
        return _tags(facts, words, dice)
    head = _head(facts, words, style, dice)
    if style < _SENTENCES:
        return _prompt(facts, words, head, dice)
    return _sentences(facts, words, head, dice)


def _tags(facts: Attributes, words: Words, dice: Dice) -> str:
    """A list of tags, parted by commas."""
    tags = [words.genre]
    if dice.may(0.8):
        tags.append(words.mood)
    if dice.may(0.8):
        tags += words.mentioned
    tags += [
        tag
        for tag, chance in (
            (words.bpm, 0.35),
            (words.key, 0.25),
            (words.tempo, 0.3),
            (words.energy, 0.4),
            ("instrumental", 0.2),
            (words.meter, 0.5),
        )
        if tag and dice.may(chance)
    ]
    if words.solo and dice.may(0.5):
        tags.append(dice.pick(phrases.ALONE))
    if not facts.has_drums and dice.may(0.12):
        tags.append(dice.pick(phrases.DRUMLESS))
    if dice.may(0.6):
        dice.rng.shuffle(tags)
    text = ", ".join(dict.fromkeys(tags))
    return text.lower() if dice.may(0.4) else text


@dataclass(frozen=True)
class _Head:
    """The noun phrase that a prompt or a sentence is built around.

    Attributes
    ----------
    text : str
        "a slow, sad jazz piece in C minor".
    adjectives : str
        "slow, sad".
    says_key : bool
        Whether the key is in it.
    to_mention : tuple of str
        Instruments not in it that may be named after it.
    """

    text: str
    adjectives: str
    says_key: bool
    to_mention: tuple[str, ...]


def _head(facts: Attributes, words: Words, style: float, dice: Dice) -> _Head:
    adjectives = _adjectives(words, dice)
    noun = _noun(facts, words, dice)
    countable = noun.split()[-1] not in phrases.UNCOUNTABLE
    to_mention = words.mentioned
    if _says_solo(words, noun, dice):
        noun = f"solo {words.solo} {_solo_noun(words, dice)}"
        to_mention = _without(to_mention, words.solo)
    text = f"{adjectives} {noun}".strip()
    if dice.may(0.3) and style < _NO_BPM:
        text = f"{words.bpm} {text}" if dice.may(0.5) else f"{text} {words.at_bpm}"
    says_key = dice.may(0.25)
    if says_key:
        text += f" in {words.key}"
    if words.meter and dice.may(0.4) and "waltz" not in noun:
        text += f" in {words.meter}"
    if (dice.may(0.75) or style >= _NO_TELEGRAMS) and countable:
        text = f"{_article(text)} {text}"
    return _Head(text, adjectives, says_key, to_mention)


def _adjectives(words: Words, dice: Dice) -> str:
    energy = "" if words.energy in phrases.ENERGY_NOUNS else words.energy
    chosen = [
        word
        for word, chance in ((words.tempo, 0.45), (words.mood, 0.8), (energy, 0.15))
        if word and dice.may(chance)
    ]
    dice.rng.shuffle(chosen)
    return ", ".join(dict.fromkeys(chosen))


def _noun(facts: Attributes, words: Words, dice: Dice) -> str:
    if words.genre.split()[-1] in phrases.COMPLETE_NOUNS:
        return words.genre
    nouns = phrases.PIECE_NOUNS + (phrases.GROOVE_NOUNS if facts.has_drums else ())
    return f"{words.genre} {dice.pick(nouns)}"


def _says_solo(words: Words, noun: str, dice: Dice) -> bool:
    """Whether to speak of a solo, unless the noun says as much."""
    return (
        bool(words.solo)
        and "solo" not in noun
        and dice.may(0.7)
        and words.solo.split()[-1] not in noun
    )


def _solo_noun(words: Words, dice: Dice) -> str:
    noun = dice.pick(phrases.SOLO_NOUNS)
    if not dice.may(0.4):
        return noun
    article = "an" if words.genre[0] in "aeiou8" else "a"
    return f"{noun} in {article} {words.genre} style"


def _prompt(facts: Attributes, words: Words, head: _Head, dice: Dice) -> str:
    """One sentence, as someone would ask for the piece."""
    text = head.text
    names = head.to_mention
    if names:
        led = facts.lead and names[0] == words.called.get(facts.lead)
        joints = (" with ", " featuring ", ", with ", " built on ", " led by " if led else " with ")
        text += dice.pick(joints) + _listed(names)
    if dice.may(0.12):
        text += f", {dice.pick(phrases.FIT_FOR)} {dice.pick(MOODS[facts.mood].uses)}"
    if dice.may(0.7):
        text = _capitalized(text)
    return text + ("." if dice.may(0.5) else "")


def _sentences(facts: Attributes, words: Words, head: _Head, dice: Dice) -> str:
    """Two to five sentences, as someone would describe what they hear."""
    sentences = [dice.pick(phrases.OPENINGS).format(head.text)]
    names = head.to_mention
    lead = words.called.get(facts.lead, "")
    if lead and dice.may(0.6) and not words.solo:
        sentences.append(_about_lead(lead, dice))
        names = _without(names, lead)
    if names and not (words.solo and len(names) == 1):
        sentences.append(_about_others(names, dice))
    sentences += _remarks(facts, words, head, dice)[:2]
    return " ".join(f"{_capitalized(sentence)}." for sentence in sentences)


def _about_lead(lead: str, dice: Dice) -> str:
    return dice.pick(
        (
            f"the {lead} {dice.pick(phrases.LEADS)}",
            f"a melody is played on the {lead}",
            f"the main melody comes from the {lead}",
        )
    )


def _about_others(names: Sequence[str], dice: Dice) -> str:
    listed = _listed(names)
    subject = "there is" if len(names) == 1 else "we hear"
    return dice.pick(
        (
            f"{listed} can be heard",
            f"the arrangement uses {listed}",
            f"it features {listed}",
            f"{subject} {listed} {dice.pick(phrases.BACKS)}",
            f"instruments include {listed}",
        )
    )


def _remarks(facts: Attributes, words: Words, head: _Head, dice: Dice) -> list[str]:
    """Sentences about anything but genre and instruments."""
    remarks = []
    if dice.may(0.45):
        remarks.append(_about_tempo(facts, dice))
    if dice.may(0.3) and not head.says_key:
        templates = ("the key is {}", "it is in {}", "the music is in {}")
        remarks.append(dice.pick(templates).format(words.key))
    if dice.may(0.5):
        remarks.append(_about_mood(words, head, dice))
    if not facts.has_drums and dice.may(0.12):
        remarks.append("there are no drums")
    if facts.texture == "sparse" and dice.may(0.2):
        remarks.append(dice.pick(phrases.SPARSE))
    elif facts.texture == "full" and len(words.called) > 3 and dice.may(0.2):
        remarks.append(dice.pick(phrases.RICH))
    if dice.may(0.2):
        remarks.append(f"{dice.pick(phrases.WOULD_FIT)} {dice.pick(MOODS[facts.mood].uses)}")
    return remarks


def _about_tempo(facts: Attributes, dice: Dice) -> str:
    return dice.pick(
        (
            f"the tempo is {facts.tempo}",
            f"it moves at about {facts.bpm} BPM",
            f"the tempo is {facts.tempo} at {facts.bpm} bpm",
            f"the pace is {facts.tempo}",
        )
    )


def _about_mood(words: Words, head: _Head, dice: Dice) -> str:
    mood = dice.pick(words.moods)
    templates = (
        "the mood is {}",
        "the atmosphere is {}",
        "it feels {}",
        "overall it sounds {}",
    )
    remark = dice.pick(templates).format(mood)
    if mood != words.mood and words.mood not in head.adjectives and dice.may(0.5):
        remark += f" and {words.mood}"
    return remark


def _article(text: str) -> str:
    return "an" if text.lower().startswith(_AN_BEFORE) else "a"


def _listed(names: Sequence[str]) -> str:
    """Join names with commas and a last "and"."""
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def _without(names: Sequence[str], name: str) -> tuple[str, ...]:
    return tuple(other for other in names if other != name)


def _capitalized(text: str) -> str:
    return text[0].upper() + text[1:]
