"""The hand-written memos: reading them, and checking them.

``python -m training.rewriter.data`` checks the files and prints what is in them.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from audio_chain.errors import ChainError
from audio_chain.rewrite.prompt import MAX_CHARACTERS
from audio_chain.rewrite.schema import (
    DESCRIPTION_PATTERN,
    MAX_AVOID,
    MAX_INSTRUMENTS,
    NAME_PATTERN,
    Answer,
)
from audio_chain.vocabulary import GENRES, MOODS, TEMPOS

MEMOS: Final = Path(__file__).parent / "memos"

NEAR_DUPLICATE: Final = 0.4
"""Jaccard similarity of word trigrams from which two memos count as one."""


class MemoError(ChainError):
    """A memo file breaks the rules."""


@dataclass(frozen=True)
class Memo:
    """One memo and everything that counts as right for it.

    ``genre``, ``mood`` and ``tempo`` list every acceptable answer, the preferred one first.
    ``instruments`` is one good answer; ``named``, its first ones, are those the speaker says aloud.
    """

    id: str
    heldout: bool
    memo: str
    genre: tuple[str, ...]
    mood: tuple[str, ...]
    tempo: tuple[str, ...]
    instruments: tuple[str, ...]
    named: tuple[str, ...]
    avoid: tuple[str, ...]
    description: str

    def answer(self) -> Answer:
        """The preferred answer."""
        return Answer(
            self.genre[0],
            self.mood[0],
            self.tempo[0],
            self.instruments,
            self.avoid,
            self.description,
        )


def load_memos(folder: Path = MEMOS) -> list[Memo]:
    """Read every ``*.jsonl`` file of a folder.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    list of Memo
        In the order of the files' names and lines.

    Raises
    ------
    MemoError
        If there is none, or a line breaks the rules: names the file, the line and the rule.
    """
    memos = []
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                memos.append(_parse(json.loads(line)))
            except (ValueError, KeyError, TypeError) as error:
                reason = f"no field {error}" if isinstance(error, KeyError) else error
                raise MemoError(f"{path.name} line {number}: {reason}") from None
    if not memos:
        raise MemoError(f"no memos (*.jsonl) in {folder}")
    return memos


def heldout(memos: Sequence[Memo]) -> list[Memo]:
    """The memos nothing is ever tuned on."""
    return [memo for memo in memos if memo.heldout]


def training(memos: Sequence[Memo]) -> list[Memo]:
    """The memos to learn from."""
    return [memo for memo in memos if not memo.heldout]


def similar_pairs(memos: Sequence[Memo]) -> Iterator[tuple[Memo, Memo, float]]:
    """Pairs of memos that share too much text, with their similarity."""
    trigrams = [_trigrams(memo.memo) for memo in memos]
    for i, one in enumerate(trigrams):
        for j in range(i):
            shared = len(one & trigrams[j])
            if shared and (score := shared / len(one | trigrams[j])) >= NEAR_DUPLICATE:
                yield memos[j], memos[i], score


def check(memos: Sequence[Memo]) -> None:
    """Check what no single line shows.

    Raises
    ------
    MemoError
        If two memos share an id, or are (nearly) the same.
    """
    for name, count in Counter(memo.id for memo in memos).items():
        if count > 1:
            raise MemoError(f"{count} memos have the id {name!r}")
    for one, other, score in similar_pairs(memos):
        raise MemoError(f"{one.id} and {other.id} are nearly the same memo ({score:.2f})")


def _parse(raw: dict[str, Any]) -> Memo:
    memo = Memo(
        id=str(raw["id"]),
        heldout=raw["heldout"],
        memo=" ".join(str(raw["memo"]).split()),
        genre=tuple(raw["genre"]),
        mood=tuple(raw["mood"]),
        tempo=tuple(raw["tempo"]),
        instruments=tuple(dict.fromkeys([*raw["named"], *raw["instruments"]])),
        named=tuple(raw["named"]),
        avoid=tuple(raw["avoid"]),
        # the small model has one way less to start a description
        description=str(raw["description"]).strip().rstrip(".").lower(),
    )
    for rule, holds in _rules(memo):
        if not holds:
            raise ValueError(f"{memo.id}: {rule}")
    return memo


def _rules(memo: Memo) -> Iterator[tuple[str, bool]]:
    yield "heldout must be true or false", isinstance(memo.heldout, bool)
    yield "memo must have 15 to 1500 characters", 15 <= len(memo.memo) <= MAX_CHARACTERS
    for field, allowed in (("genre", GENRES), ("mood", MOODS), ("tempo", TEMPOS)):
        values = getattr(memo, field)
        yield f"{field} must list at least one answer, none twice", _distinct(values, 1, 99)
        unknown = ", ".join(value for value in values if value not in allowed)
        yield f"{field} {unknown!r} is not in the vocabulary", not unknown
    yield (
        "instruments with the named ones must be 1 to 5",
        _distinct(memo.instruments, 1, MAX_INSTRUMENTS),
    )
    yield "avoid must be 0 to 3, none twice", _distinct(memo.avoid, 0, MAX_AVOID)
    for name in memo.instruments + memo.avoid:
        yield f"{name!r} is not a short lower-case name", bool(re.fullmatch(NAME_PATTERN, name))
    fits = bool(re.fullmatch(DESCRIPTION_PATTERN, memo.description))
    yield "description must be at most 16 plain words", fits


def _distinct(values: Sequence[str], least: int, most: int) -> bool:
    return least <= len(values) <= most and len(set(values)) == len(values)


def _trigrams(text: str) -> frozenset[tuple[str, ...]]:
    words = re.findall(r"[a-z0-9']+", text.lower())
    return frozenset(zip(words, words[1:], words[2:], strict=False))


def main() -> int:
    """Check the memo files and print their counts; exit code 1 if something is wrong."""
    parser = argparse.ArgumentParser(description="check the memo files")
    parser.add_argument("--memos", type=Path, default=MEMOS, help="folder of *.jsonl files")
    arguments = parser.parse_args()
    try:
        memos = load_memos(arguments.memos)
        check(memos)
    except MemoError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{len(memos)} memos, {len(heldout(memos))} held out")
    for field in ("genre", "mood", "tempo"):
        train = Counter(getattr(memo, field)[0] for memo in training(memos))
        test = Counter(getattr(memo, field)[0] for memo in heldout(memos))
        print(f"{field}, preferred answer (training/held out):")
        print("  " + ", ".join(f"{name} {n}/{test[name]}" for name, n in train.most_common()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
