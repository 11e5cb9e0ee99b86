"""Prompt templates and few-shot examples, kept as data beside this loader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any


@dataclass(frozen=True)
class Example:
    """A memo and the answer it should get.

    ``answer`` holds the fields of the rewriter's answer in their order.
    """

    memo: str
    answer: Mapping[str, Any]


@dataclass(frozen=True)
class RewriterPrompt:
    """What an instruct model reads around a memo.

    ``system`` may hold ``{genres}``, ``{moods}`` and ``{tempos}``; ``user`` holds ``{memo}``.
    """

    name: str
    system: str
    user: str
    examples: tuple[Example, ...]


@cache
def rewriter_prompt(name: str) -> RewriterPrompt:
    """Load a prompt of the rewriter.

    Parameters
    ----------
    name : str
        ``"tuned"`` (the short one our adapter was trained with) or ``"few-shot"``.

    Returns
    -------
    RewriterPrompt

    Raises
    ------
    KeyError
        If ``rewriter.yaml`` has no prompt of this name.
    """
    import yaml

    text = resources.files(__name__).joinpath("rewriter.yaml").read_text(encoding="utf-8")
    entry = yaml.safe_load(text)[name]
    examples = tuple(Example(item["memo"], item["answer"]) for item in entry["examples"])
    return RewriterPrompt(name, entry["system"], entry["user"], examples)
