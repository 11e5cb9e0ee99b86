"""Run folders for the tests of the gallery: real manifests and sound, without a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from audio_chain.audio import Clip, encode
from audio_chain.manifest import Record, TrackRecord, samples_sha256
from audio_chain.run import to_json

RATE = 32_000


def tone(frequency: float, seconds: float = 1.0, rate: int = RATE, amplitude: float = 0.5) -> Clip:
    time = np.arange(round(seconds * rate)) / rate
    samples = amplitude * np.sin(2 * np.pi * frequency * time)
    return Clip(samples[None].astype(np.float32), rate)


def make_run(
    folder: Path,
    *,
    prompt: str,
    said: str = "",
    brief: Mapping[str, Any] | None = None,
    seeds: Sequence[int] = (7,),
    settings: Mapping[str, Any] | None = None,
    clip: Clip | None = None,
    text: str = "x",
) -> Path:
    """Make a run folder; `text` stands where the manifest has other free text."""
    folder.mkdir(parents=True)
    tracks = []
    for number, seed in enumerate(seeds, 1):
        name = f"track-{number}.flac" if len(seeds) > 1 else "track.flac"
        sound = clip or tone(440.0 * number, 1.0)
        encode(sound, folder / name)
        tracks.append(TrackRecord(name, seed, samples_sha256(sound)))
    transcript = {
        "text": said,
        "language": "en",
        "segments": [1],
        "confidence": 0.88,
        "model": "whisper-tiny.en",
    }
    record = Record(
        audio_chain="0.1.0",
        created="2026-01-02T03:04:05+00:00",
        settings={"title": "", "seed": seeds[0], "temperature": 1.0, **(settings or {})},
        models={"generate": f"musicgen-{text}"},
        device="cpu",
        memo=None,
        transcript=transcript if said else None,
        brief=dict(brief) if brief else None,
        prompt=prompt,
        negative="",
        track_seconds=1.0,
        tracks=tuple(tracks),
        files={},
        seconds={"generate": 1.0},
        weights={f"musicgen-{text}": {"licence": text}},
        platform={},
        versions={},
    )
    (folder / "run.json").write_bytes(to_json(record.to_dict()))
    return folder
