"""Score the clips of a benchmark: CLAP score, FAD, KAD and adherence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from audio_chain.audio import decode
from audio_chain.errors import ChainError
from audio_chain.progress import Progress, silent
from eval.adherence.findings import Adherence
from eval.adherence.listener import Listener
from eval.adherence.measuring import measure
from eval.bench.contenders import Contender, Weights
from eval.bench.reference import Reference
from eval.bench.store import Entry
from eval.clap_score import ClapScore, clap_score
from eval.embedders import Embedder, TextEmbedder
from eval.embedding import Broken
from eval.fad import Fad, FadInfinity, fad, fad_infinity
from eval.kernel import KernelDistance, kernel_distance
from eval.sides import embed_side

FEWEST_FOR_INFINITY = 8


@dataclass(frozen=True, eq=False)
class Judges:
    """What scores clips.

    Attributes
    ----------
    clap : TextEmbedder
        For the CLAP score.
    embedder : Embedder
        For FAD and KAD.
    reference : Reference
        In the space of `embedder`.
    listener : Listener
        For genre and instruments.
    """

    clap: TextEmbedder
    embedder: Embedder
    reference: Reference
    listener: Listener


@dataclass(frozen=True, eq=False)
class Scores:
    """Everything measured on one contender.

    Attributes
    ----------
    contender : Contender
    weights : Weights
    entries : tuple of Entry
        Its clips, used or broken.
    broken : tuple of Broken
        Those that could not be used.
    clap : ClapScore or None
    fad : Fad or None
    infinity : FadInfinity or None
        None also where it could not be trusted.
    kad : KernelDistance or None
    adherence : mapping of Path to Adherence
        Of the clips used.
    missing : mapping of str to str
        Why a score is None.
    """

    contender: Contender
    weights: Weights
    entries: tuple[Entry, ...]
    broken: tuple[Broken, ...]
    clap: ClapScore | None
    fad: Fad | None
    infinity: FadInfinity | None
    kad: KernelDistance | None
    adherence: Mapping[Path, Adherence]
    missing: Mapping[str, str]

    @property
    def used(self) -> int:
        """How many clips were used."""
        return len(self.adherence)


def score(
    contender: Contender,
    weights: Weights,
    entries: Sequence[Entry],
    judges: Judges,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> Scores:
    """Score a contender's clips.

    Clips that can't be decoded are left out of everything and reported; silent ones are in
    adherence, which says so, but can't be embedded.

    Parameters
    ----------
    contender, weights, entries
        What made the clips, and the clips.
    judges : Judges
    seed : int
        Of the intervals and of shuffles.
    progress : Progress
        Told clips.
    """
    adherence, broken = measured(entries, judges.listener, progress=progress)
    whole = [entry for entry in entries if entry.path in adherence]
    missing: dict[str, str] = {}
    clap: ClapScore | None = None
    try:
        clap = clap_score(judges.clap, [(entry.path, entry.text) for entry in whole], seed=seed)
    except ChainError as error:
        missing["clap"] = str(error)
    distance, infinity, kad = None, None, None
    try:
        paths = [entry.path for entry in whole]
        collection = embed_side(contender.label, paths, judges.embedder, whole=True).require_sound()
        distance = fad(judges.reference.gaussian, collection, seed=seed)
        if collection.sampled_files >= FEWEST_FOR_INFINITY:
            limit = fad_infinity(judges.reference.gaussian, collection, distance, seed=seed)
            infinity = None if limit.warning else limit
            missing |= {"fad_infinity": limit.warning} if limit.warning else {}
        if judges.reference.windows is None:
            missing["kad"] = judges.reference.without_windows
        else:
            kad = kernel_distance(
                judges.reference.windows, collection.windows, files=collection.labels, seed=seed
            )
    except ChainError as error:
        missing |= {name: str(error) for name in ("fad", "kad")}
    return Scores(
        contender=contender,
        weights=weights,
        entries=tuple(entries),
        broken=tuple(broken),
        clap=clap,
        fad=distance,
        infinity=infinity,
        kad=kad,
        adherence=adherence,
        missing=missing,
    )


def measured(
    entries: Sequence[Entry], listener: Listener, *, progress: Progress = silent
) -> tuple[dict[Path, Adherence], list[Broken]]:
    """Measure what clips do of what they were asked; those that can't be decoded are named."""
    adherence: dict[Path, Adherence] = {}
    broken = []
    progress(0, len(entries))
    for done, entry in enumerate(entries, 1):
        try:
            adherence[entry.path] = measure(decode(entry.path), entry.asked, listener=listener)
        except ChainError as error:
            broken.append(Broken(entry.path, str(error)))
        progress(done, len(entries))
    return adherence, broken
