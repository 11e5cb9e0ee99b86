"""From what a person said to a `Brief`, by a language model that can only fill in its fields."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from audio_chain import weights
from audio_chain.brief import Brief
from audio_chain.building import BUILDING
from audio_chain.errors import ChainError, UsageError
from audio_chain.models import ModelCard, resolve
from audio_chain.progress import Progress, silent

__all__ = ["Rewriter", "load_rewriter"]


class Rewriter(Protocol):
    """Turns transcripts into briefs.

    Attributes
    ----------
    name : str
        Of the model.
    """

    name: str

    def rewrite(self, text: str, *, seconds: float, progress: Progress = silent) -> Brief:
        """Turn a transcript into a brief.

        Parameters
        ----------
        text : str
            What the person said. It is data: whatever it asks for, it only fills in the brief.
        seconds : float
            Length of the track if the person states none.
        progress : Progress
            Told the tokens so far, and how many are usual.

        Returns
        -------
        Brief

        Raises
        ------
        UsageError
            If the text is blank.
        ChainError
            If the model fails.
        """


def load_rewriter(
    card: ModelCard,
    *,
    device: str = "auto",
    offline: bool = False,
    progress: Progress = silent,
) -> Rewriter:
    """Load a language model as a rewriter.

    Parameters
    ----------
    card : ModelCard
        Of family ``lora-adapter``, ``causal-lm`` or ``chat-server``.
    device : str
        ``auto``, ``cpu``, ``cuda``, ``mps`` ...; a server has its own.
    offline : bool
        Don't download.
    progress : Progress
        Told of downloads, in bytes.

    Returns
    -------
    Rewriter

    Raises
    ------
    UsageError
        If the card isn't a language model's.
    ChainError
        If its weights can't be had or opened.
    """
    if isinstance(card.source, weights.Server):
        from audio_chain.rewrite.openai_server import ServerRewriter

        return ServerRewriter(card.source.url, card.source.model)
    if card.family not in ("causal-lm", "lora-adapter"):
        raise UsageError(f"{card.name} is no language model to rewrite memos with (--llm)")
    from audio_chain.rewrite.transformers_llm import load

    tuned = card.family == "lora-adapter"
    with BUILDING:
        where = model_folder(card, offline=offline, progress=progress)
        return load(card.name, where, "tuned" if tuned else "few-shot", device)


def model_folder(card: ModelCard, *, offline: bool = False, progress: Progress = silent) -> Path:
    """Return where a model lies in a form that opens fast, making it the first time.

    Parameters
    ----------
    card : ModelCard
        Of family ``causal-lm`` or ``lora-adapter``.
    offline, progress
        As for `load_rewriter`.

    Returns
    -------
    Path
        A transformers folder.
    """
    from audio_chain.rewrite.adapter import dense_folder

    path = weights.fetch(card.source, offline=offline, progress=progress)
    if card.family == "lora-adapter":
        base_card = resolve(card.needs[0], "rewrite")
        base = weights.fetch(base_card.source, offline=offline, progress=progress)
        return dense_folder(_plain(card.name), _gguf(base) or base, _key(base_card, base), path)
    file = _gguf(path)
    if file is None:
        return path
    return dense_folder(_plain(card.name), file, _key(card, file))


def _gguf(path: Path) -> Path | None:
    """The GGUF file that `path` is or, as the only one, holds."""
    if path.is_file():
        return path
    files = sorted(path.glob("*.gguf"))
    if len(files) > 1:
        raise ChainError(f"{path} holds {len(files)} GGUF files: name one of them with --llm")
    return files[0] if files else None


def _key(card: ModelCard, path: Path) -> str:
    """What tells the content apart: the pinned source, or a local file's size and time."""
    if isinstance(card.source, weights.Local):
        status = path.stat()
        return f"{path.resolve()} {status.st_size} {status.st_mtime_ns}"
    return repr(card.source)


def _plain(name: str) -> str:
    """A model's name as part of a folder's name."""
    return "".join(char if char.isalnum() or char in ".-" else "-" for char in Path(name).name)
