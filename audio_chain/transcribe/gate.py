"""Which of Whisper's guesses to believe.

Thresholds on the three things Whisper says about a guess. They begin with those of OpenAI's
reference implementation (log probability -1, compression 2.4, no speech 0.6), and are combined
after what was measured with tiny.en on noises, hums, tones and silence that it was made to listen
to, without the speech detector, which stops nearly all of them: their no-speech probability was
0.47 to 0.98, their log probability under -0.8 unless they looped (compression 2.9 and up). Clear
speech had a no-speech probability under 0.25 and a log probability over -0.6; somebody saying a
long sentence twice reaches a compression of 2.4 and is to be believed.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

LEAST_LOGPROB: Final = -1.0
REPETITIVE: Final = 2.4  # compression of a loop, or of somebody who repeats a sentence
ENDLESS: Final = 4.0  # compression that only a loop has
SOME_NO_SPEECH: Final = 0.3
MUCH_NO_SPEECH: Final = 0.6
SURE_LOGPROB: Final = -0.5
ECHO_WORDS: Final = 3


@dataclass(frozen=True)
class Guess:
    """A phrase that Whisper believes to have heard, with what it says of it.

    Times are in seconds from the beginning of what it was given; ``logprob`` is the mean natural
    logarithm of the tokens' probabilities; ``no_speech`` the probability that nobody spoke;
    ``compression`` the length of the text over its length when compressed (a loop is high).
    """

    start: float
    end: float
    text: str
    logprob: float
    no_speech: float
    compression: float

    @property
    def confidence(self) -> float:
        """The geometric mean of the tokens' probabilities."""
        return min(1.0, math.exp(self.logprob))


def believable(guess: Guess, context: str = "") -> bool:
    """Whether a guess is to be taken as said rather than made up.

    Parameters
    ----------
    guess : Guess
        What Whisper returned.
    context : str
        What Whisper was told before; a guess that only repeats it is not believed.
    """
    if not _words(guess.text):
        return False  # "." or a note sign
    if guess.logprob < LEAST_LOGPROB or guess.compression > ENDLESS:
        return False
    if guess.compression > REPETITIVE and guess.no_speech > SOME_NO_SPEECH:
        return False
    if guess.no_speech > MUCH_NO_SPEECH and guess.logprob < SURE_LOGPROB:
        return False
    return not _echoes(guess.text, context)


def _echoes(text: str, context: str) -> bool:
    said = _words(text)
    return len(said) >= ECHO_WORDS and f" {' '.join(said)} " in f" {' '.join(_words(context))} "


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())
