"""CLAP score: how well clips fit their captions, beside how well they fit each other's.

The score of a clip is the cosine between its embedding and its caption's. A clip's embedding is
the mean of its windows' unit vectors, brought to unit length: the windows lie over the whole clip
and nothing is drawn at random, so the same files give the same score. (Huang et al. 2023 and
Kreuk et al. 2023 take the plain cosine likewise, without CLIPScore's factor and without cutting
off below zero, but of one window.)

A cosine by itself means little, because each CLAP has a scale of its own. So two figures go with
it: what the same clips score when their captions are shuffled, and how often a clip's own caption
beats another clip's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from audio_chain.errors import ChainError
from audio_chain.progress import Progress, silent
from eval.bootstrap import Estimate, estimate, mean
from eval.embedders.embedder import Embeddings, TextEmbedder
from eval.embedding import Broken, Embedded, embed_files
from eval.gaussian import Origin

SHUFFLES: Final = 1000
_TEXTS_AT_ONCE: Final = 64


@dataclass(frozen=True)
class Scored:
    """One clip: its caption, its score, and the share of other captions that score lower.

    `beats` is None where every clip has the same caption. A caption of the same words is not
    another one; one that scores the same counts half.
    """

    path: Path
    caption: str
    score: float
    beats: float | None


@dataclass(frozen=True)
class Shuffled:
    """What the clips score with captions shuffled so that none has its own.

    Attributes
    ----------
    mean : float
        Over all shuffles.
    low, high : float
        Between which 95 % of the shuffles' mean scores lie.
    shuffles : int
        How many there were.
    """

    mean: float
    low: float
    high: float
    shuffles: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, to four decimals."""
        interval = [round(self.low, 4), round(self.high, 4)]
        return {"mean": round(self.mean, 4), "interval": interval, "shuffles": self.shuffles}


@dataclass(frozen=True)
class ClapScore:
    """The score of a set of clips.

    Attributes
    ----------
    score : Estimate
        Mean cosine, with its 95 % bootstrap interval over clips.
    shuffled : Shuffled or None
        None where captions can't be shuffled: more than half of the clips share one.
    beats : Estimate or None
        Mean of the clips' `Scored.beats`, with its interval; 0.5 is chance.
    clips : tuple of Scored
        In the order given.
    broken : tuple of Broken
        Files that could not be scored.
    origin : Origin
        What embedded them.
    """

    score: Estimate
    shuffled: Shuffled | None
    beats: Estimate | None
    clips: tuple[Scored, ...]
    broken: tuple[Broken, ...]
    origin: Origin

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "clap_score": self.score.to_dict(),
            "shuffled": self.shuffled.to_dict() if self.shuffled else None,
            "own_beats_another": self.beats.to_dict() if self.beats else None,
            "origin": asdict(self.origin),
            "used": len(self.clips),
            "clips": [
                {
                    "file": str(clip.path),
                    "caption": clip.caption,
                    "score": round(clip.score, 4),
                    "beats": None if clip.beats is None else round(clip.beats, 4),
                }
                for clip in self.clips
            ],
            "left_out": [{"file": str(one.path), "reason": one.reason} for one in self.broken],
        }


def clap_score(
    embedder: TextEmbedder,
    pairs: Sequence[tuple[Path, str]],
    *,
    seed: int = 0,
    shuffles: int = SHUFFLES,
    cache: Path | None = None,
    progress: Progress = silent,
) -> ClapScore:
    """Score audio files against their captions.

    Parameters
    ----------
    embedder : TextEmbedder
        The CLAP.
    pairs : sequence of (Path, str)
        Files and captions.
    seed : int
        Of the shuffles and of the bootstrap.
    shuffles : int
        How often captions are shuffled.
    cache, progress
        As for `embed_files`.

    Raises
    ------
    ChainError
        None of the files can be used; the first one's reason is given.
    """
    used: list[tuple[Embedded, str]] = []
    broken: list[Broken] = []
    files = embed_files(embedder, [path for path, _ in pairs], cache=cache, progress=progress)
    for item, (_, caption) in zip(files, pairs, strict=True):
        if isinstance(item, Embedded):
            used.append((item, caption))
        else:
            broken.append(item)
    if not used:
        reason = f": {broken[0].reason}" if broken else ""
        raise ChainError(f"none of the {len(pairs)} files can be scored{reason}")
    captions = [caption for _, caption in used]
    clips = np.stack([clip_embedding(item.windows) for item, _ in used])
    embedded = embed_distinct(embedder, captions)
    scores = np.sum(clips * embedded, axis=1)
    beats = beaten(clips, embedded, captions)
    return ClapScore(
        score=estimate(mean, scores, seed=seed),
        shuffled=shuffled_score(clips, embedded, captions, shuffles=shuffles, seed=seed),
        beats=None if beats is None else estimate(mean, beats, seed=seed),
        clips=tuple(
            Scored(item.path, caption, float(scores[row]), None if beats is None else beats[row])
            for row, (item, caption) in enumerate(used)
        ),
        broken=tuple(broken),
        origin=embedder.origin,
    )


def clip_embedding(windows: Embeddings) -> NDArray[np.float64]:
    """Mean of the windows' unit vectors (windows, dimensions), of unit length."""
    vectors = windows.astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    center = vectors.mean(0)
    unit: NDArray[np.float64] = center / max(float(np.linalg.norm(center)), 1e-12)
    return unit


def embed_distinct(embedder: TextEmbedder, captions: Sequence[str]) -> NDArray[np.float64]:
    """Embed captions, each distinct one once, (captions, dimensions), of unit length."""
    distinct = list(dict.fromkeys(captions))
    parts = [
        embedder.embed_texts(distinct[start : start + _TEXTS_AT_ONCE])
        for start in range(0, len(distinct), _TEXTS_AT_ONCE)
    ]
    vectors = np.concatenate(parts).astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    row: Mapping[str, int] = {caption: number for number, caption in enumerate(distinct)}
    chosen: NDArray[np.float64] = vectors[[row[caption] for caption in captions]]
    return chosen


def beaten(
    clips: NDArray[np.float64], texts: NDArray[np.float64], captions: Sequence[str]
) -> list[float] | None:
    """Share of the other captions that each clip's own beats; None if there are no others.

    Parameters
    ----------
    clips, texts : float64 array, shape (n, dimensions)
        Of unit length, row i of both for clip i.
    captions : sequence of str
        Row i is no other caption for row j if they are the same.
    """
    _, kind = np.unique(np.array(captions), return_inverse=True)
    if kind.max() == 0:
        return None
    shares = []
    for row, clip in enumerate(clips):
        others = texts[kind != kind[row]] @ clip
        own = texts[row] @ clip
        shares.append(float(np.mean(others < own) + 0.5 * np.mean(others == own)))
    return shares


def shuffled_score(
    clips: NDArray[np.float64],
    texts: NDArray[np.float64],
    captions: Sequence[str],
    *,
    shuffles: int = SHUFFLES,
    seed: int = 0,
) -> Shuffled | None:
    """Mean score under random derangements of the captions; None if there is no derangement."""
    rng = np.random.default_rng(seed)
    means = []
    for _ in range(shuffles):
        order = derangement(captions, rng)
        if order is None:
            return None
        means.append(float(np.mean(np.sum(clips * texts[order], axis=1))))
    low, high = np.percentile(means, [2.5, 97.5])
    return Shuffled(float(np.mean(means)), float(low), float(high), shuffles)


def derangement(captions: Sequence[str], rng: np.random.Generator) -> NDArray[np.int64] | None:
    """Draw an order in which every clip gets another caption than its own.

    Clips are lined up with those of one caption together, captions and clips in random order,
    and captions are moved on by a random number of places that no group of one caption spans.

    Returns
    -------
    int array, shape (n,), or None
        Whose caption each clip gets; a permutation. None if more than half of the clips share
        one caption, for then there is no such order.
    """
    _, kind, sizes = np.unique(np.array(captions), return_inverse=True, return_counts=True)
    count, largest = len(kind), int(sizes.max())
    if 2 * largest > count:
        return None
    line = np.lexsort((rng.random(count), rng.permutation(len(sizes))[kind]))
    step = int(rng.integers(largest, count - largest + 1))
    order = np.empty(count, np.int64)
    order[line] = np.roll(line, -step)
    return order
