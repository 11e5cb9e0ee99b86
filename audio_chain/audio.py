"""Sound in and out: the front door to `clip`, `decoding`, `encoding` and `tags`.

Examples
--------
>>> from audio_chain.audio import decode, encode
>>> memo = decode("memo.m4a", rate=16_000, mono=True)  # doctest: +SKIP
>>> encode(memo, "memo.flac")  # doctest: +SKIP
PosixPath('memo.flac')
"""

from __future__ import annotations

from audio_chain.clip import Clip, Samples
from audio_chain.decoding import AudioInfo, decode, probe, stream
from audio_chain.encoding import SUFFIXES, encode
from audio_chain.errors import AudioError, AudioUsageError
from audio_chain.tags import Tags, read_tags

__all__ = [
    "SUFFIXES",
    "AudioError",
    "AudioInfo",
    "AudioUsageError",
    "Clip",
    "Samples",
    "Tags",
    "decode",
    "encode",
    "probe",
    "read_tags",
    "stream",
]
