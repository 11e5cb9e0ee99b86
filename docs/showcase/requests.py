"""The requests of ``pairs.yaml``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import yaml

from audio_chain.errors import UsageError

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
MEMOS: Final = ROOT / "examples" / "memos"

Kind = Literal["memo", "text", "prompt"]
KINDS: Final[tuple[Kind, ...]] = ("memo", "text", "prompt")


@dataclass(frozen=True)
class Asked:
    """A request.

    Attributes
    ----------
    id : str
    kind : Kind
        Where it enters the chain.
    content : str
        File of the memo, or the words.
    right : tuple of str
        Genres to accept in the brief; empty where nobody can say.
    """

    id: str
    kind: Kind
    content: str
    right: tuple[str, ...] = ()

    @property
    def arguments(self) -> tuple[str, ...]:
        """What to tell ``audio-chain``."""
        if self.kind == "memo":
            return "memo", (MEMOS / self.content).relative_to(ROOT).as_posix()
        return (
            ("memo", "--text", self.content) if self.kind == "text" else ("generate", self.content)
        )


def load_requests(path: Path = HERE / "pairs.yaml") -> tuple[int, tuple[Asked, ...]]:
    """Read the seed and the requests.

    Raises
    ------
    UsageError
        An entry is not one of a memo, a text and a prompt, or an id occurs twice.
    """
    raw: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    asked = tuple(_asked(entry) for entry in raw["pairs"])
    if len({one.id for one in asked}) != len(asked):
        raise UsageError(f"{path.name}: two pairs have the same id")
    return int(raw["seed"]), asked


def _asked(entry: dict[str, Any]) -> Asked:
    kinds = [kind for kind in KINDS if kind in entry]
    if len(kinds) != 1:
        raise UsageError(f"pair {entry.get('id')!r} needs one of {', '.join(KINDS)}")
    return Asked(entry["id"], kinds[0], entry[kinds[0]], tuple(entry.get("right", ())))
