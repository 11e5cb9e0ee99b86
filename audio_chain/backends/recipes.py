"""What goes into each backend's environment."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audio_chain.errors import UsageError

_REQUIREMENTS: Final = Path(__file__).with_name("requirements")


@dataclass(frozen=True)
class Recipe:
    """How an environment is made, and what runs in it.

    Its packages are listed in two files of ``requirements``: ``NAME.txt`` is installed with all
    that it needs, ``NAME.bare.txt`` without, because what those declare can't be had.

    Parameters
    ----------
    name : str
        The package's, on PyPI and for us.
    tasks : str
        Module of its worker's tasks.
    purpose : str
        What it is for, in a few words.
    licence : str
        The package's; models have their own.
    megabytes : int
        About how large the environment gets.
    any_python : bool
        Whether what the bare packages say about Python versions is to be ignored.
    unwanted : tuple of str
        Patterns of files, below site-packages, that are removed afterwards.
    """

    name: str
    tasks: str
    purpose: str
    licence: str
    megabytes: int
    any_python: bool = False
    unwanted: tuple[str, ...] = ()

    @property
    def requirements(self) -> Path:
        """List of packages that are installed with what they need."""
        return _REQUIREMENTS / f"{self.name}.txt"

    @property
    def bare(self) -> Path:
        """List of packages that are installed alone."""
        return _REQUIREMENTS / f"{self.name}.bare.txt"

    @property
    def key(self) -> str:
        """Changes when the recipe does."""
        parts = [self.requirements.read_text("utf-8"), self.bare.read_text("utf-8"), *self.unwanted]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


# torchaudio's compiled part is linked to CUDA and keeps a CPU torch from importing it. Without,
# it is pure Python on any torch, and only lfilter, RNN-T and forced alignment are slower or gone.
_COMPILED_TORCHAUDIO: Final = ("torchaudio/lib/*.so", "torchaudio/lib/*.pyd")

RECIPES: Final[Mapping[str, Recipe]] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="frechet-audio-distance",
            tasks="audio_chain.backends.tasks.frechet_audio_distance",
            purpose="another engine for the Fréchet audio distance, to compare with",
            licence="MIT",
            megabytes=8,
            unwanted=_COMPILED_TORCHAUDIO,
        ),
        Recipe(
            name="audiocraft",
            tasks="audio_chain.backends.tasks.audiocraft",
            purpose="MusicGen, AudioGen and MAGNeT checkpoints in audiocraft's format",
            licence="MIT",
            megabytes=25,
            unwanted=_COMPILED_TORCHAUDIO,
        ),
        Recipe(
            name="stable-audio-tools",
            tasks="audio_chain.backends.tasks.stable_audio_tools",
            purpose="diffusion checkpoints of a model_config.json and safetensors",
            licence="MIT",
            megabytes=50,
            any_python=True,
            unwanted=_COMPILED_TORCHAUDIO,
        ),
    )
}


def recipe(name: str) -> Recipe:
    """Return the recipe of that name.

    Raises
    ------
    UsageError
        There is none; the message lists what there is.
    """
    if found := RECIPES.get(name):
        return found
    raise UsageError(f"there is no backend {name!r}; there are {', '.join(RECIPES)}")
