"""Judge generated clips beside the real ones they should resemble.

A clip is held against what was asked for it, and against what was asked of every other clip
("swapped"): that is what a generator scores which ignores what it is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from audio_chain.clip import Clip
from audio_chain.sound_check import SoundCheck, check_sound
from eval.adherence.listener import Heard, Listener
from eval.adherence.tempo import estimate_tempo, same_tempo
from eval.bootstrap import Estimate, estimate, mean, ratio_of_means
from training.factory.attributes import Attributes

Side = Literal["generated", "real"]


@dataclass(frozen=True, eq=False)
class Judgement:
    """What is heard and measured in a clip.

    Attributes
    ----------
    bpm : float or None
        As `estimate_tempo`.
    heard : Heard
        What the listener says.
    check : SoundCheck
        What could be wrong.
    """

    bpm: float | None
    heard: Heard
    check: SoundCheck


def judge(clip: Clip, listener: Listener) -> Judgement:
    """Judge a clip by itself."""
    audio = clip.mono().samples[0]
    return Judgement(
        estimate_tempo(audio, clip.rate), listener.hear(clip), check_sound(audio, clip.rate)
    )


@dataclass(frozen=True, eq=False)
class Pair:
    """A generated clip, and the piece that would have been right.

    Attributes
    ----------
    name : str
        File of the generated clip.
    prompt : str
        What was asked.
    facts : Attributes
        What it asks for.
    in_prompts, in_solos : bool
        As of `HeldOut`.
    generated, real : Judgement
        Of the two.
    """

    name: str
    prompt: str
    facts: Attributes
    in_prompts: bool
    in_solos: bool
    generated: Judgement
    real: Judgement

    def side(self, name: Side) -> Judgement:
        """One of the two judgements."""
        return self.generated if name == "generated" else self.real


@dataclass(frozen=True)
class Comparison:
    """A figure of the generated clips and of the real ones.

    Attributes
    ----------
    generated, real : Estimate
        Each clip against what was asked for it.
    generated_swapped, real_swapped : Estimate
        Each clip against what was asked of all the others.
    ratio : Estimate
        Generated to real.
    """

    generated: Estimate
    generated_swapped: Estimate
    real: Estimate
    real_swapped: Estimate
    ratio: Estimate

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {name: Estimate(**value).to_dict() for name, value in asdict(self).items()}


def compare(generated: NDArray[Any], real: NDArray[Any], seed: int = 0) -> Comparison:
    """Summarize how well clips fit requests.

    Parameters
    ----------
    generated, real : array, shape (clips, clips)
        How well clip i fits what was asked of clip j.
    seed : int
        Of the bootstrap over clips.
    """
    own, own_real = np.diagonal(generated), np.diagonal(real)
    return Comparison(
        generated=estimate(mean, own, seed=seed),
        generated_swapped=estimate(mean, _others(generated), seed=seed),
        real=estimate(mean, own_real, seed=seed),
        real_swapped=estimate(mean, _others(real), seed=seed),
        ratio=estimate(ratio_of_means, own, own_real, seed=seed),
    )


def _others(fits: NDArray[Any]) -> NDArray[np.float64]:
    """Mean of each row without its diagonal; empty where there is no other clip."""
    count = len(fits)
    if count < 2:
        return np.empty(0)
    fits = fits.astype(np.float64)
    means: NDArray[np.float64] = (fits.sum(1) - np.diagonal(fits)) / (count - 1)
    return means


def comparisons(pairs: Sequence[Pair], listener: Listener, seed: int = 0) -> dict[str, Comparison]:
    """Compare tempo (of pieces with drums), genre, solo instrument, and CLAP score."""
    prompted = [pair for pair in pairs if pair.in_prompts]
    drummed = [pair for pair in prompted if pair.facts.has_drums]
    solos = [pair for pair in pairs if pair.in_solos]

    def by(fits: Callable[[Judgement, Attributes], bool], rows: Sequence[Pair]) -> Comparison:
        return compare(_matrix(fits, rows, "generated"), _matrix(fits, rows, "real"), seed)

    text = listener.embed_text([pair.prompt for pair in prompted])
    generated, real = (
        np.stack([pair.side(side).heard.embedding for pair in prompted]) @ text.T for side in _SIDES
    )
    return {
        "tempo": by(lambda clip, asked: same_tempo(clip.bpm, asked.bpm), drummed),
        "genre": by(lambda clip, asked: clip.heard.genre == asked.genre, prompted),
        "solo_instrument": by(
            lambda clip, asked: clip.heard.instrument == asked.instruments[0], solos
        ),
        "clap": compare(generated, real, seed),
    }


_SIDES: tuple[Side, Side] = ("generated", "real")


def _matrix(
    fits: Callable[[Judgement, Attributes], bool], rows: Sequence[Pair], side: Side
) -> NDArray[np.bool_]:
    answers = [[fits(clip.side(side), asked.facts) for asked in rows] for clip in rows]
    return np.array(answers, bool).reshape(len(rows), len(rows))


def defects(pairs: Sequence[Pair], seed: int = 0) -> dict[str, Any]:
    """Shares of clips that are silent, clipped or drone, and which they are; for JSON."""
    tests: dict[str, Callable[[SoundCheck], bool]] = {
        "silent": lambda check: check.silent,
        "clipped": lambda check: check.distorted,
        "drone": lambda check: check.drones,
    }
    return {
        name: {
            **{
                side: estimate(
                    mean, [test(pair.side(side).check) for pair in pairs], seed=seed
                ).to_dict()
                for side in _SIDES
            },
            "files": [pair.name for pair in pairs if test(pair.generated.check)],
        }
        for name, test in tests.items()
    }


def extremes(pairs: Sequence[Pair]) -> dict[str, dict[str, float | None]]:
    """The quietest level, the most clipping and the least change of each side; for JSON."""
    result: dict[str, dict[str, float | None]] = {}
    for side in _SIDES:
        checks = [pair.side(side).check for pair in pairs]
        quietest = min(check.level for check in checks)
        result[side] = {
            "level_dbfs": round(quietest, 2) if np.isfinite(quietest) else None,
            "clipped_share": round(max(check.clipped for check in checks), 6),
            "spectral_change": round(min(check.change for check in checks), 4),
        }
    return result
