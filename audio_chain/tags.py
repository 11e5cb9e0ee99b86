"""What a track says about itself: tags that players show and that read back.

Title and comment go where players look for them: ID3v2.3 in mp3, Vorbis comments in flac and
ogg, an ID3 chunk in wav (beside the RIFF INFO fields that `encoding` writes). The rest goes
into fields of our own: ``TXXX`` frames, or comments of that name.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audio_chain.errors import AudioError
from audio_chain.files import StrPath, open_file, shown

# Tags' field: its name in the file. Vorbis' VERSION means a remix, so ours has a longer one.
_FIELDS = {
    "title": "TITLE",
    "comment": "COMMENT",
    "prompt": "PROMPT",
    "seed": "SEED",
    "model": "MODEL",
    "version": "AUDIO_CHAIN_VERSION",
}


@dataclass(frozen=True)
class Tags:
    """What is written into an audio file beside the sound. Empty fields are left out.

    Attributes
    ----------
    title, comment : str
        What a player shows.
    prompt, model, version : str
        What the generator was asked, which one it was, and the version of this program.
    seed : int or None
        The seed of the sampler.
    """

    title: str = ""
    prompt: str = ""
    seed: int | None = None
    model: str = ""
    version: str = ""
    comment: str = ""


def clean(text: str) -> str:
    """`text` as every tag format can hold it: no NUL, no lone surrogates."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def write_tags(audio: io.BytesIO, suffix: str, tags: Tags) -> None:
    """Put `tags` into the encoded file in `audio`, of the kind `suffix` (".wav", ".mp3" ...)."""
    from mutagen.flac import FLAC
    from mutagen.id3 import ID3
    from mutagen.oggvorbis import OggVorbis
    from mutagen.wave import WAVE

    fields = {name: clean(str(value)) for name, value in vars(tags).items() if value is not None}
    fields = {name: text for name, text in fields.items() if text}
    audio.seek(0)
    if suffix == ".mp3":
        id3 = ID3()  # not MP3(audio): that wants several MPEG frames, and a short clip has one
        _fill_id3(id3, fields)
        id3.save(audio, v2_version=3)
        return
    kinds: Mapping[str, Any] = {".wav": WAVE, ".flac": FLAC, ".ogg": OggVorbis}
    file = kinds[suffix](audio)
    if file.tags is None:
        file.add_tags()
    audio.seek(0)
    if suffix == ".wav":
        _fill_id3(file.tags, fields)
        file.save(audio, v2_version=3)
    else:
        for name, text in fields.items():
            file.tags[_FIELDS[name]] = [text]
        file.save(audio)


def _fill_id3(frames: Any, fields: Mapping[str, str]) -> None:
    from mutagen.id3 import COMM, TIT2, TXXX, Encoding

    for name, text in fields.items():
        if name == "title":
            frames.add(TIT2(encoding=Encoding.UTF16, text=[text]))
        elif name == "comment":
            frames.add(COMM(encoding=Encoding.UTF16, lang="eng", desc="", text=[text]))
        else:
            frames.add(TXXX(encoding=Encoding.UTF16, desc=_FIELDS[name], text=[text]))


def read_tags(path: StrPath) -> Tags:
    """Read the tags of a wav, flac, mp3 or ogg file; those it doesn't have are empty.

    Raises
    ------
    AudioError
        Nothing there, not readable, or not a file of these four kinds.
    """
    from mutagen import MutagenError
    from mutagen.flac import FLAC
    from mutagen.id3 import ID3
    from mutagen.oggvorbis import OggVorbis
    from mutagen.wave import WAVE

    name = shown(path)
    kinds: Mapping[bytes, Any] = {b"RIFF": WAVE, b"fLaC": FLAC, b"OggS": OggVorbis}
    with open_file(path) as raw, io.BufferedReader(raw) as file:
        head = file.read(4)
        file.seek(0)
        try:
            if head.startswith(b"ID3"):
                found = ID3(file)
            elif head in kinds:
                found = kinds[head](file).tags
            elif head.startswith(b"\xff"):  # mp3 without tags
                found = None
            else:
                raise AudioError(
                    f"{name} has no tags known here; give a wav, flac, mp3 or ogg (Vorbis) file"
                )
        except (MutagenError, EOFError, OSError, LookupError, ValueError) as error:
            # mutagen lets the plain ones out where lengths in a damaged file don't fit
            raise AudioError(
                f"the tags of {name} can't be read: it is damaged, cut off or of another kind"
            ) from error
    if found is None:
        return Tags()
    read = _read_id3 if isinstance(found, ID3) else _read_comments
    texts = {field: read(found, field) for field in _FIELDS}
    seed = texts.pop("seed")
    return Tags(seed=int(seed) if re.fullmatch(r"-?\d{1,40}", seed) else None, **texts)


def _read_id3(frames: Any, field: str) -> str:
    if field == "title":
        found = frames.getall("TIT2")
    elif field == "comment":
        found = [frame for frame in frames.getall("COMM") if frame.desc == ""]
    else:
        found = frames.getall(f"TXXX:{_FIELDS[field]}")
    return str(found[0].text[0]) if found and found[0].text else ""


def _read_comments(comments: Any, field: str) -> str:
    found = comments.get(_FIELDS[field])
    return str(found[0]) if found else ""
