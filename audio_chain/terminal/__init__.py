"""How the command line shows things: bars for people, JSON lines for programs."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""`text` without what a terminal would obey: control and format characters are spelled out.

    Examples
    --------
    >>> printable("red \x1b[31malert\n")
    'red \\x1b[31malert\\n'
    """
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
