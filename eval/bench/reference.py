"""What a benchmark's clips are compared with: statistics for FAD, and windows for KAD."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from audio_chain.errors import ChainError
from audio_chain.files import shown, write_whole
from audio_chain.progress import Progress, silent
from eval.embedders import Embedder
from eval.gaussian import Gaussian, Origin
from eval.sides import embed_side, saved_side, sound_files

FACTORY: Final = "factory"
WINDOWS: Final = "factory-windows.npz"


@dataclass(frozen=True, eq=False)
class Windows:
    """Embeddings of a sample of the reference.

    Attributes
    ----------
    embeddings : float32 array, shape (n, d)
    origin : Origin
        What they were made with.
    note : str
        What they are of.
    """

    embeddings: NDArray[np.float32]
    origin: Origin
    note: str

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file in half precision, whole or not at all."""
        content = io.BytesIO()
        arrays: dict[str, Any] = {
            "embeddings": self.embeddings.astype(np.float16),
            "note": self.note,
            **asdict(self.origin),
        }
        np.savez(content, **arrays)
        write_whole(path, content)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote. Nothing in the file is ever unpickled."""
        try:
            with np.load(path, allow_pickle=False) as file:
                origin = Origin(
                    embedding=str(file["embedding"]),
                    revision=str(file["revision"]),
                    rate=int(file["rate"]),
                    window_seconds=float(file["window_seconds"]),
                    hop_seconds=float(file["hop_seconds"]),
                )
                embeddings = file["embeddings"].astype(np.float32)
                return cls(embeddings, origin, str(file["note"]))
        except (OSError, ValueError, KeyError) as error:
            raise ChainError(f"{shown(path)} is no sample of a reference: {error}") from None


@dataclass(frozen=True, eq=False)
class Reference:
    """The reference set.

    Attributes
    ----------
    name : str
        What the user called it, and what is known of it.
    gaussian : Gaussian
    windows : float32 array, shape (n, d), or None
        For KAD.
    without_windows : str
        Why there are none.
    """

    name: str
    gaussian: Gaussian
    windows: NDArray[np.float32] | None
    without_windows: str = ""


def load_reference(where: str, embedder: Embedder, *, progress: Progress = silent) -> Reference:
    """Load or embed the reference.

    Parameters
    ----------
    where : str
        ``factory``, saved statistics, a folder, or a list of files.
    embedder : Embedder
        What the clips are embedded with.
    progress : Progress
        Told files.

    Raises
    ------
    ChainError
        It can't be read, or was made with another embedder.
    """
    side = saved_side(where)
    if side is None:
        side = embed_side(where, sound_files(where), embedder, progress=progress)
        assert side.collection is not None
        return Reference(str(side), side.gaussian, side.collection.windows)
    if difference := side.gaussian.origin.difference(embedder.origin):
        raise ChainError(
            f"the reference {shown(where)} was made with another embedder: {difference}; give "
            "--embedder, or a folder of sound as --reference"
        )
    if where != FACTORY:
        return Reference(str(side), side.gaussian, None, "saved statistics have no windows")
    sample = shipped_windows()
    if difference := sample.origin.difference(embedder.origin):
        return Reference(str(side), side.gaussian, None, f"the shipped windows are of {difference}")
    return Reference(str(side), side.gaussian, sample.embeddings)


def shipped_windows() -> Windows:
    """Load the shipped sample of the data factory, as CLAP-nano hears it."""
    with resources.as_file(resources.files("eval.bench") / WINDOWS) as path:
        return Windows.load(path)
