"""What is known of a model before it is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from audio_chain.weights import (
    Delegated,
    Hub,
    Local,
    Server,
    Shipped,
    Source,
    Wheel,
    size_on_disk,
)

if TYPE_CHECKING:
    from audio_chain.lora import Adapter

Stage = Literal["transcribe", "rewrite", "generate", "embed", "codec"]
"""What a model does in the chain. ``embed`` and ``codec`` models serve others."""

STAGES: tuple[Stage, ...] = get_args(Stage)


@dataclass(frozen=True)
class ModelCard:
    """A model: what it does, where it comes from, what one may do with it.

    Parameters
    ----------
    name : str
        In the catalogue, and for ``--whisper``, ``--llm`` and ``--model``.
    stage : Stage
        Where in the chain it works.
    family : str
        Which code runs it: ``ctranslate2-whisper``, ``transformers-whisper``, ``causal-lm``
        (a transformers folder or a GGUF file), ``lora-adapter`` (on the one model in `needs`),
        ``chat-server``, ``musicgen-nano``, ``musicgen``, ``stable-audio-nano``,
        ``stable-audio``, ``stable-audio-3``, ``ace-step``, ``sentence-encoder``, ``clap-nano``,
        ``spectral-codec``, ``laion-clap``, ``encodec``, ``mert``, ``panns``.
    title : str
        For people.
    parameters : int
        Of its own files, without those of `needs`; 0 if not known.
    licence : str
        SPDX identifier of the weights' licence, or its name.
    free : bool
        Whether that licence allows any use, commercial use too.
    objective : str
        What it was trained to do, on what.
    source : Source
        Where its files come from.
    description : str
        One sentence: what it is good for.
    url : str
        Where it is published; "" for our own.
    size_mb : int
        Megabytes (10^6 bytes) of its own files; 0 if not known.
    rate : int, optional
        Samples a second that it hears or makes.
    needs : tuple of str
        Catalogue names of the models that it can't run without.
    limits : str
        What it can't do.
    gated : bool
        Whether the hub asks for an account that has accepted the licence.
    aliases : tuple of str
        Other names that people use for it.
    lora : tuple of Adapter
        What is merged into its weights when it is loaded.
    """

    name: str
    stage: Stage
    family: str
    title: str
    parameters: int
    licence: str
    free: bool
    objective: str
    source: Source
    description: str
    url: str
    size_mb: int
    rate: int | None = None
    needs: tuple[str, ...] = ()
    limits: str = ""
    gated: bool = False
    aliases: tuple[str, ...] = ()
    lora: tuple[Adapter, ...] = ()


@dataclass(frozen=True)
class Preset:
    """One model for each stage that a user chooses; the names are the catalogue's."""

    name: str
    transcribe: str
    rewrite: str
    generate: str
    description: str

    @property
    def cards(self) -> tuple[str, str, str]:
        """The three names, in the order of the chain."""
        return self.transcribe, self.rewrite, self.generate


def licence_notice(card: ModelCard) -> str:
    """Return the line to print before a non-free model is used; "" for a free one."""
    if card.free:
        return ""
    if card.licence == "unknown":
        return f"{card.name}: audio-chain does not know its licence; read {card.url}"
    terms = "not for commercial use" if "NC" in card.licence else "commercial use is restricted"
    return f"{card.name}: licence {card.licence}, {terms}; see {card.url}"


def format_count(count: int) -> str:
    """Write a number of parameters as people do, "135 M" or "1.54 B"; "?" for 0."""
    for unit, suffix in ((1_000_000_000, "B"), (1_000_000, "M"), (1000, "K")):
        if count >= unit:
            return f"{count / unit:.3g} {suffix}"
    return str(count) if count else "?"


def describe_source(source: Source) -> str:
    """Say in a line where weights come from, and how far that is pinned."""
    match source:
        case Shipped(folder):
            return f"shipped with audio-chain ({folder})"
        case Wheel(parts):
            wheels = ", ".join(f"{part.requirement} (sha256 {part.sha256[:12]}…)" for part in parts)
            return f"wheel on PyPI: {wheels}"
        case Hub(repo, revision):
            pin = "" if source.pinned else ", not pinned: what is fetched may change"
            return f"hub: {repo} @ {revision}{pin}"
        case Local(path):
            return f"local: {path}"
        case Server(url, model):
            return f"server: {model} at {url}"
        case Delegated(backend, model):
            return f"{model}, through {backend}"


def describe(card: ModelCard) -> str:
    """Write a card as text of several lines, with what is known of it on this machine."""
    disk = size_on_disk(card.source)
    size = f"{card.size_mb} MB" if card.size_mb else "not known"
    rows = [
        ("stage", f"{card.stage} ({card.family})"),
        ("parameters", format_count(card.parameters)),
        ("licence", f"{card.licence} ({'free' if card.free else 'not free'})"),
        ("trained to", card.objective),
        ("source", describe_source(card.source)),
        ("needs", ", ".join(card.needs)),
        ("sample rate", f"{card.rate} Hz" if card.rate else ""),
        ("size", size),
        ("on disk", f"{disk / 1e6:.0f} MB" if disk else "nothing yet"),
        ("limits", card.limits),
        ("access", "gated: accept the licence on its page first" if card.gated else ""),
        ("see", card.url),
    ]
    lines = [f"{card.name}: {card.title}", card.description, ""]
    lines += [f"{label:<12} {value}" for label, value in rows if value]
    return "\n".join(lines)
