"""Reader of CTranslate2's ``model.bin``.

The format, little endian, of binary versions 4 to 6 (``ctranslate2.specs.model_spec`` writes it)::

    u32 version | str specification | u32 its revision
    u32 count | count * { str name | u8 rank | u32 dimension * rank | u8 type | u32 bytes | data }
    u32 count | count * { str alias | str name }
    str = u16 length, counting a closing NUL | UTF-8 bytes
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from audio_chain.errors import ChainError

Array = npt.NDArray[Any]

VERSIONS: Final = range(4, 7)
BFLOAT16: Final = 5
TYPES: Final[dict[int, np.dtype[Any]]] = {
    0: np.dtype("<f4"),
    1: np.dtype("i1"),
    2: np.dtype("<i2"),
    3: np.dtype("<i4"),
    4: np.dtype("<f2"),
    BFLOAT16: np.dtype("<u2"),
}
MOST_DIMENSIONS: Final = 8


class Ct2Error(ChainError):
    """A ``model.bin`` that can't be read. The message says what is wrong with it and where."""


@dataclass(frozen=True)
class Ct2Model:
    """The contents of a ``model.bin``.

    ``variables`` are views of the mapped file, read-only, except bfloat16, which numpy lacks and
    which are copied to float32. Integer weights are still quantized; `dense` undoes that.
    """

    version: int
    specification: str
    revision: int
    variables: Mapping[str, Array]
    aliases: Mapping[str, str]

    def dense(self, name: str) -> Array:
        """A variable, by its name or an alias, in float: quantized weights divided by their scale.

        int8 has one scale per output (the first dimension), int16 one for all. Floats come as
        they are stored.

        Raises
        ------
        Ct2Error
            There is no such variable, or no scale for a quantized one.
        """
        name = self.aliases.get(name, name)
        stored = self._variable(name)
        if stored.dtype not in (np.dtype("i1"), np.dtype("<i2")):
            return stored
        scale = self._variable(f"{name}_scale").astype(np.float32)
        if stored.dtype == np.dtype("i1") and scale.size not in (1, stored.shape[0]):
            raise Ct2Error(f"model.bin: {name} has {stored.shape[0]} rows but {scale.size} scales")
        return stored.astype(np.float32) / scale.reshape(-1, *[1] * (stored.ndim - 1))

    def _variable(self, name: str) -> Array:
        if name not in self.variables:
            raise Ct2Error(f"model.bin: {self.specification} has no tensor {name}")
        return self.variables[name]


def read(path: Path) -> Ct2Model:
    """Read a ``model.bin``, mapping it rather than copying.

    Raises
    ------
    Ct2Error
        It is missing, empty, no CTranslate2 model, of another version, cut short, or goes on
        after its end.
    """
    try:
        with path.open("rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:  # an empty file can't be mapped: ValueError
        raise Ct2Error(f"{path}: can't read it: {error}") from error
    cursor = _Cursor(path, content)
    version = cursor.integer("I", "the version")
    if version not in VERSIONS:
        raise Ct2Error(
            f"{path}: no CTranslate2 model of version {VERSIONS[0]} to {VERSIONS[-1]} "
            f"(its first four bytes read {version})"
        )
    specification = cursor.string("the specification's name")
    revision = cursor.integer("I", "the specification's revision")
    variables = {}
    for index in range(cursor.integer("I", "the number of tensors")):
        name = cursor.string(f"the name of tensor {index}")
        variables[name] = cursor.tensor(name)
    aliases = {}
    for index in range(cursor.integer("I", "the number of aliases")):
        alias = cursor.string(f"alias {index}")
        aliases[alias] = cursor.string(f"alias {alias}")
    cursor.finish()
    for alias, name in aliases.items():
        if name not in variables:
            raise Ct2Error(f"{path}: alias {alias} stands for {name}, which isn't there")
    return Ct2Model(version, specification, revision, variables, aliases)


class _Cursor:
    """Reads forward through `content`; what lies outside it is a `Ct2Error`."""

    def __init__(self, path: Path, content: mmap.mmap) -> None:
        self._path = path
        self._content = content
        self._at = 0

    def _advance(self, size: int, what: str) -> int:
        """The position of the next `size` bytes, now passed."""
        start = self._at
        if start + size > len(self._content):
            raise Ct2Error(
                f"{self._path}: cut short in {what}: {size} bytes wanted at {start}, "
                f"the file has {len(self._content)}; fetch it again"
            )
        self._at += size
        return start

    def integer(self, form: str, what: str) -> int:
        form = f"<{form}"
        start = self._advance(struct.calcsize(form), what)
        value: int = struct.unpack_from(form, self._content, start)[0]
        return value

    def string(self, what: str) -> str:
        size = self.integer("H", what)
        start = self._advance(size, what)
        raw = self._content[start : start + size]
        if not raw.endswith(b"\0"):
            raise Ct2Error(f"{self._path}: damaged at {start}: {what} has no closing NUL")
        try:
            return raw[:-1].decode()
        except UnicodeDecodeError as error:
            raise Ct2Error(f"{self._path}: damaged at {start}: {what} is not text") from error

    def tensor(self, name: str) -> Array:
        rank = self.integer("B", name)
        if rank > MOST_DIMENSIONS:
            raise Ct2Error(f"{self._path}: damaged: {name} has {rank} dimensions")
        shape = tuple(self.integer("I", name) for _ in range(rank))
        code = self.integer("B", name)
        if code not in TYPES:
            raise Ct2Error(f"{self._path}: {name} has the unknown type {code}")
        count = 1
        for dimension in shape:
            count *= dimension
        size = self.integer("I", name)
        if size != count * TYPES[code].itemsize:
            raise Ct2Error(
                f"{self._path}: damaged: {name} of shape {shape} can't be {size} bytes long"
            )
        start = self._advance(size, name)
        flat: Array = np.frombuffer(self._content, TYPES[code], count, start)
        if code == BFLOAT16:
            flat = (flat.astype(np.uint32) << 16).view(np.float32)
        return flat.reshape(shape)

    def finish(self) -> None:
        if self._at != len(self._content):
            extra = len(self._content) - self._at
            raise Ct2Error(f"{self._path}: damaged: {extra} bytes follow the end of the model")
