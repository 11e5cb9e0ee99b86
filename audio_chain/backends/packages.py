"""pip, run inside an environment that is being made: quiet, killable, its failures one line."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from audio_chain.backends.worker import BackendError
from audio_chain.weights.wheels import UNREACHABLE

_POLL_S: Final = 0.5
_GRACE_S: Final = 5.0


def need_pip() -> None:
    """Raise `BackendError` if this Python has no pip to make environments with."""
    if importlib.util.find_spec("pip") is None:
        raise BackendError(f"this Python has no pip: run `{sys.executable} -m ensurepip` first")


def pip_install(
    python: Path, arguments: Sequence[str], *, what: str, scratch: Path, poll: Callable[[], None]
) -> None:
    """Run our pip with the environment's `python`; the user's index settings count.

    Parameters
    ----------
    python : path
        The environment's interpreter.
    arguments : sequence of str
        What to install, and how.
    what : str
        For messages.
    scratch : path
        A folder for pip's temporary files and its log.
    poll : callable
        Called now and then; what it raises stops pip.

    Raises
    ------
    BackendError
        pip failed; the message says why, as far as that can be told.
    """
    command = [str(python), "-I", "-m", "pip", "install", "--no-input", "--prefer-binary"]
    command += ["--disable-pip-version-check", "--no-warn-script-location", "--progress-bar", "off"]
    log_path = scratch / "pip.log"
    # pip builds some packages: what they are built with must not be looked for elsewhere
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
    }
    places = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))
    environment |= {**places, "PYTHONIOENCODING": "utf-8", "PIP_USER": "0"}
    with log_path.open("w+", encoding="utf-8", errors="replace") as log:
        pip = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=os.name != "nt",
        )
        try:
            while _still_running(pip):
                poll()
        except BaseException:
            _end(pip)
            raise
        log.seek(0)
        said = log.read()
    if pip.returncode != 0:
        raise BackendError(f"cannot install {what}: {_reason(said)}")


def _still_running(pip: subprocess.Popen[bytes]) -> bool:
    try:
        pip.wait(_POLL_S)
    except subprocess.TimeoutExpired:
        return True
    return False


def _end(pip: subprocess.Popen[bytes]) -> None:
    """Stop pip and the builds that it has started."""
    if pip.poll() is not None:
        return
    if os.name == "nt":
        pip.terminate()
        pip.wait()
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(pip.pid, number)
        with suppress(subprocess.TimeoutExpired):
            pip.wait(_GRACE_S)
            return
    pip.wait()


def _reason(said: str) -> str:
    """Turn what pip said into what to do."""
    if "No space left on device" in said or "Disk quota exceeded" in said:
        return (
            "no space left; free some, or set AUDIO_CHAIN_CACHE to a folder on a larger disk "
            "(and PIP_CACHE_DIR, for what pip keeps)"
        )
    if found := UNREACHABLE.search(said):
        return (
            f"pip cannot reach its package index ({found[0]}); check the network and "
            "`pip config list`, then try again"
        )
    if found := re.search(r"No matching distribution found for (\S+)", said):
        return (
            f"pip's package index cannot be reached or has no {found[1]} for Python "
            f"{sys.version_info.major}.{sys.version_info.minor}; check the network and "
            "`pip config list`, then try again"
        )
    errors = re.findall(r"^ *(?:ERROR|error): (.+)$", said, re.MULTILINE)
    lines = errors or said.strip().splitlines() or ["nothing"]
    return f"pip says: {(lines[0] if errors else lines[-1])[:300]}"
