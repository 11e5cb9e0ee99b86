"""Environments in the cache: made whole or not at all, checked before use, removed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final, Literal

from audio_chain.backends.packages import need_pip, pip_install
from audio_chain.backends.recipes import Recipe
from audio_chain.backends.worker import BackendError
from audio_chain.progress import Progress, silent
from audio_chain.weights.cache import (
    cache_dir,
    disk_errors,
    locked,
    offline_by_environment,
    remove_tree,
)

MARKER: Final = "audio-chain.json"
"""Written last into an environment: what it was made from. Without it, it isn't one."""

_SHARED: Final = ("numpy", "torch")
"""Packages of ours whose version the worker's compiled packages depend on."""


@dataclass(frozen=True)
class State:
    """What is known of an environment without starting it.

    Parameters
    ----------
    status : {"missing", "ready", "stale"}
        A stale one was made from something that has changed since.
    reason : str
        Why it is stale; "" otherwise.
    megabytes : float
        What it takes up on the disk, without what it shares with ours; 0 if missing.
    """

    status: Literal["missing", "ready", "stale"]
    reason: str = ""
    megabytes: float = 0.0


def folder_of(recipe: Recipe) -> Path:
    """Where the environment is, or would be."""
    return cache_dir() / "backends" / recipe.name


def log_of(recipe: Recipe) -> Path:
    """Where its worker's standard error goes."""
    return cache_dir() / "backends" / f"{recipe.name}.log"


def python_of(folder: Path) -> Path:
    """The interpreter of a virtual environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def state(recipe: Recipe) -> State:
    """Look whether the environment is there and fits what is installed here."""
    folder = folder_of(recipe)
    try:
        made = json.loads((folder / MARKER).read_text("utf-8"))
        megabytes = made["bytes"] / 1e6
        reason = _changed(recipe, folder, made)
    except FileNotFoundError:
        return State("missing")
    except (OSError, ValueError, KeyError, TypeError) as error:
        return State("stale", f"{folder / MARKER} can't be read ({error})")
    return State("stale" if reason else "ready", reason, megabytes)


def version_of(recipe: Recipe) -> str:
    """Version of the package that is installed; "" if none is."""
    try:
        made = json.loads((folder_of(recipe) / MARKER).read_text("utf-8"))
        return str(made["packages"][recipe.name])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _changed(recipe: Recipe, folder: Path, made: Mapping[str, Any]) -> str:
    """Say what has changed since the environment was made; "" if nothing that matters."""
    if made["recipe"] != recipe.key:
        return "audio-chain wants other packages in it now"
    if not python_of(folder).exists():
        return f"its Python, {made['python']}, is gone"
    for name, version in _versions(made["shares"]).items():
        if version != made["versions"][name]:
            return f"{name} was {made['versions'][name]} and is {version or 'gone'} now"
    return ""


def install(recipe: Recipe, *, again: bool = False, progress: Progress = silent) -> Path:
    """Make the environment, unless it is there and fits.

    It is built beside its place and then put there, so a process that is killed leaves nothing
    that could be taken for an environment, and a failure leaves an older one as it was. What pip
    has downloaded by then stays in pip's own cache.

    Parameters
    ----------
    recipe : Recipe
        Which.
    again : bool
        Make it anew even if it seems to fit.
    progress : Progress
        Told bytes on the disk, of about as many as it will take.

    Returns
    -------
    Path
        Its folder.

    Raises
    ------
    BackendError
        pip failed or isn't there, or the network is not to be used.
    WeightsError
        The cache can't be written to.
    """
    folder = folder_of(recipe)
    if not again and state(recipe).status == "ready":
        return folder
    if offline_by_environment():
        raise BackendError(
            f"{recipe.name} has to be downloaded and AUDIO_CHAIN_OFFLINE forbids it: unset it once"
        )
    need_pip()
    with locked(folder):
        if not again and state(recipe).status == "ready":  # another process was faster
            return folder
        staging = folder.with_name(f".{recipe.name}.new")
        try:
            with disk_errors(folder.parent):
                remove_tree(staging)  # left by a process that was killed
                staging.mkdir()
                _need_space(recipe, staging)
                _build(recipe, staging / "env", staging, progress)
                remove_tree(folder)
                os.replace(staging / "env", folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return folder


def remove(recipe: Recipe) -> float:
    """Remove the environment and its log, and return the megabytes freed."""
    folder = folder_of(recipe)
    freed = _bytes_in(folder) / 1e6
    if folder.parent.exists():
        with locked(folder), disk_errors(folder.parent):
            remove_tree(folder)
            remove_tree(folder.with_name(f".{recipe.name}.new"))
            log_of(recipe).unlink(missing_ok=True)
    return freed


def _need_space(recipe: Recipe, folder: Path) -> None:
    wanted = 2 * recipe.megabytes  # wheels and what is in them, for a moment
    free = shutil.disk_usage(folder).free / 1e6
    if free < wanted:
        raise BackendError(
            f"{recipe.name} needs {wanted} MB in {folder.parent} and {free:.0f} MB are free: free "
            "some, or set AUDIO_CHAIN_CACHE to a folder on a larger disk"
        )


def _build(recipe: Recipe, folder: Path, staging: Path, progress: Progress) -> None:
    """Fill `folder`, which is empty or not there, and sign it with the marker."""
    import venv

    scratch = staging / "scratch"
    scratch.mkdir()
    try:
        # no pip of its own: ours is used. Links, because a copied Python misses its libraries.
        venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    except subprocess.CalledProcessError as error:
        raise BackendError(f"cannot make a virtual environment: {error}") from error
    python = python_of(folder)
    packages = _site_packages(folder)
    shares = shared_folders()
    # at the end of the path, so that what the environment has itself comes first
    (packages / "zz-audio-chain.pth").write_text("\n".join(shares) + "\n", encoding="utf-8")
    versions = _versions(shares)
    # torch of another version would be gigabytes, and what is compiled for ours would break
    limits = staging / "limits.txt"
    limits.write_text(f"torch=={versions['torch'].split('+')[0]}\n", encoding="utf-8")
    expected = 1e6 * recipe.megabytes
    most = 0.0

    def poll() -> None:
        nonlocal most  # pip's temporary files come and go
        most = max(most, min(float(_bytes_in(staging)), 0.99 * expected))
        progress(most, expected)

    poll()
    rounds = [
        ["--constraint", str(limits), "--requirement", str(recipe.requirements)],
        ["--no-deps", "--requirement", str(recipe.bare)],
    ]
    if recipe.any_python:
        rounds[1].append("--ignore-requires-python")
    for arguments in rounds:
        pip_install(python, arguments, what=recipe.name, scratch=scratch, poll=poll)
    for pattern in recipe.unwanted:
        for path in packages.glob(pattern):
            path.unlink()
    made = {
        "backend": recipe.name,
        "recipe": recipe.key,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": sys.version.split()[0],
        "shares": shares,
        "versions": versions,
        "packages": {
            found.metadata["Name"]: found.version for found in distributions(path=[str(packages)])
        },
        "bytes": _bytes_in(folder),
    }
    (folder / MARKER).write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    progress(expected, expected)


def shared_folders() -> list[str]:
    """Where this process's packages are: the site-packages that it looks in, in order."""
    return [
        path
        for path in sys.path
        if Path(path).name in ("site-packages", "dist-packages") and Path(path).is_dir()
    ]


def _versions(shares: list[str]) -> dict[str, str]:
    """Versions of the packages whose change breaks an environment; "" for one that is gone."""
    found = {
        name: next((one.version for one in distributions(name=name, path=shares)), "")
        for name in _SHARED
    }
    return found


def _site_packages(folder: Path) -> Path:
    if os.name == "nt":
        return folder / "Lib" / "site-packages"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return folder / "lib" / version / "site-packages"


def _bytes_in(folder: Path) -> int:
    """Sum the sizes of the files below a folder, which may be changing."""
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                size += os.lstat(os.path.join(place, name)).st_size
            except FileNotFoundError:
                continue
    return size
