"""What a family of models does for its own fine-tuning."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from audio_chain.building import BUILDING
from audio_chain.errors import UsageError
from audio_chain.progress import Progress, silent

if TYPE_CHECKING:
    from torch import Tensor, nn

    from audio_chain.clip import Clip
    from audio_chain.models import ModelCard


@dataclass(frozen=True, eq=False)
class Piece:
    """A stretch of a song to learn from.

    Attributes
    ----------
    file : str
        Of the song, from the folder's point of view.
    begin_s, seconds : float
        Which stretch.
    caption : str
    codes : Tensor
        As its `Coder` made them, (..., frames).
    """

    file: str
    begin_s: float
    seconds: float
    caption: str
    codes: Tensor


class Coder(Protocol):
    """Sound to what a model learns from: a codec's tokens, or an autoencoder's latents.

    Attributes
    ----------
    name : str
        Different for different weights: codes are kept by it.
    rate, channels : int
        Of the sound it takes.
    """

    name: str
    rate: int
    channels: int

    def encode(self, clip: Clip) -> Tensor:
        """Codes (..., frames) of a clip of its rate and channels, on the CPU."""
        ...

    def decode(self, codes: Tensor) -> Clip:
        """What is left of a clip."""
        ...


class Trainee(Protocol):
    """A model to fine-tune.

    Attributes
    ----------
    card : ModelCard
    coder : Coder
    network : torch.nn.Module
        That adapters are put into; the rest of the model stays as it is.
    most_seconds : float
        The longest piece it can learn from.
    targets : mapping of str to tuple of str
        Names of layers by what a person calls a group of them; the first is the default.
    """

    card: ModelCard
    network: nn.Module
    most_seconds: float

    @property
    def coder(self) -> Coder: ...
    @property
    def targets(self) -> Mapping[str, tuple[str, ...]]: ...

    def loss(self, pieces: Sequence[Piece], kept: Tensor) -> Tensor:
        """Mean loss of pieces, a scalar; `kept` (pieces,) is 0 where the caption is dropped."""
        ...

    def drift(self, pieces: Sequence[Piece], kept: Tensor) -> Tensor:
        """How far the answers to pieces are from those without the adapter, a scalar.

        Zero before anything is learnt, and in units of the loss: the Kullback-Leibler divergence
        for a model of tokens, the mean square for one of noise.
        """
        ...

    def compose(self, prompts: Sequence[str], seconds: float, seed: int) -> list[Tensor]:
        """Codes of pieces that the model plays as it is, one a prompt, before it is adapted."""
        ...

    def use_checkpointing(self) -> None:
        """Keep fewer activations and compute them again on the way back."""
        ...

    def footprint(self, frames: int, batch: int, *, checkpointing: bool) -> int:
        """Bytes that the activations of a step take, about."""
        ...

    def play(self, prompt: str, seconds: float, seed: int) -> Clip:
        """A sample of what the network plays now."""
        ...


def _musicgen(card: ModelCard, device: str, offline: bool, progress: Progress) -> Trainee:
    from audio_chain.finetune.musicgen import load_trainee as load

    return load(card, device=device, offline=offline, progress=progress)


def _stable_audio(card: ModelCard, device: str, offline: bool, progress: Progress) -> Trainee:
    from audio_chain.finetune.stable_audio import load_trainee as load

    return load(card, device=device, offline=offline, progress=progress)


_FAMILIES: Final[Mapping[str, Callable[[ModelCard, str, bool, Progress], Any]]] = {
    "musicgen": _musicgen,
    "musicgen-nano": _musicgen,
    "stable-audio": _stable_audio,
    "stable-audio-nano": _stable_audio,
}


def load_trainee(
    card: ModelCard, *, device: str = "auto", offline: bool = False, progress: Progress = silent
) -> Trainee:
    """Load a model to be fine-tuned.

    Raises
    ------
    UsageError
        No code here fine-tunes this family of models.
    WeightsError
        The weights can't be had.
    """
    if card.family not in _FAMILIES:
        known = ", ".join(sorted(_FAMILIES))
        raise UsageError(
            f"{card.name}: fine-tuning {card.family} models is not possible; choose a --model of "
            f"one of these families: {known}"
        )
    with BUILDING:
        trainee: Trainee = _FAMILIES[card.family](card, device, offline, progress)
        return trainee
