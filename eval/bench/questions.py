"""A suite with what each of its prompts asks, checked against what can be measured."""

from __future__ import annotations

from dataclasses import dataclass, replace

from audio_chain.errors import UsageError
from eval.adherence.asked import Asked
from prompts.suite import Suite, SuiteError, load_suite


@dataclass(frozen=True)
class Questions:
    """Prompts, and what they ask.

    Attributes
    ----------
    suite : Suite
    asked : tuple of Asked
        One a prompt.
    """

    suite: Suite
    asked: tuple[Asked, ...]

    def first(self, limit: int | None) -> Questions:
        """Keep the first prompts only; all if `limit` is None."""
        suite = replace(self.suite, prompts=self.suite.prompts[:limit])
        return Questions(suite, self.asked[:limit])


def load_questions(where: str) -> Questions:
    """Load a suite by its name or its file.

    Raises
    ------
    UsageError
        There is none, or something in it is wrong; the message says what and where.
    """
    try:
        suite = load_suite(where)
    except SuiteError as error:
        raise UsageError(str(error)) from None
    asked = []
    for number, prompt in enumerate(suite.prompts, 1):
        try:
            asked.append(Asked.from_dict(prompt.asks))
        except UsageError as error:
            raise UsageError(f"{where!r}, prompt {number} ({prompt.id}): {error}") from None
    return Questions(suite, tuple(asked))
