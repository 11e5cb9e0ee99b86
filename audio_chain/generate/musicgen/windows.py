"""Pieces longer than a decoder's memory: windows that overlap, each begun with the last one's end.

As audiocraft extends its generations: a window is as long as the pieces that the model was
trained on and has positions of its own, from 0; what of the piece lies before it is forgotten.
Codes are carried over, never sound, so that there are no joints in the sound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from torch import Tensor

from audio_chain.generate.musicgen.decoding import Condition, Loops
from audio_chain.generate.musicgen.delay import delayed, delays, undelayed
from audio_chain.generate.musicgen.sampling import Sampling

PASSED_ON: Final = 25
"""Frames that are passed on together, at the most, as soon as they are complete."""


@dataclass(frozen=True)
class Span:
    """How far a model sees, in frames.

    Parameters
    ----------
    window : int
        The longest piece that it was trained on.
    context : int
        How much of the last window the next one begins with.
    """

    window: int
    context: int

    def windows(self, frames: int, given: int) -> Iterator[tuple[int, int, int]]:
        """Begin, end of what is known, and end of each window of a piece.

        Of `given` frames the first window takes up all, if the whole piece fits into it.
        """
        begin, known = 0, given
        if frames > self.window:
            begin = max(0, given - self.context)
        while known < frames:
            end = min(frames, begin + self.window)
            yield begin, known, end
            begin, known = end - self.context, end

    def steps(self, frames: int, given: int, lag: int) -> int:
        """Steps that a piece takes when the last codebook lags by `lag`."""
        return sum(end - known + lag for _, known, end in self.windows(frames, given))


@dataclass(frozen=True, eq=False)
class Piece:
    """A piece to compose.

    Parameters
    ----------
    condition : callable
        What is read in the window that begins at a frame. All pieces that play together have
        conditions of as many rows, and as many columns if those are a prefix.
    frames : int
        Length.
    seed : int
        Of its draws.
    """

    condition: Callable[[int], Condition]
    frames: int
    seed: int


def compose(
    loops: Loops,
    pieces: Sequence[Piece],
    sampling: Sampling,
    span: Span,
    given: Tensor,
    *,
    columns: int,
    stepped: Callable[[], None] = lambda: None,
) -> Iterator[tuple[int, Tensor]]:
    """Generate codes and pass them on while they come.

    Parameters
    ----------
    loops : Loops
        Of the model.
    pieces : sequence of Piece
        Played together; all have as many windows, and the first ones begin at the same frame.
    sampling : Sampling
        How to draw.
    span : Span
        How far the decoder sees.
    given : Tensor
        Codes that all pieces begin with, (codebooks, known frames); there may be none.
    columns : int
        Of the longest condition.
    stepped : callable
        Called after every step.

    Yields
    ------
    tuple of int and Tensor
        A piece's number and its next codes, int64 (codebooks, frames).
    """
    shape = loops.decoder.shape
    lags = delays(shape.codebooks, shape.channels)
    lag = max(lags)
    if given.shape[-1]:
        yield from ((number, given) for number in range(len(pieces)))
    longest = max(piece.frames for piece in pieces)
    codes = given.expand(len(pieces), -1, -1)  # of all pieces, up to where the next window begins
    windows = list(span.windows(longest, given.shape[-1]))
    conditions = [piece.condition(windows[0][0]) for piece in pieces]
    with loops.loop(
        sampling,
        pieces=len(pieces),
        columns=columns,
        texts=len(conditions[0].states),
        steps=min(span.window, longest - windows[0][0]) + lag,
    ) as loop:
        for window, (begin, known, until) in enumerate(windows):
            if window:
                conditions = [piece.condition(begin) for piece in pieces]
            ends = [min(piece.frames, until) - begin for piece in pieces]
            steps, ready = max(ends) + lag, known - begin
            loop.open(
                conditions,
                delayed(codes[..., codes.shape[-1] - ready :], lags, ends, steps, shape.pad),
                ready,
                [sampling.schedule(piece.frames, begin, steps) for piece in pieces],
                [piece.seed for piece in pieces],
                begin,
            )
            while loop.column < steps:
                loop.advance()
                stepped()
                complete = loop.column - lag
                if complete - ready >= PASSED_ON or loop.column == steps:
                    fresh = undelayed(loop.tokens(ready, loop.column), lags)
                    for number, end in enumerate(ends):
                        if end > ready:
                            yield number, fresh[number, :, : end - ready]
                    ready = complete
            codes = undelayed(loop.tokens(0, steps), lags)
