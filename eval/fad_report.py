"""What `audio-chain eval fad` found out, for people and for programs."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from audio_chain import __version__
from audio_chain.terminal import printable
from eval.bootstrap import Estimate
from eval.embedding import Embedded
from eval.fad import FEWEST_FILES, RESAMPLES, FadInfinity, song_distance
from eval.frechet import Frechet, ReferenceSide
from eval.gaussian import Gaussian
from eval.kernel import KernelDistance
from eval.sides import Side

_KERNEL_TITLES: Final = {"gaussian": "KAD", "cubic": "KID"}
_INTERVAL: Final = (
    "95 %: value +- 1.96 standard deviations by leaving out random quarters of the generated "
    "files; the reference is taken as it is"
)
_NO_FILES: Final = "none: saved statistics have no files to draw from"
_TOO_FEW: Final = f"none: there are fewer than {FEWEST_FILES} files"


@dataclass(frozen=True)
class Song:
    """FAD of one file, None if it has one window."""

    path: Path
    value: float | None
    windows: int


class Songs:
    """Takes files as they are embedded, and keeps how far each is from the reference."""

    def __init__(self, reference: Gaussian) -> None:
        self._reference = ReferenceSide(reference)
        self._songs: list[Song] = []

    def __call__(self, heard: Embedded) -> None:
        """Take a file."""
        value = song_distance(self._reference, heard.windows)
        self._songs.append(Song(heard.path, value, len(heard.windows)))

    def farthest_first(self) -> tuple[Song, ...]:
        """All files, those that have no distance last."""
        return tuple(sorted(self._songs, key=_rank))


def _rank(song: Song) -> float:
    return math.inf if song.value is None else -song.value


@dataclass(frozen=True, eq=False)
class FadReport:
    """A distance and all that has to be known of it.

    Attributes
    ----------
    estimate : Estimate
        The distance and its interval.
    frechet : Frechet
        What it is made of, and its warning.
    engine : str
        What computed the distance.
    seed : int
        Of all that was drawn.
    reference, generated : Side
        What was compared.
    infinity : FadInfinity or None
        As `fad_infinity`.
    kernels : tuple of KernelDistance
        As `kernel_distance`.
    songs : tuple of Song or None
        The farthest first.
    """

    estimate: Estimate
    frechet: Frechet
    engine: str
    seed: int
    reference: Side
    generated: Side
    infinity: FadInfinity | None = None
    kernels: tuple[KernelDistance, ...] = ()
    songs: tuple[Song, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; not a number is null."""
        result: dict[str, Any] = {
            "measure": "fad",
            **_figure(self.estimate),
            "interval_is": self._interval_is(),
            "warning": self.frechet.warning,
            "mean_term": self.frechet.mean_term,
            "covariance_term": self.frechet.covariance_term,
            "ranks": list(self.frechet.ranks),
            "engine": self.engine,
            "version": __version__,
            "seed": self.seed,
            "resamples": RESAMPLES,
            "embedding": {
                **asdict(self.generated.gaussian.origin),
                "dimensions": self.frechet.dimensions,
            },
            "reference": self.reference.to_dict(),
            "generated": self.generated.to_dict(),
        }
        if self.infinity is not None:
            result["infinity"] = {
                **_figure(self.infinity.estimate),
                "slope": self.infinity.slope,
                "r2": self.infinity.r2,
                "points": [list(point) for point in self.infinity.points],
                "warning": self.infinity.warning,
            }
        for distance in self.kernels:
            result[_KERNEL_TITLES[distance.kernel].lower()] = {
                **_figure(distance.estimate),
                "kernel": distance.kernel,
                "bandwidth": distance.bandwidth,
                "windows": [distance.reference_windows, distance.estimate.count],
            }
        if self.songs is not None:
            result["songs"] = [
                {"file": str(song.path), "value": song.value, "windows": song.windows}
                for song in self.songs
            ]
        return result

    def lines(self) -> list[str]:
        """Lines for people."""
        origin, figures = self.generated.gaussian.origin, [("FAD", self.estimate, "")]
        if self.infinity is not None:
            figures.append(("FAD-infinity", self.infinity.estimate, f"R2 {self.infinity.r2:.3f}"))
        for distance in self.kernels:
            width = "" if distance.bandwidth is None else f"bandwidth {distance.bandwidth:.4g}"
            figures.append((_KERNEL_TITLES[distance.kernel], distance.estimate, width))
        lines = [f"{title:<13} {_shown(figure, more)}" for title, figure, more in figures]
        lines += [
            f"{'embedding':<13} {origin.embedding}, {self.frechet.dimensions} dimensions, "
            f"{origin.rate} Hz, windows of {origin.window_seconds:g} s every "
            f"{origin.hop_seconds:g} s, revision {origin.revision[:12]}",
            f"{'reference':<13} {self.reference}",
            f"{'generated':<13} {self.generated}",
            f"{'engine':<13} {self.engine}, seed {self.seed}",
            f"{'interval':<13} {self._interval_is()}",
        ]
        warnings = [self.frechet.warning, self.infinity.warning if self.infinity else ""]
        lines += [f"{'warning':<13} {text}" for text in warnings if text]
        measured = [song for song in self.songs or () if song.value is not None]
        lines += [f"{song.value:>13.4g} {song.path}" for song in measured]
        if alone := len(self.songs or ()) - len(measured):
            lines.append(f"{alone} files have one window, and so no distance of their own")
        return [printable(line) for line in lines]

    def _interval_is(self) -> str:
        """Say what the interval is, or why there is none."""
        if not math.isnan(self.estimate.low):
            return _INTERVAL
        return _NO_FILES if self.generated.collection is None else _TOO_FEW


def _figure(estimate: Estimate) -> dict[str, Any]:
    """A figure and its interval for JSON, unrounded."""
    value, low, high = (
        None if math.isnan(x) else x for x in (estimate.value, estimate.low, estimate.high)
    )
    return {"value": value, "interval": None if low is None else [low, high]}


def _shown(estimate: Estimate, more: str) -> str:
    """A figure, its interval and more, for people."""
    parts = [] if math.isnan(estimate.low) else [f"{estimate.low:.4g} to {estimate.high:.4g}"]
    parts += [more] if more else []
    return f"{estimate.value:.4g}" + (f"  ({', '.join(parts)})" if parts else "")
