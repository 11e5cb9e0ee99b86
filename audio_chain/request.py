"""MemoRequest: everything a person can ask of one run, as one value."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from audio_chain.errors import UsageError

if TYPE_CHECKING:
    from audio_chain.brief import Brief
    from audio_chain.models import Stage
    from audio_chain.transcribe import Transcript

FORMATS: Final = ("wav", "flac", "mp3", "ogg")

CHAIN: Final[tuple[Stage, ...]] = ("transcribe", "rewrite", "generate")
"""The stages that a model of the user's choice works in, in order."""

DEFAULT_SECONDS: Final = 10.0
"""Length of a track when neither the request nor the speaker says."""

MAX_SEED: Final = 2**63 - 1

_RANGES: Final[dict[str, tuple[float, float, bool]]] = {
    "guidance": (0.0, 100.0, False),
    "guidance_end": (0.0, 100.0, False),
    "temperature": (0.0, 100.0, True),
    "top_k": (0, 1_000_000, False),
    "top_p": (0.0, 1.0, False),
    "steps": (1, 1000, False),
    "strength": (0.0, 1.0, True),
}
"""Least and most of a setting, and whether the least itself is too little."""

_STARTS: Final = ("memo", "text", "brief", "prompt", "negative")

RECORDINGS: Final = ("continue_from", "melody", "variation_of")
"""Settings that name audio files for the generator."""

SAMPLING: Final = (
    *("guidance", "temperature", "top_k", "top_p", "guidance_end"),
    *("steps", "sampler", "strength", "inpaint"),
)
"""Settings of the generator that are its own where nobody asks for others."""


@dataclass(frozen=True, kw_only=True)
class MemoRequest:
    """What to make music of, and how.

    The chain can be entered at any stage. At least one of `memo`, `text`, `brief` and `prompt`
    is given; the chain starts from the last of them, and earlier ones are kept with the run.

    Parameters
    ----------
    memo : path, optional
        A recording of somebody speaking, in any common audio format.
    text : str or Transcript, optional
        What the memo says: typed, or recognised before.
    brief : Brief, optional
        What the music should be.
    prompt : str, optional
        Words for the generator, given to it as they are.
    negative : str
        What the generator is to stay away from; only with a `prompt`, a brief brings its own.
    seconds : float, optional
        Length of the track. Default: what the speaker or the brief says, or `DEFAULT_SECONDS`,
        and what it continues from.
    count : int
        How many tracks, with the seeds ``seed``, ``seed + 1``, ...
    seed : int, optional
        0 to `MAX_SEED`. Default: drawn at random and recorded with the run.
    guidance : float, optional
        How strongly the words steer (classifier-free guidance), at least 0; at 1 they are
        followed without being exaggerated. Of this and of the next settings the default is the
        model's own, and a model refuses those that it has no use for.
    temperature : float, optional
        Of the tokens' sampler, above 0; low is cautious.
    top_k : int, optional
        Sample among that many most probable tokens; 0 for all.
    top_p : float, optional
        Sample among the most probable tokens that sum to this probability; 0 to use `top_k`.
    guidance_end : float, optional
        Guidance at the end of a track, where it is to change evenly from `guidance` on.
    steps : int, optional
        Of a diffusion, 1 to 1000.
    sampler : str, optional
        How a diffusion takes its steps, such as "dpmpp-2m" or "euler".
    strength : float, optional
        How far a variation may go, above 0 to 1: it begins with so much noise.
    inpaint : tuple of float, optional
        Beginning and end, in seconds, of the part of `variation_of` that is made anew.
    continue_from : path, optional
        A recording that every track begins with; `seconds` counts it in.
    melody : path, optional
        A recording with the melody that every track follows, for a model that can.
    variation_of : path, optional
        A recording that every track is a variation of; `seconds` is its length by default.
    format : str
        One of `FORMATS`.
    loudness, fades : bool
        Bring the track to -14 LUFS; fade its ends.
    language : str, optional
        Of the memo, as a code such as "en". Default: recognised, where the model can.
    title : str
        What players and the run's folder show. Default: the memo's name, or the first words.

    Raises
    ------
    UsageError
        No start is given, or a value is out of range; it is named.
    """

    memo: Path | None = None
    text: str | Transcript | None = None
    brief: Brief | None = None
    prompt: str | None = None
    negative: str = ""
    seconds: float | None = None
    count: int = 1
    seed: int | None = None
    guidance: float | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    guidance_end: float | None = None
    steps: int | None = None
    sampler: str | None = None
    strength: float | None = None
    inpaint: tuple[float, float] | None = None
    continue_from: Path | None = None
    melody: Path | None = None
    variation_of: Path | None = None
    format: str = "flac"
    loudness: bool = True
    fades: bool = True
    language: str | None = None
    title: str = ""

    def __post_init__(self) -> None:
        if all(start is None for start in (self.memo, self.text, self.brief, self.prompt)):
            raise UsageError("nothing to start from: give a recording, a text, a brief or a prompt")
        for name in ("memo", *RECORDINGS):
            if isinstance(path := getattr(self, name), str):
                object.__setattr__(self, name, Path(path))
            elif not isinstance(path, Path | None):
                raise TypeError(f"{name} is not a path")
        for name in ("text", "prompt"):
            value = getattr(self, name)
            if isinstance(value, str):
                if not value.strip():
                    raise UsageError(f"the {name} is empty; say what the music should be like")
                # an argument's undecodable bytes arrive as surrogates, which no tokenizer takes
                object.__setattr__(self, name, value.encode("utf-8", "replace").decode())
        if self.negative and self.prompt is None:
            raise UsageError("negative goes with a prompt; a brief says itself what to avoid")
        if self.seconds is not None:
            _check("seconds", self.seconds, 0.0, 3600.0, above=True)
        _check("count", self.count, 1, 1000)
        if self.seed is not None:
            _check("seed", self.seed, 0, MAX_SEED - self.count + 1)
        self._check_sampling()
        if self.format not in FORMATS:
            raise UsageError(f"the format {self.format!r} is not one of {', '.join(FORMATS)}")

    def _check_sampling(self) -> None:
        for name, (least, most, above) in _RANGES.items():
            if (value := getattr(self, name)) is not None:
                _check(name.replace("_", "-"), value, least, most, above=above)
        if self.variation_of is None and (self.strength, self.inpaint) != (None, None):
            raise UsageError("strength and inpaint go with variation-of, the recording to change")
        if self.variation_of is not None and self.continue_from is not None:
            raise UsageError("a track is a variation of a recording or continues one, not both")
        if self.inpaint is not None:
            begin, end = self.inpaint
            _check("the end of what to inpaint", end, max(0.0, begin), 3600.0, above=True)
            _check("the beginning of what to inpaint", begin, 0.0, 3600.0)
            object.__setattr__(self, "inpaint", (float(begin), float(end)))

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The models' stages that are left to go through."""
        if self.prompt is not None or self.brief is not None:
            return ("generate",)
        return ("rewrite", "generate") if self.text is not None else CHAIN

    @property
    def transcript(self) -> Transcript | None:
        """`text` as a transcript."""
        if not isinstance(self.text, str):
            return self.text
        from audio_chain.transcribe import Transcript

        return Transcript(self.text, "", (), confidence=1.0, seconds=0.0, model="typed")

    @property
    def seeds(self) -> tuple[int, ...]:
        """One for each track, once `seed` has been drawn (`completed`)."""
        if self.seed is None:
            raise ValueError("the seed has not been drawn yet")
        return tuple(range(self.seed, self.seed + self.count))

    def completed(self) -> MemoRequest:
        """The same request with a title, and with a seed drawn from the system's randomness.

        Drawn seeds are below 2**31, short enough to be typed again.
        """
        seed = self.seed
        if seed is None:
            seed = secrets.randbelow(2**31 - self.count)
        return replace(self, seed=seed, title=self.title or self._first_words())

    def _first_words(self) -> str:
        if self.memo is not None:
            return self.memo.stem
        brief = self.brief.description if self.brief else None
        text = self.transcript.text if self.transcript else None
        words = " ".join((self.prompt or text or brief or "").split())
        return words if len(words) <= 60 else words[:60].rsplit(" ", 1)[0] + "…"

    @property
    def recordings(self) -> dict[str, Path]:
        """The audio files for the generator, by the setting that names them."""
        paths = {name: getattr(self, name) for name in RECORDINGS}
        return {name: path for name, path in paths.items() if path is not None}

    @property
    def extras(self) -> tuple[str, ...]:
        """Flags of what is asked of the generator besides words."""
        extras = [name for name in (*RECORDINGS, *SAMPLING) if getattr(self, name) is not None]
        return tuple(f"--{name.replace('_', '-')}" for name in extras)

    @property
    def sampling(self) -> dict[str, Any]:
        """Of the settings in `SAMPLING` those that were asked for."""
        settings = {name: getattr(self, name) for name in SAMPLING}
        return {name: value for name, value in settings.items() if value is not None}

    def settings(self) -> dict[str, Any]:
        """All but what to start from, as plain values for a manifest."""
        settings = {name: value for name, value in vars(self).items() if name not in _STARTS}
        return settings | {name: str(path.absolute()) for name, path in self.recordings.items()}


def _check(name: str, value: float, least: float, most: float, *, above: bool = False) -> None:
    if math.isfinite(value) and (least < value if above else least <= value) and value <= most:
        return
    lower = f"above {least:g}" if above else f"{least:g} or more"
    raise UsageError(f"{name} is {value:g}; it has to be {lower} and at most {most:g}")
