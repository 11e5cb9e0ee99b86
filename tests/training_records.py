"""Made-up facts of pieces, in the format of the data factory's shards."""

from __future__ import annotations

from dataclasses import asdict

from training.factory.attributes import Attributes

PLAIN = Attributes(
    genre="ambient",
    mood="calm",
    bpm=125,
    tempo="fast",
    key="C",
    mode="minor",
    meter="4/4",
    instruments=("piano",),
    has_drums=False,
    drum_kit=-1,
    texture="solo",
    energy=0.5,
    lead="piano",
    seconds=10.0,
    beat=0.0,
)


def record(**facts: object) -> dict[str, object]:
    """What a shard says of a piece: `PLAIN`, where `facts` don't say otherwise."""
    return {**asdict(PLAIN), "captions": ["a", "b"], **facts}
