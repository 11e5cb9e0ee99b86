"""What is found in a clip, measure by measure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from audio_chain.sound_check import CLIPPED_SHARE, DRONE_CHANGE, SILENT_DBFS
from eval.adherence.instruments import HEARD
from eval.adherence.looping import STUCK_SIMILARITY
from eval.adherence.tempo import TOLERANCE

Measure = Literal[
    "tempo", "key", "genre", "instruments", "avoided",
    "silence", "clipping", "drone", "repetition", "loudness",
]  # fmt: skip

LOUDNESS_TOLERANCE: Final = 1.0  # LU

RULES: Final[Mapping[Measure, str]] = MappingProxyType(
    {
        "tempo": f"within {TOLERANCE:.0%} of the tempo asked, its half or its double",
        "key": "tonic and mode as asked; modes other than minor count by their third",
        "genre": "CLAP-nano's likeliest genre is the one asked",
        "instruments": f"share of those asked that CLAP-nano hears (probability >= {HEARD:g})",
        "avoided": f"share of those to avoid that CLAP-nano does not hear (< {HEARD:g})",
        "silence": f"RMS of the clip above {SILENT_DBFS:g} dBFS",
        "clipping": f"at most {CLIPPED_SHARE:.1%} of the samples at full scale",
        "drone": f"spectral change of either half at least {DRONE_CHANGE:g}",
        "repetition": f"similarity to itself within a second at most {STUCK_SIMILARITY:g}",
        "loudness": f"within {LOUDNESS_TOLERANCE:g} LU of the loudness asked (BS.1770-4)",
    }
)
"""When a clip does what was asked: the tolerances, in words."""

DEFECTS: Final = ("silence", "clipping", "drone", "repetition")
"""Measures that need nothing to be asked."""


@dataclass(frozen=True)
class Finding:
    """One measure of one clip.

    Attributes
    ----------
    measure : Measure
        As in `RULES`.
    score : float or None
        1 (as asked) to 0 (not at all); None if the measure doesn't apply.
    asked, found : str
        For people; "" where there is nothing to say.
    value : float or None
        What was measured, in its own unit: beats a minute, dBFS, LUFS, a share.
    note : str
        Why the measure doesn't apply, or how a miss is near: ``relative``, ``fifth``.
    """

    measure: Measure
    score: float | None
    asked: str = ""
    found: str = ""
    value: float | None = None
    note: str = ""

    @property
    def applies(self) -> bool:
        """Whether it is scored."""
        return self.score is not None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "score": None if self.score is None else round(self.score, 4),
            "asked": self.asked,
            "found": self.found,
            "value": None if self.value is None else round(self.value, 4),
            "note": self.note,
        }


@dataclass(frozen=True)
class Adherence:
    """What a clip does of what was asked.

    Attributes
    ----------
    findings : mapping of Measure to Finding
        One of each, in the order of `RULES`.
    """

    findings: Mapping[Measure, Finding]

    def __getitem__(self, measure: Measure) -> Finding:
        return self.findings[measure]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {name: finding.to_dict() for name, finding in self.findings.items()}
