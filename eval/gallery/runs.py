"""Run folders, as the chain makes them, as exhibits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from audio_chain.brief import stated_bpm, stated_key
from audio_chain.errors import ChainError
from audio_chain.files import shown
from audio_chain.manifest import Record, TrackRecord
from eval.gallery.exhibits import Exhibit, LeftOut, shell_word
from eval.gallery.scores import ScoreFiles


def read_run(manifest: Path, scores: ScoreFiles) -> Iterator[Exhibit | LeftOut]:
    """The tracks of the run that a ``run.json`` tells about."""
    try:
        record = Record.read(manifest)
    except ChainError as error:
        yield LeftOut(manifest, str(error))
        return
    if not record.tracks:
        yield LeftOut(manifest, f"{shown(manifest)} lists no track")
    for track in record.tracks:
        problem = _problem(manifest, track)
        yield LeftOut(manifest, problem) if problem else _exhibit(manifest, record, track, scores)


def _problem(manifest: Path, track: TrackRecord) -> str:
    """What is wrong with a track, or ""."""
    name = track.file
    if not isinstance(name, str) or not isinstance(track.seed, int):
        return f"{shown(manifest)}: a track's file or seed is wrong"
    if name != Path(name).name or "\0" in name:  # it could be any file of the reader's
        return f"{shown(manifest)} names a track outside its folder: {shown(name)}"
    if not (manifest.parent / name).is_file():
        return f"the audio file {shown(manifest.parent / name)} is missing"
    return ""


def _exhibit(manifest: Path, record: Record, track: TrackRecord, scores: ScoreFiles) -> Exhibit:
    transcript, brief = record.transcript or {}, record.brief or {}
    bpm, key = brief.get("tempo_bpm"), brief.get("key")
    used = {stage: str(name) for stage, name in record.models.items() if name in record.weights}
    path, folder = manifest.parent / track.file, str(manifest.parent)
    return Exhibit(
        track=path,
        run=manifest,
        title=str(record.settings.get("title") or ""),
        prompt=record.prompt,
        negative=record.negative,
        seed=track.seed,
        created=record.created,
        seconds=record.track_seconds,
        models=used or {stage: str(name) for stage, name in record.models.items()},
        settings=record.settings,
        command=f"audio-chain rerun {shell_word(folder if folder[:1] != '-' else f'./{folder}')}",
        said=str(transcript.get("text") or ""),
        said_note=_said_note(transcript),
        brief=record.brief,
        asked_bpm=bpm if isinstance(bpm, int | float) else stated_bpm(record.prompt),
        asked_key=key if isinstance(key, str) else stated_key(record.prompt),
        scores=scores.of(path),
    )


def _said_note(transcript: Mapping[str, Any]) -> str:
    if not transcript.get("model"):
        return ""
    facts = [str(transcript["model"])]
    if transcript.get("language"):
        facts.append(f"language {transcript['language']}")
    confidence = transcript.get("confidence")
    if transcript.get("segments") and isinstance(confidence, int | float):
        facts.append(f"confidence {100 * confidence:.0f} %")
    return ", ".join(facts)
