"""Repeating a run from its ``run.json``, and saying whether it came out the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from audio_chain.brief import Brief
from audio_chain.chain import Chain
from audio_chain.errors import UsageError
from audio_chain.files import shown
from audio_chain.lora.adapter import TENSORS
from audio_chain.manifest import Record
from audio_chain.request import MemoRequest
from audio_chain.run import MANIFEST
from audio_chain.transcribe import Transcript
from audio_chain.weights.cache import sha256_of

Start = Literal["prompt", "memo"]


def recorded(path: Path) -> Record:
    """Read the ``run.json`` at `path`, or in the run folder `path`."""
    return Record.read(path / MANIFEST if path.is_dir() else path)


def chain_of(record: Record, *, offline: bool = False) -> Chain:
    """The chain of models that a run used, to be used once."""
    threads = record.platform.get("threads")
    return Chain.from_preset(
        whisper=record.models.get("transcribe"),
        llm=record.models.get("rewrite"),
        model=record.models.get("generate"),
        lora=[_same_adapter(described) for described in _adapters(record)],
        device=record.device,
        precision=record.precision,
        offline=offline,
        keep=False,
        threads=threads if isinstance(threads, int) and threads > 0 else None,
    )


def _adapters(record: Record) -> list[dict[str, Any]]:
    """The adapters that a manifest lists for the music model, in the order they were merged."""
    listed = record.weights.get(record.models.get("generate", ""), {}).get("lora", [])
    return [described for described in listed if isinstance(described, dict)]


def _same_adapter(described: Mapping[str, Any]) -> str:
    """What finds an adapter again, if it is as it was then."""
    folder = Path(str(described.get("path")))
    tensors = {"path": folder / TENSORS, "sha256": described.get("sha256")}
    _same_file(tensors, "adapter", "put it back")
    return f"{folder}:{described.get('strength', 1.0)!r}"


def request_of(record: Record, start: Start = "prompt") -> MemoRequest:
    """The request to repeat a run from the generator's prompt on, or from the recording on.

    Raises
    ------
    UsageError
        The run had no recording, it is gone, or it has changed; or the record's settings are
        not a request's.
    """
    starts: dict[str, Any] = {}
    if start == "memo":
        starts["memo"] = _same_memo(record)
    else:
        starts["prompt"], starts["negative"] = record.prompt, record.negative
        if record.transcript is not None:
            starts["text"] = Transcript.from_dict(record.transcript)
        if record.brief is not None:
            starts["brief"] = Brief.from_dict(record.brief)
    for name, recording in record.recordings.items():
        _same_file(recording, name.replace("_", "-"), "put it back")
    try:
        return MemoRequest(**starts, **record.settings)
    except TypeError as error:
        raise UsageError(f"the run's settings are not those of a request: {error}") from None


def _same_memo(record: Record) -> Path:
    if record.memo is None:
        raise UsageError("the run did not start from a recording; repeat it without --from memo")
    return _same_file(record.memo, "recording", "repeat the run without --from memo")


def _same_file(described: Mapping[str, Any], what: str, remedy: str) -> Path:
    """The file that a manifest describes, if it is as it was then."""
    path = Path(str(described.get("path")))
    if not path.is_file():
        raise UsageError(f"the {what} {shown(path)} is gone; {remedy}")
    if sha256_of(path) != described.get("sha256"):
        raise UsageError(f"the {what} {shown(path)} has changed since the run")
    return path


@dataclass(frozen=True)
class SameTrack:
    """A track of the new run beside the one of the old run with the same seed."""

    file: str
    sha256: str
    before: str
    """The sha256 of the samples then, "" if there was no such track."""

    @property
    def identical(self) -> bool:
        return self.sha256 == self.before


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side.

    Parameters
    ----------
    tracks : tuple of SameTrack
    changes : tuple of str
        What differs of all that the sound depends on: "torch was 2.13.0, is now 2.14.1".
    """

    tracks: tuple[SameTrack, ...]
    changes: tuple[str, ...]

    @property
    def identical(self) -> bool:
        """Whether every track is the same, bit for bit."""
        return all(track.identical for track in self.tracks)

    def lines(self) -> list[str]:
        """The comparison for people, a line for each track and each change."""
        lines = [
            f"{track.file}: identical: sha256 {track.sha256}"
            if track.identical
            else f"{track.file}: differs: sha256 {track.sha256}, was {track.before or 'not made'}"
            for track in self.tracks
        ]
        return lines + [f"changed: {change}" for change in self.changes]

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain values, for JSON."""
        return {"identical": self.identical, **asdict(self)}


def compare(before: Record, after: Record) -> Comparison:
    """Compare the sound of two runs, and what it depends on."""
    old = {track.seed: track.samples_sha256 for track in before.tracks}
    tracks = tuple(
        SameTrack(track.file, track.samples_sha256, old.get(track.seed, ""))
        for track in after.tracks
    )
    return Comparison(tracks, tuple(_changes(before, after)))


def _changes(before: Record, after: Record) -> Iterator[str]:
    pairs: list[tuple[str, object, object]] = [
        ("prompt", before.prompt, after.prompt),
        ("device", before.device, after.device),
        ("precision", before.precision, after.precision),
        ("audio-chain", before.audio_chain, after.audio_chain),
    ]
    for old, new in ((before.versions, after.versions), (before.platform, after.platform)):
        pairs += [(name, old.get(name), new.get(name)) for name in {**old, **new}]
    for name, old_value, new_value in pairs:
        if old_value != new_value:
            yield f"{name} was {old_value}, is now {new_value}"
    for name in after.weights:
        if name in before.weights and before.weights[name] != after.weights[name]:
            yield f"the weights of {name} have changed"
