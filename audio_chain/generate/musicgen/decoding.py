"""The loop: column after column until the pieces are long enough."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from audio_chain.generate.musicgen.decoder import Decoder
from audio_chain.generate.musicgen.delay import delayed, delays, undelayed
from audio_chain.generate.musicgen.graph import Captured, can_capture
from audio_chain.generate.musicgen.sampling import Sampling, play_column
from audio_chain.generate.musicgen.stepping import stepping

REACH: Final = 256
"""A captured step attends to the cache up to the next multiple of this: each has its graph."""


@dataclass(frozen=True, eq=False)
class Condition:
    """What the decoder reads of a piece's prompt and melody.

    Parameters
    ----------
    states : Tensor
        (rows, columns, width): of the prompt, and in a second row of what to guide away from.
        Without a second row that is no text, which a decoder that reads a prefix can't do.
    mask : Tensor
        (rows, columns), true where there is something; a prefix is read whole.
    """

    states: Tensor
    mask: Tensor


class Loop:
    """Pieces of one window, all at the same column, and the buffers that a step works on.

    Parameters
    ----------
    decoder : Decoder
        The model.
    sampling : Sampling
        How to draw.
    pieces : int
        How many play together.
    columns : int
        Of the longest condition.
    texts : int
        Rows of a condition.
    steps : int
        The most steps there will be: frames, and the longest delay.

    Attributes
    ----------
    pieces : int
    """

    def __init__(
        self,
        decoder: Decoder,
        sampling: Sampling,
        *,
        pieces: int,
        columns: int,
        texts: int,
        steps: int,
    ) -> None:
        shape, device = decoder.shape, decoder.device
        self._decoder, self._sampling, self.pieces = decoder, sampling, pieces
        self._prefix = 0 if decoder.attends_to_text else columns
        self._state = decoder.start(
            rows=pieces * (2 if sampling.guides else 1),
            text_rows=pieces * (texts if sampling.guides else 1),
            words=columns,
            capacity=self._prefix + steps,
        )
        # the column that the first step reads comes before the pattern
        self._sheet = torch.full(
            (pieces, shape.codebooks, 1 + steps), shape.pad, dtype=torch.long, device=device
        )
        self._guidance = torch.ones(pieces, steps, device=device)
        self._seeds = torch.zeros(pieces, dtype=torch.long, device=device)
        self._begin = torch.zeros(1, dtype=torch.long, device=device)
        self._captures = can_capture(device)
        self._how = stepping(decoder, self._state)
        self._step = Captured(self._run, self._buffers, self._undo, device)

    @torch.inference_mode()
    def open(
        self,
        conditions: Sequence[Condition],
        pattern: Tensor,
        known: int,
        guidance: Sequence[Tensor],
        seeds: Sequence[int],
        begin: int = 0,
    ) -> None:
        """Begin a window.

        On a CPU every piece is read by itself: sums over columns differ in the last bit with the
        number of rows, and a piece shall not depend on its company.

        Parameters
        ----------
        conditions : sequence of Condition
            Of each piece.
        pattern : Tensor
            As `delayed` gives, (pieces, codebooks, up to `steps`).
        known : int
            Frames at its beginning that are given.
        guidance : sequence of Tensor
            Of each piece, (up to `steps`), the strength at each step.
        seeds : sequence of int
            Of each piece.
        begin : int
            Frame of the pieces at which the window begins.
        """
        self._begin.fill_(begin)
        self._seeds.copy_(torch.tensor(seeds))
        self._sheet[..., 1:].fill_(self._decoder.shape.pad)
        self._sheet[..., 1 : 1 + pattern.shape[-1]] = pattern
        self._guidance[:, : pattern.shape[-1]] = torch.stack(list(guidance))
        if self._decoder.together and self._decoder.attends_to_text and not known:
            texts = len(self._state.text_mask) // self.pieces
            self._decoder.hear(*_joined(conditions, texts), self._state)
        else:
            for piece, condition in enumerate(conditions):
                self._read(piece, condition, known)
        self._how.hear(self._state)
        self._state.rewind(self._prefix + known)

    def _read(self, piece: int, condition: Condition, known: int) -> None:
        """Read a piece's condition and its first columns."""
        state = self._state.of(piece, self.pieces)
        state.rewind(0)
        rows = len(state.keys[0])
        tokens = self._sheet[piece, :, :known].expand(rows, -1, -1)
        if self._decoder.attends_to_text:
            texts = len(state.text_mask)
            self._decoder.hear(condition.states[:texts], condition.mask[:texts], state)
            self._decoder.prefill(tokens, state)
        else:
            self._decoder.prefill(tokens, state, condition.states[:rows])

    @torch.inference_mode()
    def advance(self) -> None:
        """Play one column."""
        if self._captures:
            reach = -(-(self._state.length + 1) // REACH) * REACH
            self._state.reach = min(reach, self._state.capacity)
        self._step(self._state.reach if self._captures else None)
        self._state.length += 1

    @property
    def column(self) -> int:
        """Columns of the pattern that are complete."""
        return self._state.length - self._prefix

    @property
    def failure(self) -> str:
        """Why steps are slower than this device allows; "" if they aren't."""
        return self._how.failure or self._step.failure

    def tokens(self, begin: int, end: int) -> Tensor:
        """Columns of the pattern, (pieces, codebooks, end - begin), as they are now."""
        return self._sheet[..., 1 + begin : 1 + end]

    def _run(self) -> None:
        place = self._state.column - self._prefix
        tokens = self._sheet.index_select(2, place)[..., 0]
        guides = self._sampling.guides
        logits = self._how.step(tokens.repeat(2, 1) if guides else tokens, self._state)
        # kernels know no top-p
        play = play_column if 0 < self._sampling.top_p < 1 else self._how.play
        buffers = (self._guidance, self._seeds, self._begin, place, self._sheet)
        play(logits, self._sampling, *buffers)

    def _buffers(self) -> list[Tensor]:
        return [self._sheet, self._guidance, self._begin, self._state.column]

    def _undo(self) -> None:
        """Take a step back. The tokens that it drew stay, and the next run finds them given."""
        self._state.column.sub_(1)


class Loops:
    """Loops for one decoder: on a GPU the last one is kept for the next pieces of its shape.

    There a new one takes a tenth of a second or more, since its steps have to be recorded.

    Parameters
    ----------
    decoder : Decoder
        The model.

    Attributes
    ----------
    decoder : Decoder
    """

    def __init__(self, decoder: Decoder) -> None:
        self.decoder, self._keeps = decoder, can_capture(decoder.device)
        self._kept: tuple[object, Loop] | None = None

    @contextmanager
    def loop(
        self, sampling: Sampling, *, pieces: int, columns: int, texts: int, steps: int
    ) -> Iterator[Loop]:
        """A loop that nobody else plays meanwhile; the arguments are those of `Loop`."""
        shape = (sampling, pieces, columns, texts, steps)
        kept, self._kept = self._kept, None
        if kept is not None and kept[0] == shape:
            loop = kept[1]
        else:
            if kept is not None:
                kept = None
                gc.collect()  # it holds itself, and its buffers may be all that there is room for
            loop = Loop(
                self.decoder, sampling, pieces=pieces, columns=columns, texts=texts, steps=steps
            )
        try:
            yield loop
        finally:
            if self._keeps:
                self._kept = (shape, loop)


def _joined(conditions: Sequence[Condition], rows: int) -> tuple[Tensor, Tensor]:
    """States and masks in the order of a state's rows: the prompts, then what is guided from."""
    first, columns = conditions[0], max(condition.mask.shape[1] for condition in conditions)
    states = first.states.new_zeros(rows, len(conditions), columns, first.states.shape[-1])
    mask = first.mask.new_zeros(rows, len(conditions), columns)
    for piece, condition in enumerate(conditions):
        words = condition.mask.shape[1]
        states[:, piece, :words] = condition.states[:rows]
        mask[:, piece, :words] = condition.mask[:rows]
    return states.flatten(0, 1), mask.flatten(0, 1)


def decode(
    decoder: Decoder,
    text: Tensor,
    mask: Tensor,
    frames: int,
    seeds: tuple[int, ...],
    sampling: Sampling,
    *,
    against: tuple[Tensor, Tensor] | None = None,
    given: Tensor | None = None,
    stepped: Callable[[], None] = lambda: None,
) -> Tensor:
    """Generate the codes of pieces of one length that fit into one window.

    Parameters
    ----------
    decoder : Decoder
        The model.
    text, mask : Tensor
        Projected states of the prompts (pieces, words, width), and which of them are words; for
        a decoder that reads a prefix, the prefix.
    frames : int
        Length of the pieces in frames of the codec.
    seeds : tuple of int
        One a piece.
    sampling : Sampling
        How to draw.
    against : tuple of Tensor, optional
        Text and mask, of the same sizes, to guide away from; by default from no text.
    given : Tensor, optional
        Codes that the pieces begin with, (pieces, codebooks, known frames).
    stepped : callable
        Called after every step, ``frames`` plus the longest delay less the known times.

    Returns
    -------
    Tensor
        int64 (pieces, codebooks, frames).
    """
    shape, pieces = decoder.shape, len(text)
    lags = delays(shape.codebooks, shape.channels)
    steps = frames + max(lags)
    others = [] if against is None else [against]
    conditions = [
        Condition(
            torch.stack([part[0][piece] for part in [(text, mask), *others]]),
            torch.stack([part[1][piece] for part in [(text, mask), *others]]),
        )
        for piece in range(pieces)
    ]
    if given is None:
        given = torch.zeros(pieces, shape.codebooks, 0, dtype=torch.long, device=decoder.device)
    loop = Loop(
        decoder,
        sampling,
        pieces=pieces,
        columns=text.shape[1],
        texts=1 + len(others),
        steps=steps,
    )
    pattern = delayed(given, lags, [frames] * pieces, steps, shape.pad)
    guidance = [sampling.schedule(frames, 0, steps)] * pieces
    loop.open(conditions, pattern, given.shape[-1], guidance, seeds)
    while loop.column < steps:
        loop.advance()
        stepped()
    return undelayed(loop.tokens(0, steps), lags)
