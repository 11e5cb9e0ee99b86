"""A track as its page needs it: picture, outline of the wave, what is heard in it.

All of it depends on the file's content alone, and is cached by it.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from audio_chain.audio import Clip, decode
from audio_chain.errors import ChainError
from audio_chain.files import write_whole
from audio_chain.picture import colours
from audio_chain.weights.cache import cache_dir, sha256_of
from eval.gallery.spectra import extremes, mel_levels

FLOOR_DB: Final = -90.0
TOP_DB: Final = -10.0
"""The range of the colours, the same in every picture; 0 dB is a sine at full scale."""

RATE: Final = 32_000
"""Every picture shows 0 Hz to half of this."""

COLUMNS: Final = 960
ROWS: Final = 192
OUTLINE: Final = 320

_VERSION: Final = 1  # of the cached files: raise it when pictures or measures change


@dataclass(frozen=True)
class Rendering:
    """What is drawn and measured of one audio file.

    Parameters
    ----------
    sha256 : str
        Of the file.
    picture : bytes
        The mel spectrogram, WebP, `COLUMNS` x `ROWS` pixels, without axes.
    outline : str
        Base64 of `OUTLINE` pairs of signed bytes: the lowest and highest sample of each part.
    seconds : float
    rate, channels : int
        Of the file.
    found_bpm, found_key
        Estimated; None if nothing was found, or if it was not measured.
    measured : bool
        Whether tempo and key were looked for.
    """

    sha256: str
    picture: bytes
    outline: str
    seconds: float
    rate: int
    channels: int
    found_bpm: float | None = None
    found_key: str | None = None
    measured: bool = False


def render(track: Path, *, measure: bool = True) -> Rendering:
    """Draw and measure a track, or take it from the cache.

    Parameters
    ----------
    track : Path
        Audio of any kind.
    measure : bool
        Look for tempo and key.

    Raises
    ------
    AudioError
        The file can't be read or is no audio.
    """
    try:
        sha256 = sha256_of(track)
    except OSError as error:
        raise ChainError(f"can't read {str(track)!r}: {error.strerror}") from None
    kept = _recall(sha256)
    if kept is not None and (kept.measured or not measure):
        return kept
    clip = decode(track)
    found = _measures(clip) if measure else {}
    if kept is None:
        rendering = Rendering(
            sha256=sha256,
            picture=_picture(clip),
            outline=_outline(clip),
            seconds=clip.seconds,
            rate=clip.rate,
            channels=clip.channels,
            **found,
        )
    else:
        rendering = Rendering(**{**vars(kept), **found})
    _keep(rendering)
    return rendering


def _picture(clip: Clip) -> bytes:
    from PIL import Image

    levels = mel_levels(clip.mono().resampled(RATE), COLUMNS, ROWS)
    shades = np.clip((levels[::-1] - FLOOR_DB) / (TOP_DB - FLOOR_DB), 0.0, 1.0)
    content = io.BytesIO()
    Image.fromarray(colours(shades)).save(content, "WEBP", quality=84, method=4)
    return content.getvalue()


def _outline(clip: Clip) -> str:
    steps = np.rint(127.0 * extremes(clip, OUTLINE)).astype(np.int8)
    return base64.b64encode(steps.T.tobytes()).decode()


def _measures(clip: Clip) -> dict[str, Any]:
    from eval.gallery.hearing import hear

    heard = hear(clip)
    return {"found_bpm": heard.bpm, "found_key": heard.key, "measured": True}


def _place(sha256: str) -> Path:
    return cache_dir() / "gallery" / f"v{_VERSION}" / sha256[:2] / sha256[2:]


def _recall(sha256: str) -> Rendering | None:
    """What the cache holds, if it is whole."""
    place = _place(sha256)
    try:
        facts = json.loads(place.with_suffix(".json").read_text(encoding="utf-8"))
        picture = place.with_suffix(".webp").read_bytes()
        if facts.pop("picture") != hashlib.sha256(picture).hexdigest():
            return None
        return Rendering(sha256=sha256, picture=picture, **facts)
    except (OSError, ValueError, TypeError, AttributeError, KeyError):  # not there, or damaged
        return None


def _keep(rendering: Rendering) -> None:
    place = _place(rendering.sha256)
    facts = asdict(rendering)
    picture = facts.pop("picture")
    del facts["sha256"]
    facts["picture"] = hashlib.sha256(picture).hexdigest()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ChainError(
            f"can't make the cache folder {str(place.parent)!r}: {error.strerror}; "
            "set AUDIO_CHAIN_CACHE to another"
        ) from None
    write_whole(place.with_suffix(".webp"), io.BytesIO(picture))
    write_whole(place.with_suffix(".json"), io.BytesIO(json.dumps(facts).encode()))
