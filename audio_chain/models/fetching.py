"""Models with all that they need: fetching them, listing them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from audio_chain import weights
from audio_chain.models.card import STAGES, ModelCard
from audio_chain.models.catalogue import CATALOGUE, PRESETS
from audio_chain.models.lookup import find
from audio_chain.progress import Progress, silent


def with_needs(card: ModelCard) -> tuple[ModelCard, ...]:
    """Return the cards that `card` needs, theirs too, and last `card` itself; each once."""
    cards: dict[str, ModelCard] = {}
    for need in card.needs:
        cards |= {needed.name: needed for needed in with_needs(CATALOGUE[need])}
    return (*cards.values(), card)


def folders(
    card: ModelCard, *, offline: bool = False, progress: Progress = silent
) -> dict[str, Path]:
    """Return where the files of a model and of all that it needs lie, fetched where needed.

    Returns
    -------
    dict of str to Path
        By card name; ``folders(card)[card.name]`` is the model's own.

    Raises
    ------
    WeightsError
        As `audio_chain.weights.fetch`.
    """
    return _fetch_all(with_needs(card), offline, progress)


def fetch(
    names: Iterable[str],
    *,
    offline: bool = False,
    progress: Progress = silent,
    begin: Callable[[ModelCard], None] = lambda card: None,
) -> dict[str, Path]:
    """Fetch models and presets by name, with all that they need, each once.

    Parameters
    ----------
    names : iterable of str
        Names or aliases of the catalogue, and of presets.
    offline : bool
        Only look whether all is there.
    progress : Progress
        Told bytes of everything together.
    begin : callable
        Told each card before it is looked for.

    Returns
    -------
    dict of str to Path
        Folders by card name.

    Raises
    ------
    UsageError
        A name is neither a model's nor a preset's.
    WeightsError
        As `audio_chain.weights.fetch`.
    """
    wanted: dict[str, ModelCard] = {}
    for name in names:
        chosen = PRESETS[name].cards if name in PRESETS else (name,)
        for card in (needed for one in chosen for needed in with_needs(find(one))):
            wanted[card.name] = card
    return _fetch_all(wanted.values(), offline, progress, begin)


def _fetch_all(
    cards: Iterable[ModelCard],
    offline: bool,
    progress: Progress,
    begin: Callable[[ModelCard], None] = lambda card: None,
) -> dict[str, Path]:
    """Fetch cards in order; progress is their sizes put end to end."""
    cards = tuple(cards)
    total = sum(card.size_mb for card in cards) * 1e6
    before = 0.0
    found: dict[str, Path] = {}
    for card in cards:
        begin(card)
        share = card.size_mb * 1e6

        def report(done: float, of: float, before: float = before, share: float = share) -> None:
            progress(before + share * (done / of if of else 0.0), total)

        found[card.name] = weights.fetch(card.source, offline=offline, progress=report)
        before += share
        progress(before, total)
    return found


@dataclass(frozen=True)
class Listed:
    """A model of the catalogue and what is on this machine of it.

    Parameters
    ----------
    card : ModelCard
        The model.
    ready : bool
        Whether it can run without a network: it and all that it needs are here.
    bytes_here : int
        Bytes of its own files on the disk.
    """

    card: ModelCard
    ready: bool
    bytes_here: int


def listing() -> tuple[Listed, ...]:
    """Look at every model of the catalogue, in the order of the chain's stages."""
    cached = {name: weights.is_cached(card.source) for name, card in CATALOGUE.items()}
    rows = (
        Listed(
            card,
            ready=all(cached[needed.name] for needed in with_needs(card)),
            bytes_here=weights.size_on_disk(card.source) if cached[card.name] else 0,
        )
        for card in CATALOGUE.values()
    )
    return tuple(sorted(rows, key=lambda row: STAGES.index(row.card.stage)))
