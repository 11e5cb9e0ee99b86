"""Files by name: shown safely, opened or written whole, each failure one clear line."""

from __future__ import annotations

import errno
import io
import json
import os
import secrets
import stat
from pathlib import Path
from typing import Any

from audio_chain.errors import AudioError, AudioUsageError, ChainError, UsageError

StrPath = str | os.PathLike[str]


def shown(path: StrPath) -> str:
    r"""A path for a message: quoted, with newlines and undecodable bytes escaped.

    Examples
    --------
    >>> print(shown("two\nlines.wav"))
    'two\nlines.wav'
    """
    return repr(os.fspath(path))


def open_file(path: StrPath) -> io.FileIO:
    """Open `path` for reading; every way that fails becomes one clear line."""
    name = shown(path)
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise AudioUsageError(f"{name} is a folder; give one audio file")
        if not stat.S_ISREG(status.st_mode):
            raise AudioUsageError(f"{name} is not a regular file; save the recording first")
        file = io.FileIO(path, "r")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise AudioUsageError(f"there is no file {name}; check the path") from error
    except PermissionError as error:
        raise AudioUsageError(
            f"no permission to read {name}; change its permissions or copy it"
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise AudioUsageError(f"can't open {name}: {reason}; check the path") from error
    if status.st_size == 0:
        file.close()
        raise AudioError(f"{name} is empty (0 bytes); copy or record it again")
    return file


def make_folder(folder: Path) -> None:
    """Make the folder that a person named with ``-o``, if it isn't there; raise ``ChainError``."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ChainError(
            f"can't make the folder {shown(folder)}: {error.strerror}; choose another with -o"
        ) from error


def write_whole(path: Path, content: io.BytesIO) -> None:
    """Write `content` to `path` under another name in its folder, then rename it."""
    name = shown(path)
    partial = path.parent / f".{secrets.token_hex(8)}.part"
    try:
        try:
            with open(partial, "xb") as file:
                file.write(content.getbuffer())
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise AudioUsageError(f"can't write {name}: no folder {shown(path.parent)}") from error
    except IsADirectoryError as error:
        raise AudioUsageError(f"can't write {name}: it is a folder; give a file name") from error
    except PermissionError as error:
        raise AudioUsageError(
            f"no permission to write {name}; choose another folder or change its permissions"
        ) from error
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            raise AudioError(
                f"no space left to write {name}; free some or choose another folder"
            ) from error
        reason = getattr(error, "strerror", None) or str(error)
        raise AudioError(f"can't write {name}: {reason}; choose another name or folder") from error


def read_json(path: Path, what: str) -> dict[str, Any]:
    """Read a JSON object, for instance a brief.

    Raises
    ------
    UsageError
        There is no such file, or it is something else; the message calls it `what`.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"there is no file {shown(path)}; check the path of the {what}") from None
    except OSError as error:
        raise UsageError(f"can't read the {what} {shown(path)}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"the {what} {shown(path)} is not JSON: {reason}") from None
    if not isinstance(value, dict):
        raise UsageError(f"the {what} {shown(path)} is not a JSON object")
    return value
