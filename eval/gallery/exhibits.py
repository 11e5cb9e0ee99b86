"""What is shown: a track, and all that is told about it."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.gallery.scores import Score


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """One track and what its run tells about it. Texts are as they were written: untrusted.

    Parameters
    ----------
    track : Path
        The audio file; it is there.
    run : Path
        What tells about it: the run's ``run.json``, by the path the user gave.
    title, prompt, negative : str
    seed : int
    created : str
        When, ISO 8601.
    seconds : float
        How much was asked for.
    models : mapping of str to str
        By stage, those that were used.
    settings : mapping
        Of the request: guidance, temperature and what else there is.
    command : str
        What repeats it, for a POSIX shell.
    said : str
        What the recording says, or what was typed; "" if the run began later.
    said_note : str
        By whom it was heard, and how sure.
    brief : mapping or None
    asked_bpm, asked_key
        By the brief, or in numbers and letters in the prompt.
    scores : mapping of str to score
        From a ``scores.json``.
    """

    track: Path
    run: Path
    title: str
    prompt: str
    negative: str
    seed: int
    created: str
    seconds: float
    models: Mapping[str, str]
    settings: Mapping[str, Any]
    command: str
    said: str = ""
    said_note: str = ""
    brief: Mapping[str, Any] | None = None
    asked_bpm: float | None = None
    asked_key: str | None = None
    scores: Mapping[str, Score] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What tells it apart from others with the same prompt: title or folder, and track."""
        first_words = self.title.removesuffix("…")
        folder = self.run.parent.name or self.run.parent.resolve().name
        return folder if not first_words or self.prompt.startswith(first_words) else self.title


@dataclass(frozen=True)
class LeftOut:
    """Something that can't be shown, and why, in one line."""

    path: Path
    reason: str


def names(exhibits: Sequence[Exhibit]) -> list[str]:
    """A name for each, all different, in order: with the seed, the model, a number where needed."""
    found = [exhibit.name for exhibit in exhibits]
    seeds = [f", seed {exhibit.seed}" for exhibit in exhibits]
    models = [f", {exhibit.models.get('generate', '')}" for exhibit in exhibits]
    for further in (seeds, models):
        often = Counter(found)
        found = [
            name + more if often[name] > 1 else name
            for name, more in zip(found, further, strict=True)
        ]
    often, met = Counter(found), Counter[str]()
    for place, name in enumerate(found):
        met[name] += 1
        if often[name] > 1:
            found[place] = f"{name} ({met[name]})"
    return found


def shell_word(text: str) -> str:
    r"""`text` as one word of a POSIX shell, safe to paste: nothing in it acts on a terminal.

    Examples
    --------
    >>> print(shell_word("runs/a"), shell_word("it's $(rm)"), shell_word("a\n\x1b[2J"))
    runs/a 'it'"'"'s $(rm)' $'a\n\x1b[2J'
    """
    if text.isprintable():
        return shlex.quote(text)
    escaped = "".join(
        char if char.isprintable() and char not in "\\'" else _c_escape(char) for char in text
    )
    return f"$'{escaped}'"


def _c_escape(char: str) -> str:
    if char in "\\'":
        return f"\\{char}"
    if char == "\n":
        return r"\n"
    # bytes, so that the word is the same in any locale; a lone surrogate is an undecodable byte
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))
