"""Codes to sound and back in blocks: in constant memory, and while a piece is still composed.

A block is decoded with as much of its surroundings as its samples depend on, so that it comes out
as if the whole had been decoded at once, up to the rounding of sums.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final, Protocol

import torch
from torch import Tensor

from audio_chain.generate.musicgen.upsampling import upsample

FIRST_S: Final = 0.5
"""Length of the first block; each is twice as long as the last one."""

LONGEST_S: Final = 8.0

ENCODED_S: Final = 20.0
"""Length of the blocks that are encoded, each with `OVERLAP_S` of sound on both sides."""

OVERLAP_S: Final = 2.0


class _Synthesis(Protocol):
    """A codec's decoder for pieces of one length; blocks come in order.

    Attributes
    ----------
    reach : int
        Frames on both sides that a block depends on.
    """

    reach: int

    def __call__(self, codes: Tensor, first: int, begin: int, end: int, *, closed: bool) -> Tensor:
        """Samples (pieces, samples) of the frames from `begin` to `end`.

        The codes (pieces, codebooks, frames) are those from frame `first` to ``end + reach``, or to
        the end if it is `closed`.
        """
        ...


class _Spectral:
    """Of a `SpectralCodecModel`: convolutions, and windows that overlap."""

    def __init__(self, codec: Any) -> None:
        self._codec, self._hop = codec, codec.config.frame_length
        # at 50 Hz: project_in and two blocks of width 7; at 100 Hz: the other blocks, the
        # transposed convolution, and four hops of the inverse transform
        self.reach = 3 + 2 * 3 + math.ceil((3 * codec.config.decoder_layers + 2 + 4) / 2)

    def __call__(self, codes: Tensor, first: int, begin: int, end: int, *, closed: bool) -> Tensor:
        audio: Tensor = self._codec.decode(codes[None], [None]).audio_values[:, 0]
        return audio[:, (begin - first) * self._hop : (end - first) * self._hop]


class _Waveform:
    """Of an `EncodecModel`: a convolution, an LSTM whose state is kept, and convolutions again."""

    AROUND: Final = 8
    """Frames that the last convolutions reach; MusicGen's reach 3, and less with more of them."""

    def __init__(self, codec: Any) -> None:
        self._codec, self._hop = codec, math.prod(codec.config.upsampling_ratios)
        self._before, self._memory_cell, *self._after = codec.decoder.layers
        self._around = codec.config.kernel_size - 1
        self.reach = self.AROUND + self._around
        self._memory: tuple[Tensor, Tensor] | None = None
        self._heard: Tensor | None = None  # what came out of the LSTM, from frame `_heard_from`
        self._heard_from = 0

    def __call__(self, codes: Tensor, first: int, begin: int, end: int, *, closed: bool) -> Tensor:
        known = first + codes.shape[-1]
        last = known if closed else known - self._around
        hidden = self._listen(self._codec.quantizer.decode(codes.transpose(0, 1)), first, last)
        lowest = max(0, begin - self.AROUND)
        x = hidden[..., lowest - self._heard_from :]
        x = upsample(self._after, x)
        self._forget(max(0, end - self.AROUND))
        return x[:, 0, (begin - lowest) * self._hop : (end - lowest) * self._hop]

    def _listen(self, latents: Tensor, first: int, last: int) -> Tensor:
        """Let the LSTM hear latents (pieces, width, frames) up to frame `last`; what it says."""
        upto = self._heard_from + (0 if self._heard is None else self._heard.shape[-1])
        if last > upto:
            skipped = max(0, upto - self._around)
            x = self._before(latents[..., skipped - first :])[..., upto - skipped : last - skipped]
            x = x.permute(2, 0, 1)
            said, self._memory = self._memory_cell.lstm(x, self._memory)
            said = (said + x).permute(1, 2, 0)
            self._heard = said if self._heard is None else torch.cat([self._heard, said], -1)
        assert self._heard is not None
        return self._heard

    def _forget(self, before: int) -> None:
        assert self._heard is not None
        self._heard = self._heard[..., before - self._heard_from :]
        self._heard_from = before


class BlockDecoder:
    """Turns a channel's codes into sound while they come, of one piece or several as long.

    Where blocks begin and end depends on the piece alone, not on how its codes arrive, so that
    the sound is the same to the last bit.

    Parameters
    ----------
    codec : object
        `EncodecModel` or `SpectralCodecModel`.
    """

    def __init__(self, codec: Any) -> None:
        rate = codec.config.frame_rate
        is_waveform = codec.config.model_type == "encodec"
        self._decode: _Synthesis = _Waveform(codec) if is_waveform else _Spectral(codec)
        self._size, self._longest = max(1, round(FIRST_S * rate)), round(LONGEST_S * rate)
        self._codes: Tensor | None = None  # from frame `_first` on
        self._first = self._begin = 0

    @torch.inference_mode()
    def push(self, codes: Tensor, *, closed: bool) -> Iterator[Tensor]:
        """Take the next codes; yield the sound that is complete.

        Parameters
        ----------
        codes : Tensor
            (pieces, codebooks, frames).
        closed : bool
            They are the last ones.

        Yields
        ------
        Tensor
            (pieces, samples).
        """
        self._codes = codes if self._codes is None else torch.cat([self._codes, codes], -1)
        known = self._first + self._codes.shape[-1]
        reach = self._decode.reach
        while self._begin < known and (closed or self._begin + self._size + reach <= known):
            end = min(self._begin + self._size, known)
            stop = min(end + reach, known)
            yield self._decode(
                self._codes[..., : stop - self._first],
                self._first,
                self._begin,
                end,
                closed=closed and stop == known,
            )
            self._begin, self._size = end, min(2 * self._size, self._longest)
            kept = max(0, end - reach)
            self._codes, self._first = self._codes[..., kept - self._first :], kept


@torch.inference_mode()
def encode(codec: Any, samples: Tensor) -> Tensor:
    """Code a channel of sound.

    Parameters
    ----------
    codec : object
        `EncodecModel` or `SpectralCodecModel`.
    samples : Tensor
        (samples,) at the codec's rate. What goes beyond whole frames is left out.

    Returns
    -------
    Tensor
        int64 (codebooks, frames).
    """
    config = codec.config
    hop = config.sampling_rate // config.frame_rate
    frames = len(samples) // hop
    size, overlap = round(ENCODED_S * config.frame_rate), round(OVERLAP_S * config.frame_rate)
    parts = []
    for begin in range(0, frames, size):
        end = min(begin + size, frames)
        first, last = max(0, begin - overlap), min(frames, end + overlap)
        heard = samples[first * hop : last * hop][None, None]
        coded = codec.encode(heard, torch.ones_like(heard, dtype=torch.bool)).audio_codes[0, 0]
        parts.append(coded[:, begin - first : end - first])
    return torch.cat(parts, -1)
