"""Numbers written so that a sentence encoder reads them: a token a digit.

MiniLM has a token of its own for most whole numbers. From its states of "125" a linear map finds
the tempo within 4 % for 51 % of prompts, from those of "1 2 5" for 80 %.
"""

from __future__ import annotations

import re
from typing import Final

_BETWEEN_DIGITS: Final = re.compile(r"(?<=[0-9])(?=[0-9])")


def spaced(text: str) -> str:
    """Part the digits of numbers by spaces; all else stays.

    >>> spaced("Jazz at 125 bpm.")
    'Jazz at 1 2 5 bpm.'
    """
    return _BETWEEN_DIGITS.sub(" ", text)
