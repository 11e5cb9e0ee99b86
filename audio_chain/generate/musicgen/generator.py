"""MusicGen as a `Generator`: prompts in, clips out, whole or while they come."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor

from audio_chain import devices, models
from audio_chain.clip import Clip, Samples
from audio_chain.errors import UsageError
from audio_chain.generate import Chunk
from audio_chain.generate.musicgen.checkpoint import Parts, is_whole, load_parts, load_whole
from audio_chain.generate.musicgen.codec_blocks import BlockDecoder, encode
from audio_chain.generate.musicgen.conditions import ROOM, Reader
from audio_chain.generate.musicgen.decoding import Condition, Loops
from audio_chain.generate.musicgen.delay import delays
from audio_chain.generate.musicgen.grouping import Grouping
from audio_chain.generate.musicgen.sampling import Sampling
from audio_chain.generate.musicgen.windows import Piece, Span, compose
from audio_chain.generate.retakes import best_take, may_fail
from audio_chain.progress import Progress, silent

if TYPE_CHECKING:
    from audio_chain.generate import GenerationRequest
    from audio_chain.models import ModelCard

DEFAULTS: Final[Mapping[str, Any]] = {
    "guidance": 3.0,
    "temperature": 1.0,
    "top_k": 250,
    "top_p": 0.0,
}
"""As in audiocraft."""

SMALL: Final = 512
"""Decoders narrower than this run on one CPU thread: handing out work costs more than it saves."""

LONGEST_S: Final = 600.0
"""The longest piece, by windows that overlap."""

DECODED_TOGETHER: Final = 64
"""Pieces at the most whose codes a GPU decodes at once, in up to a quarter of its memory."""

DECODED_BYTES: Final = 0.3e9
"""What 8 s of a piece take on their way from codes to sound."""

CONTEXT_S: Final = 12.0
"""What a window takes over of the last one, as in audiocraft; at most half of it."""


@dataclass(frozen=True, eq=False)
class _Group:
    """Pieces that play together: their numbers in the request, and what they are."""

    numbers: range
    pieces: tuple[Piece, ...]
    columns: int


class _Sound:
    """Codes of pieces of one length on their way to sound; a stereo model's alternate sides."""

    def __init__(self, codec: Any, channels: int, rows: Sequence[int], frames: int) -> None:
        self._sides = [BlockDecoder(codec) for _ in range(channels)]
        self._rows, self._left = rows, frames
        self._waiting: list[Tensor] = []

    def push(self, codes: Tensor) -> Iterator[tuple[int, Samples]]:
        """Take one piece's codes (codebooks, frames), after those of the one before it.

        With the last piece's codes come rows and their samples (channels, samples).
        """
        self._waiting.append(codes)
        if len(self._waiting) < len(self._rows):
            return
        together, self._waiting = torch.stack(self._waiting), []
        self._left -= together.shape[-1]
        channels = len(self._sides)
        blocks = [
            side.push(together[:, index::channels], closed=not self._left)
            for index, side in enumerate(self._sides)
        ]
        for sides in zip(*blocks, strict=True):
            yield from zip(self._rows, _fetched(torch.stack(sides, 1).float()), strict=True)


def _fetched(sound: Tensor) -> Samples:
    """Samples in main memory, on CUDA in pages that the GPU writes to by itself."""
    if not sound.is_cuda:
        return sound.cpu().numpy()
    found = torch.empty(sound.shape, pin_memory=True)
    found.copy_(sound)
    return found.numpy()


class MusicgenGenerator:
    """A loaded MusicGen; see `audio_chain.generate.StreamingGenerator`.

    On a CPU a piece is the same to the last bit whether it is made alone or with others.

    Parameters
    ----------
    name, family : str
        As on the model's card.
    parts : Parts
        The model.
    retakes : bool
        Play pieces again that went wrong, see `audio_chain.generate.retakes`; not in a stream.

    Attributes
    ----------
    precision : str
        How the decoder's weights are kept.
    played_again : int
        Pieces that have been.
    """

    def __init__(self, name: str, family: str, parts: Parts, *, retakes: bool = False) -> None:
        self.name = name
        self.family = family
        self.rate: int = parts.codec.config.sampling_rate
        self.max_seconds = LONGEST_S
        self.least_seconds = 0.0
        self.defaults = DEFAULTS
        self.precision = parts.decoder.precision
        self.played_again = 0
        self._retakes = retakes
        self._parts = parts
        self._reader = Reader(parts)
        self._frame_rate: int = parts.codec.config.frame_rate
        context = min(round(CONTEXT_S * self._frame_rate), parts.max_frames // 2)
        self._span = Span(parts.max_frames, context)
        self._loops = Loops(parts.decoder)
        self._groupings: dict[tuple[int, int, int], Grouping] = {}

    def generate(
        self, request: GenerationRequest, *, progress: Progress = silent
    ) -> Iterator[Clip]:
        """Yield a clip for each prompt, in order; progress counts steps of all together."""
        for number, clip in enumerate(self._first_takes(request, progress)):
            yield self._checked(clip, request, number)

    def _checked(self, clip: Clip, request: GenerationRequest, number: int) -> Clip:
        """A piece, or another take of it."""
        prompt, seconds = request.prompts[number], request.lengths[number]
        # what it begins with may be as it likes, and without chance all takes are one
        if not self._retakes or request.beginning is not None or request.top_k == 1:
            return clip
        if not may_fail(prompt, seconds):
            return clip

        def again(seed: int) -> Clip:
            alone = replace(request, prompts=(prompt,), seconds=seconds, lengths=(), seeds=(seed,))
            return next(self._first_takes(alone, silent))

        clip, takes = best_take(clip, again, request.seeds[number])
        self.played_again += takes > 1
        return clip

    def _first_takes(self, request: GenerationRequest, progress: Progress) -> Iterator[Clip]:
        wanted = [self._samples(seconds) for seconds in request.lengths]
        heard: list[list[Samples]] = [[] for _ in wanted]
        following = 0
        for chunk in self.stream(request, progress=progress):
            heard[chunk.piece].append(chunk.clip.samples)
            while (
                following < len(wanted)
                and sum(part.shape[1] for part in heard[following]) == wanted[following]
            ):
                yield Clip(np.concatenate(heard[following], 1), self.rate)
                heard[following] = []
                following += 1

    def stream(self, request: GenerationRequest, *, progress: Progress = silent) -> Iterator[Chunk]:
        """Yield sound as soon as it is there: a piece's chunks, joined, are its clip.

        Closing the iterator stops the generation.
        """
        self._check(request)
        given = self._given(request)
        sampling = Sampling(
            guidance=DEFAULTS["guidance"] if request.guidance is None else request.guidance,
            temperature=request.temperature,
            top_k=request.top_k,
            top_p=request.top_p,
            guidance_end=request.guidance_end,
        )
        groups = list(self._groups(request, sampling, given.shape[-1]))
        shape = self._parts.decoder.shape
        lag = max(delays(shape.codebooks, shape.channels))
        longest = [max(piece.frames for piece in group.pieces) for group in groups]
        steps = sum(self._span.steps(frames, given.shape[-1], lag) for frames in longest)
        done = 0

        def stepped() -> None:
            nonlocal done
            done += 1
            progress(done, steps)

        for group in groups:
            composed = compose(
                self._loops,
                group.pieces,
                sampling,
                self._span,
                given,
                columns=group.columns,
                stepped=stepped,
            )
            sounds = self._sounds(group)
            left = [self._samples(request.lengths[number]) for number in group.numbers]
            while (passed := self._next(composed)) is not None:
                row, codes = passed
                for piece, block in sounds[row].push(codes):
                    samples = np.ascontiguousarray(block[:, : left[piece]])
                    left[piece] -= samples.shape[1]
                    yield Chunk(group.numbers[piece], Clip(samples, self.rate))

    def joints(self, seconds: float) -> tuple[int, ...]:
        """Frames of the codec at which the windows of a piece of that length meet."""
        ends = [end for _, _, end in self._span.windows(self._frames(seconds), 0)]
        return tuple(ends[:-1])

    def _sounds(self, group: _Group) -> list[_Sound]:
        """What turns each piece's codes into sound: alone, or with its neighbours as long."""
        together = self._decoded_together()
        sounds: list[_Sound] = []
        lengths = [piece.frames for piece in group.pieces]
        for frames, alike in itertools.groupby(range(len(lengths)), lengths.__getitem__):
            rows = list(alike)
            for some in (rows[at : at + together] for at in range(0, len(rows), together)):
                sound = _Sound(self._parts.codec, self._parts.decoder.shape.channels, some, frames)
                sounds += [sound] * len(some)
        return sounds

    def _decoded_together(self) -> int:
        decoder = self._parts.decoder
        if not decoder.together:
            return 1
        room = devices.memory(decoder.device) / 4
        return max(1, int(min(DECODED_TOGETHER, room / DECODED_BYTES)))

    def _next(self, composed: Iterator[tuple[int, Tensor]]) -> tuple[int, Tensor] | None:
        with _threads(1 if self._parts.decoder.shape.width < SMALL else None):
            return next(composed, None)

    def _samples(self, seconds: float) -> int:
        return round(seconds * self.rate)

    def _frames(self, seconds: float) -> int:
        """Frames that last so long, the last one begun."""
        return max(1, math.ceil(round(seconds * self._frame_rate, 6)))

    def _check(self, request: GenerationRequest) -> None:
        """Refuse what this model can't do."""
        if request.seconds > self.max_seconds:
            raise UsageError(
                f"{self.name} makes pieces of up to {self.max_seconds:g} s, not "
                f"{request.seconds:g}: lower --seconds"
            )
        if request.melody is not None and self._parts.melody is None:
            raise UsageError(
                f"{self.name} can't follow a melody: leave out --melody, or choose a model that "
                "can, such as --model musicgen-melody"
            )
        if (beginning := request.beginning) is None:
            return
        if self._samples(beginning.seconds) < self.rate // self._frame_rate:
            raise UsageError("--continue-from has too little sound to go on from; choose another")
        if beginning.seconds >= min(request.lengths):
            raise UsageError(
                f"what to continue from is {beginning.seconds:.1f} s long already: --seconds is "
                f"the length of the whole and has to be more, not {min(request.lengths):g}"
            )

    @torch.inference_mode()
    def _given(self, request: GenerationRequest) -> Tensor:
        """Codes of what the pieces begin with, (codebooks, frames); without it, of no frames."""
        shape, device = self._parts.decoder.shape, self._parts.decoder.device
        if request.beginning is None:
            return torch.zeros(shape.codebooks, 0, dtype=torch.long, device=device)
        begun = request.beginning.resampled(self.rate)
        sides = begun.samples
        if len(sides) != shape.channels:
            sides = np.repeat(begun.mono().samples, shape.channels, 0)
        audio = torch.from_numpy(sides.copy()).to(device)
        codes = [encode(self._parts.codec, side) for side in audio]
        return torch.stack(codes, 1).flatten(0, 1)

    def _groups(
        self, request: GenerationRequest, sampling: Sampling, given: int
    ) -> Iterator[_Group]:
        """Split a request: neighbours that can play together do."""
        decoder = self._parts.decoder
        pieces, kinds = [], []
        texts = self._reader.every(request.prompts, request.negative)
        for text, seed, seconds in zip(texts, request.seeds, request.lengths, strict=True):
            read = self._conditions(text, request)
            piece = Piece(read, self._frames(seconds), seed)
            rows, columns = read(0).mask.shape
            if decoder.attends_to_text:
                # by the text alone, not by its company: sums over fewer columns differ
                columns = -(-columns // ROOM) * ROOM
            windows = [begin for begin, _, _ in self._span.windows(piece.frames, given)]
            pieces.append(piece)
            kinds.append((windows, columns, rows))
        begin = 0
        for (_, columns, rows), alike in itertools.groupby(kinds):
            count = len(list(alike))
            longest = max(piece.frames for piece in pieces[begin : begin + count])
            grouping = self._grouping(2 if sampling.guides else 1, rows, columns)
            with _threads(1 if decoder.shape.width < SMALL else None):
                sizes = list(grouping.sizes(count, min(longest, self._span.window) + columns))
            for size in sizes:
                yield _Group(
                    range(begin, begin + size), tuple(pieces[begin : begin + size]), columns
                )
                begin += size

    def _grouping(self, rows: int, texts: int, columns: int) -> Grouping:
        key = (rows, min(rows, texts), columns)
        if key not in self._groupings:
            self._groupings[key] = Grouping(
                self._parts.decoder,
                rows=rows,
                texts=min(rows, texts),
                columns=columns,
            )
        return self._groupings[key]

    def _conditions(
        self, texts: tuple[Tensor, Tensor], request: GenerationRequest
    ) -> Callable[[int], Condition]:
        """What is read of a prompt's texts in a window, by its first frame."""
        if request.melody is None:
            always = self._reader.condition(texts, None, 0.0)
            return lambda frame: always
        rate, melody = self._frame_rate, request.melody
        return lambda frame: self._reader.condition(texts, melody, frame / rate)


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Let PyTorch use so many CPU threads for a while; None changes nothing."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def load_musicgen(
    card: ModelCard,
    *,
    device: str = "auto",
    precision: str = "auto",
    offline: bool = False,
    progress: Progress = silent,
) -> MusicgenGenerator:
    """Load a MusicGen: from one folder, or a nano decoder with the parts that it shares."""
    where = torch.device(devices.pick(device))
    folder = models.folders(card, offline=offline, progress=progress)[card.name]
    if is_whole(folder):
        parts = load_whole(folder, where, precision, card.lora)
    else:
        shared = models.folders(models.CATALOGUE["musicgen-nano"], offline=offline)
        minilm, codec = shared["minilm"], shared["spectral-codec-nano"]
        parts = load_parts(folder, minilm, codec, where, precision, card.lora)
    # a style that was taught may be as steady as it likes
    retakes = card.family == "musicgen-nano" and not card.lora
    return MusicgenGenerator(card.name, card.family, parts, retakes=retakes)
