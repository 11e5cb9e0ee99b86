"""Suites of prompts to compare models on, kept as YAML in ``suites`` beside this loader."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

MAX_TEXT: Final = 500
_FOLDER: Final = "suites"
_ID: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_SUITE_FIELDS: Final = ("name", "description", "seconds", "prompts")
_PROMPT_FIELDS: Final = ("id", "text", "kind", "asks")


class SuiteError(ValueError):
    """A suite that can't be used. The message is one line."""


@dataclass(frozen=True)
class SuitePrompt:
    """A prompt of a suite.

    Attributes
    ----------
    id : str
        Small letters, digits and dashes: part of file names.
    text : str
        What a generator is given.
    kind : str
        What is special about it; "" if nothing.
    asks : mapping
        Facts that the text states, for scoring. Who scores knows which there are.
    """

    id: str
    text: str
    kind: str
    asks: Mapping[str, Any]


@dataclass(frozen=True)
class Suite:
    """Prompts to compare models on.

    Attributes
    ----------
    name, description : str
    seconds : float
        Length of the clips.
    prompts : tuple of SuitePrompt
        At least one; their ids differ.
    """

    name: str
    description: str
    seconds: float
    prompts: tuple[SuitePrompt, ...]


def suite_names() -> list[str]:
    """Names of the suites that are shipped."""
    folder = resources.files(__package__).joinpath(_FOLDER)
    files = (Path(file.name) for file in folder.iterdir())
    return sorted(file.stem for file in files if file.suffix == ".yaml")


def load_suite(where: str) -> Suite:
    """Load a suite.

    Parameters
    ----------
    where : str
        A name of `suite_names`, or the path of a YAML file.

    Raises
    ------
    SuiteError
        There is none, or it is not as it should be; the message says where.
    """
    if where in suite_names():
        file = resources.files(__package__).joinpath(_FOLDER, f"{where}.yaml")
        return parse_suite(file.read_text(encoding="utf-8"), where)
    try:
        text = Path(where).read_text(encoding="utf-8")
    except FileNotFoundError:
        known = ", ".join(suite_names())
        raise SuiteError(f"there is no suite or file {where!r}; known are {known}") from None
    except OSError as error:
        raise SuiteError(f"can't read the suite {where!r}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SuiteError(f"the suite {where!r} is not text in UTF-8") from None
    return parse_suite(text, where)


def parse_suite(text: str, where: str = "suite") -> Suite:
    """Read a suite from YAML; `where` is what errors call it.

    Raises
    ------
    SuiteError
        A field is missing, unknown or wrong.
    """
    import yaml

    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise SuiteError(f"{where!r} is not YAML: {reason}") from None
    _check_fields(raw, _SUITE_FIELDS, where)
    for field in ("name", "description"):
        if not _is_line(raw.get(field)):
            raise SuiteError(f"{where!r}: {field} must be a line of text")
    seconds = raw.get("seconds", 10)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= 3600:
        raise SuiteError(
            f"{where!r}: seconds must be above 0 and at most 3600, not {seconds!r:.40}"
        )
    entries = raw.get("prompts")
    if not isinstance(entries, list) or not entries:
        raise SuiteError(f"{where!r}: prompts must be a list of at least one")
    prompts = tuple(
        _prompt(entry, f"{where!r}, prompt {number}") for number, entry in enumerate(entries, 1)
    )
    seen: set[str] = set()
    for prompt in prompts:
        if prompt.id in seen:
            raise SuiteError(f"{where!r}: two prompts have the id {prompt.id!r}")
        seen.add(prompt.id)
    return Suite(raw["name"], raw["description"], float(seconds), prompts)


def _prompt(raw: Any, where: str) -> SuitePrompt:
    _check_fields(raw, _PROMPT_FIELDS, where)
    name = raw.get("id")
    if not isinstance(name, str) or not _ID.fullmatch(name) or len(name) > 60:
        raise SuiteError(f"{where}: id must be small letters, digits and dashes, not {name!r:.60}")
    where = f"{where} ({name})"
    if not _is_line(raw.get("text")):
        raise SuiteError(f"{where}: text must be a line of 1 to {MAX_TEXT} characters")
    if not isinstance(raw.get("kind", ""), str):
        raise SuiteError(f"{where}: kind must be text, not {raw['kind']!r:.60}")
    asks = raw.get("asks", {})
    if not isinstance(asks, dict) or not all(isinstance(key, str) for key in asks):
        raise SuiteError(f"{where}: asks must be facts by name, not {asks!r:.60}")
    return SuitePrompt(name, raw["text"].strip(), raw.get("kind", ""), asks)


def _check_fields(raw: Any, known: tuple[str, ...], where: str) -> None:
    if not isinstance(raw, dict):
        raise SuiteError(f"{where} must be fields with values, not {type(raw).__name__}")
    for field in raw:
        if field not in known:
            raise SuiteError(f"{where}: unknown field {field!r}; known are {', '.join(known)}")


def _is_line(value: object) -> bool:
    return (
        isinstance(value, str)
        and 0 < len(value.strip()) <= MAX_TEXT
        and value.strip().isprintable()
    )
