"""A checkpoint's tensors, mapped from its files one by one.

A tensor that is converted leaves its bytes in the file; what has been read of a mapping counts as
this process's memory until the last tensor of it is gone. So a mapping serves some megabytes only,
and a model is in memory once, in the precision that it is kept in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from safetensors import safe_open
from torch import Tensor

_SPAN: Final = 64 << 20
"""Bytes that are read through a mapping before it is exchanged; opening one takes 0.5 ms."""


class MappedTensors(Mapping[str, Tensor]):
    """All tensors of a folder's safetensors, by name; each is mapped anew when it is read.

    Parameters
    ----------
    folder : Path
        Holds them.
    """

    def __init__(self, folder: Path) -> None:
        self._paths: dict[str, Path] = {}
        for path in sorted(folder.glob("*.safetensors")):
            with safe_open(path, "pt") as file:
                self._paths |= dict.fromkeys(file.keys(), path)
        self._files: dict[Path, Any] = {}
        self._served = 0

    def __getitem__(self, name: str) -> Tensor:
        path = self._paths[name]
        if self._served > _SPAN:
            # a file stays open as long as there are tensors of it
            self._files, self._served = {}, 0
        file = self._files.get(path) or safe_open(path, "pt")
        self._files[path] = file
        tensor: Tensor = file.get_tensor(name)
        self._served += tensor.nbytes
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    def __contains__(self, name: object) -> bool:
        return name in self._paths


@dataclass(frozen=True)
class Part(Mapping[str, Tensor]):
    """The tensors whose names begin alike, by the rest of their names.

    Parameters
    ----------
    whole : mapping of str to Tensor
        All.
    prefix : str
        What the names begin with.
    """

    whole: Mapping[str, Tensor]
    prefix: str

    def __getitem__(self, name: str) -> Tensor:
        return self.whole[self.prefix + name]

    def __iter__(self) -> Iterator[str]:
        return (
            name.removeprefix(self.prefix) for name in self.whole if name.startswith(self.prefix)
        )

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.prefix + name in self.whole
