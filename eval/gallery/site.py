"""The gallery: a folder that opens from disk and from any web server.

``index.html`` holds texts and values; pictures and sound lie beside it under names made of their
content, so building again over the same folder writes only what is new. ``gallery.json`` says
which files are ours: only those are ever removed.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from audio_chain import __version__
from audio_chain.audio import decode, encode
from audio_chain.errors import ChainError, UsageError
from audio_chain.files import shown, write_whole
from audio_chain.run import slug
from audio_chain.spectrum import hz_to_mel, mel_to_hz
from audio_chain.terminal import printable
from eval.gallery import pages, rendering
from eval.gallery.exhibits import Exhibit, names
from eval.gallery.facts import facts_of, fields_of
from eval.gallery.rendering import Rendering

Sound = Literal["original", "mp3", "ogg"]
SOUNDS: Final[tuple[Sound, ...]] = ("original", "mp3", "ogg")

INDEX: Final = "index.html"
MARKER: Final = "gallery.json"

_FORMAT: Final = 1
_NAMED: Final = 4  # models in the summary
_OURS: Final = re.compile(r"(?:audio|pictures)/[a-z0-9][a-z0-9.-]*")
_SCRIPTS: Final = ("1-page", "2-player", "3-clips", "4-find", "5-sheets", "6-start")
_TICKS: Final = ((250, "250", True), (500, "500", False), (1000, "1k", True), (2000, "2k", False))
_HIGH_TICKS: Final = ((4000, "4k", True), (8000, "8k", False), (16000, "16 kHz", False))
_PLAYABLE_RATES: Final = (32_000, 44_100, 48_000)
_SUFFIX: Final = re.compile(r"\.[a-z0-9]{1,5}")


@dataclass(frozen=True)
class Shown:
    """A track to put into the gallery, and what was drawn of it."""

    exhibit: Exhibit
    rendering: Rendering


def build_site(
    shows: Sequence[Shown],
    folder: Path,
    *,
    title: str = "Gallery",
    sound: Sound = "original",
    tick: Callable[[], None] = lambda: None,
) -> Path:
    """Write the gallery.

    Parameters
    ----------
    shows : sequence of Shown
        In the order to show them at first.
    folder : Path
        New, empty, or a gallery, which is brought up to date. A new one appears when it is
        whole; of an old one ``index.html`` is replaced last.
    title : str
    sound : "original", "mp3" or "ogg"
        Copy the tracks as they are, or compress them.
    tick : callable
        Called after each track.

    Returns
    -------
    Path
        The gallery's ``index.html``.

    Raises
    ------
    UsageError
        `folder` is there and is no gallery: it is left alone.
    ChainError
        Something can't be written.
    """
    try:
        target, before = _target(folder)
        if not (target / MARKER).exists():
            _write_marker(target, [])
        files: list[str] = []
        clips: list[dict[str, Any]] = []
        for show, name in zip(shows, names([show.exhibit for show in shows]), strict=True):
            picture, audio = _write_media(show, target, sound)
            files += [picture, audio]
            clips.append(_clip(show, name, picture, audio))
            tick()
        _write_marker(target, sorted({*files, *before}))
        write_whole(target / INDEX, io.BytesIO(_page(shows, clips, title)))
        for name in before:
            if name not in files:
                (target / name).unlink(missing_ok=True)
        _write_marker(target, sorted(set(files)))
        if target != folder:
            if folder.exists():
                folder.rmdir()  # empty: not every system renames over a folder
            target.rename(folder)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ChainError(
            f"can't write the gallery {shown(folder)}: {reason}; choose another folder with -o"
        ) from error
    return folder / INDEX


def check_target(folder: Path) -> None:
    """Raise ``UsageError`` if `folder` is something else than a gallery, or a place for one."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not folder.is_dir():
        raise UsageError(f"{shown(folder)} is a file; choose a folder with -o")
    if _marked(folder) is None:
        raise UsageError(
            f"{shown(folder)} is there already and is no gallery; choose a new folder with -o"
        )


def _target(folder: Path) -> tuple[Path, list[str]]:
    """Where to write, and which files of an earlier gallery lie there."""
    check_target(folder)
    before = _marked(folder)
    if before is not None:
        return folder, before
    partial = folder.with_name(f"{folder.name or folder.resolve().name}.partial")
    left = _marked(partial)  # of a build that was stopped: go on with it
    if partial.exists() and left is None:
        raise UsageError(f"{shown(partial)} is in the way; remove it or choose another -o")
    for name in ("audio", "pictures"):
        (partial / name).mkdir(parents=True, exist_ok=True)
    return partial, left or []


def _marked(folder: Path) -> list[str] | None:
    """The files that a gallery says are its own; None if `folder` is no gallery."""
    try:
        marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        if marker["format"] != _FORMAT:
            return None
        return [name for name in marker["files"] if _OURS.fullmatch(name)]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_marker(folder: Path, files: Sequence[str]) -> None:
    marker = {"format": _FORMAT, "audio_chain": __version__, "files": list(files)}
    write_whole(folder / MARKER, io.BytesIO(json.dumps(marker, indent=1).encode()))


def _write_media(show: Shown, target: Path, sound: Sound) -> tuple[str, str]:
    """Write picture and sound where they are not yet; return their names from `target` on."""
    track, drawn = show.exhibit.track, show.rendering
    for name in ("audio", "pictures"):
        (target / name).mkdir(exist_ok=True)
    picture = f"pictures/{hashlib.sha256(drawn.picture).hexdigest()[:20]}.webp"
    if not (target / picture).is_file():
        write_whole(target / picture, io.BytesIO(drawn.picture))
    suffix = track.suffix.lower() if sound == "original" else f".{sound}"
    suffix = suffix if _SUFFIX.fullmatch(suffix) else ""
    audio = f"audio/{slug(show.exhibit.name)}-{drawn.sha256[:12]}{suffix}"
    if not (target / audio).is_file():
        if suffix == track.suffix.lower():
            write_whole(target / audio, io.BytesIO(track.read_bytes()))
        else:
            compress(track, target / audio)
    return picture, audio


def compress(track: Path, path: Path) -> Path:
    """Write `track` as the mp3 or ogg file `path`."""
    clip = decode(track)
    if clip.rate not in _PLAYABLE_RATES:
        clip = clip.resampled(_PLAYABLE_RATES[-1])
    if clip.channels > 2:
        clip = clip.mono()
    return encode(clip, path)


def _clip(show: Shown, name: str, picture: str, audio: str) -> dict[str, Any]:
    """A track as the page's script reads it."""
    exhibit, drawn = show.exhibit, show.rendering
    where = f"{exhibit.run.parent}/{exhibit.track.name}"
    channels = {1: "mono", 2: "stereo"}.get(drawn.channels, f"{drawn.channels} channels")
    return {
        "id": hashlib.sha256(where.encode("utf-8", "surrogateescape")).hexdigest()[:10],
        "name": name,
        "title": exhibit.name,
        "run": str(exhibit.run.parent),
        "prompt": exhibit.prompt,
        "said": exhibit.said,
        "saidNote": exhibit.said_note,
        "file": exhibit.track.name,
        "audio": audio,
        "picture": picture,
        "outline": drawn.outline,
        "seconds": round(drawn.seconds, 3),
        "sound": f"{drawn.seconds:.2f} s, {drawn.rate / 1000:g} kHz, {channels}",
        "command": exhibit.command,
        "facts": facts_of(exhibit, drawn),
    }


def _page(shows: Sequence[Shown], clips: list[dict[str, Any]], title: str) -> bytes:
    fields = fields_of([clip["facts"] for clip in clips])
    edges = np.round(mel_to_hz(np.linspace(0.0, hz_to_mel(rendering.RATE / 2), 65)), 1)
    data = {"clips": clips, "fields": [asdict(field) for field in fields], "edges": edges.tolist()}
    return pages.fill(
        "gallery.html",
        style="gallery.css",
        scripts=[f"gallery/{name}.js" for name in _SCRIPTS],
        title=title,
        summary=summary(shows),
        data=pages.embedded_json(data),
        ticks=ticks(),
        floor=f"{rendering.FLOOR_DB:.0f}".replace("-", "\N{MINUS SIGN}"),
        top=f"{rendering.TOP_DB:.0f}".replace("-", "\N{MINUS SIGN}"),
        columns=rendering.COLUMNS,
        rows=rendering.ROWS,
        outline=rendering.OUTLINE,
        version=__version__,
        made=f"{datetime.now():%Y-%m-%d}",
    )


def ticks() -> list[dict[str, Any]]:
    """Frequencies to write beside a picture: label, place from 0 (bottom) to 1, and whether
    only a large picture has room for it."""
    full = float(hz_to_mel(rendering.RATE / 2))
    return [
        {"label": label, "at": round(float(hz_to_mel(hertz)) / full, 4), "minor": minor}
        for hertz, label, minor in (*_TICKS, *_HIGH_TICKS)
    ]


def summary(shows: Sequence[Shown]) -> str:
    """How many tracks there are, how long, and of which models."""
    minutes, seconds = divmod(round(sum(show.rendering.seconds for show in shows)), 60)
    models = dict.fromkeys(show.exhibit.models.get("generate", "") for show in shows)
    known = [printable(name) for name in models if name]
    by = ", ".join(known[:_NAMED]) + (
        f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
    )
    clips = f"{len(shows)} clips" if len(shows) != 1 else "1 clip"
    length = f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"
    return f"{clips}, {length}" + (f", made by {by}" if by else "")
