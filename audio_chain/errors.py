"""What a person sees when something is wrong: one line that says what, where, and what to do."""

from __future__ import annotations


class ChainError(Exception):
    """A problem with data, a model or the machine. The message is one line for the user.

    Raised instead of a library's own exception wherever the cause is outside our code;
    the command line prints the message and ends with ``exit_code``, without a traceback.
    """

    exit_code = 1


class UsageError(ChainError):
    """The request itself is wrong: an unknown name, a value out of range, a missing file."""

    exit_code = 2


class AudioError(ChainError):
    """An audio file, or the sound in it, can't be used. The message is one line."""


class AudioUsageError(AudioError, UsageError):
    """The request is wrong: no such file, a folder, an unknown suffix, a rate out of range."""
