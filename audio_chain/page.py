"""A run as a web page: one file that holds the sound and the picture and asks nobody for more."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any, Final

from audio_chain.audio import Clip, encode
from audio_chain.manifest import Record
from audio_chain.picture import PLOT

MAX_EMBEDDED_BYTES: Final = 5_000_000
"""Sound above this size is linked to, not embedded."""

_TYPES: Final = {".mp3": "audio/mpeg", ".ogg": "audio/ogg"}
_MP3_RATES: Final = (32_000, 44_100, 48_000)
_NOT_SHOWN: Final = ("title", "count", "seed", "language")


def render_page(
    record: Record, clips: Sequence[Clip], tracks: Sequence[Path], pictures: Sequence[Path]
) -> bytes:
    """Write the page of a run.

    Every text in it comes from outside (what was said, a language model, a file name) and is
    escaped; the page's own policy forbids scripts but its one, and all requests.

    Parameters
    ----------
    record : Record
        What to tell.
    clips, tracks, pictures : sequences
        For each track its sound, its file, and its PNG.

    Returns
    -------
    bytes
        HTML in UTF-8.
    """
    script = _template("run.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    title = str(record.settings.get("title", "")) or "audio-chain"
    page = Template(_template("run.html")).substitute(
        title=_text(title),
        version=_text(record.audio_chain),
        subtitle=_text(_subtitle(record, clips)),
        figures="\n".join(
            _figure(clip, track, picture, one.seed)
            for clip, track, picture, one in zip(
                clips, tracks, pictures, record.tracks, strict=True
            )
        ),
        sections="\n".join(_sections(record)),
        footer=_text(_footer(record)),
        script=script,
        script_hash=f"sha256-{digest}",
    )
    return page.encode("utf-8", "replace")


def _template(name: str) -> str:
    return (resources.files("audio_chain") / "templates" / name).read_text(encoding="utf-8")


def _text(value: object) -> str:
    return html.escape(str(value), quote=True)


def _subtitle(record: Record, clips: Sequence[Clip]) -> str:
    tracks = f"{len(clips)} tracks of " if len(clips) > 1 else ""
    day, _, clock = record.created.partition("T")
    return f"{tracks}{clips[0].seconds:.1f} s by {record.models['generate']}, {day} {clock[:5]}"


def _figure(clip: Clip, track: Path, picture: Path, seed: int) -> str:
    left, right = PLOT
    return (
        f'<figure><div class="picture" data-left="{left:.5f}" data-right="{right:.5f}">'
        f'<img src="{_embedded_picture(picture)}" alt="Mel spectrogram of {_text(track.name)}">'
        f'<i></i></div><figcaption><audio controls preload="metadata" src="{_sound(clip, track)}">'
        f"</audio><span>seed {seed}</span>"
        f'<a href="{_text(track.name)}" download>{_text(track.name)}</a></figcaption></figure>'
    )


def _embedded_picture(picture: Path) -> str:
    """The picture as a data address, an eighth of the PNG's size."""
    from PIL import Image

    content = io.BytesIO()
    with Image.open(picture) as image:
        image.convert("RGB").save(content, "JPEG", quality=85)
    return data_address("image/jpeg", content.getvalue())


def _sound(clip: Clip, track: Path) -> str:
    """The sound as a data address, compressed; a link to the file where that is too long."""
    if track.suffix in _TYPES:
        kind, content = _TYPES[track.suffix], track.read_bytes()
    else:
        kind, content = _TYPES[".mp3"], _as_mp3(clip)
    return _text(track.name) if len(content) > MAX_EMBEDDED_BYTES else data_address(kind, content)


def _as_mp3(clip: Clip) -> bytes:
    if clip.rate not in _MP3_RATES:
        clip = clip.resampled(_MP3_RATES[-1])
    with tempfile.TemporaryDirectory(prefix="audio-chain-") as folder:
        return encode(clip, Path(folder) / "track.mp3").read_bytes()


def data_address(kind: str, content: bytes) -> str:
    """Content as an address that a page can hold inside itself."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _sections(record: Record) -> Iterable[str]:
    if record.transcript is not None:
        yield _said(record.transcript)
    if record.brief is not None:
        yield _section("Brief", _table(_brief_rows(record.brief)))
    avoiding = f'<p class="note">avoiding: {_text(record.negative)}</p>' if record.negative else ""
    yield _section("Prompt", f"<p>{_text(record.prompt)}</p>{avoiding}")
    settings = {"seed": record.settings.get("seed"), "seconds": f"{record.track_seconds:g}"}
    settings |= {
        name.replace("_", "-"): value
        for name, value in record.settings.items()
        if name not in (*_NOT_SHOWN, "seconds")
    }
    yield (
        '<div class="pair">'
        + _section("Settings", _table(settings))
        + _section("Models", _table(_model_rows(record)))
        + "</div>"
    )
    yield _section(
        "Again",
        "<p>In this folder, for the same sound bit for bit on the same machine:</p>"
        "<pre>audio-chain rerun run.json</pre>",
    )


def _said(transcript: Mapping[str, Any]) -> str:
    facts = [str(transcript["model"])]
    if transcript["language"]:
        facts.append(f"language {transcript['language']}")
    if transcript["segments"]:
        facts.append(f"confidence {100 * transcript['confidence']:.0f} %")
    note = f"{', '.join(facts)}. {transcript.get('note', '')}"
    body = f"<blockquote>{_text(transcript['text'])}</blockquote>"
    return _section("What was said", f'{body}<p class="note">{_text(note)}</p>')


def _brief_rows(brief: Mapping[str, Any]) -> dict[str, Any]:
    rows = dict(brief)
    bpm = rows.pop("tempo_bpm")
    if bpm is not None:
        rows["tempo"] = f"{rows['tempo']}, {bpm} beats a minute"
    return rows


def _model_rows(record: Record) -> dict[str, str]:
    """The models that were used, by stage, with their licences; then those they need."""
    licences = {name: f"{name} ({facts['licence']})" for name, facts in record.weights.items()}
    rows = {stage: licences.pop(name) for stage, name in record.models.items() if name in licences}
    return rows | ({"with": ", ".join(licences.values())} if licences else {})


def _section(title: str, body: str) -> str:
    return f"<section><h2>{_text(title)}</h2>{body}</section>"


def _table(rows: Mapping[str, Any]) -> str:
    shown = {name: _plain(value) for name, value in rows.items()}
    items = (
        f"<dt>{_text(name)}</dt><dd>{_text(text)}</dd>" for name, text in shown.items() if text
    )
    return f"<dl>{''.join(items)}</dl>"


def _plain(value: Any) -> str:
    """A JSON value for people; "" for nothing."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else "" if value is None else str(value)


def _footer(record: Record) -> str:
    stages = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in record.seconds.items())
    return f"audio-chain {record.audio_chain}. Took: {stages}."
