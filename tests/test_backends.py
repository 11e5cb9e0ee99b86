"""Environments of backends: venv and pip are the real ones, the package index is a folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_backends_worker import one_line
from test_weights import make_wheel

from audio_chain.backends import environments, recipes
from audio_chain.backends.commands import add
from audio_chain.backends.environments import MARKER, folder_of, install, remove, state
from audio_chain.backends.packages import _reason
from audio_chain.backends.recipes import RECIPES, Recipe, recipe
from audio_chain.backends.worker import BackendError, Worker
from audio_chain.backends.workers import check, open_worker
from audio_chain.errors import ChainError, UsageError
from audio_chain.weights.cache import locked

TESTS = Path(__file__).parent
ROOT = TESTS.parent

TOY = Recipe("toy", "worker_toys", "to test with", "MIT", megabytes=1)


def describe(folder: Path, needs: str, bare: str) -> None:
    """Write the two lists of the toy."""
    folder.mkdir(exist_ok=True)
    (folder / "toy.txt").write_text(needs)
    (folder / "toy.bare.txt").write_text(bare)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of wheels in the place of a package index."""
    folder = tmp_path_factory.mktemp("wheels")
    make_wheel(folder, "toy", {"toy/__init__.py": b"VERSION = '1.0'", "toy/lib/big.so": b"elf"})
    make_wheel(folder, "toy-part", {"toy_part.py": b"", "filelock/__init__.py": b"ours = False"})
    return folder


Settings = Callable[[pytest.MonkeyPatch, Path], None]


@pytest.fixture(scope="module")
def settings(index: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Make the toy a backend, and the folder pip's only source."""
    lists = tmp_path_factory.mktemp("lists")
    describe(lists, "# with what it needs\ntoy-part>=1\nnumpy>=1\n", "toy>=1\n")

    def apply(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
        for name in [name for name in os.environ if name.startswith(("PIP_", "AUDIO_CHAIN_"))]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("AUDIO_CHAIN_CACHE", str(cache))
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", str(index))
        monkeypatch.setattr(recipes, "_REQUIREMENTS", lists)
        monkeypatch.setattr(recipes, "RECIPES", {"toy": TOY})

    return apply


@pytest.fixture
def toy(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Recipe:
    """The toy, not installed."""
    settings(monkeypatch, tmp_path / "cache")
    return TOY


@pytest.fixture(scope="module")
def built(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the toy installed; not to be changed."""
    cache = tmp_path_factory.mktemp("built")
    with pytest.MonkeyPatch.context() as monkeypatch:
        settings(monkeypatch, cache)
        seen: list[tuple[float, float]] = []
        chosen = replace(TOY, unwanted=("toy/lib/*.so",))
        install(chosen, progress=lambda *step: seen.append(step))
        install(TOY)  # the recipe has changed by now
        assert seen[-1] == (1e6, 1e6)
        assert seen == sorted(seen)
    return cache


@pytest.fixture
def installed(built: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """The toy, installed; not to be changed."""
    settings(monkeypatch, built)
    return TOY


def worker(folder: Path, log: Path) -> Worker:
    python = environments.python_of(folder)
    return Worker("toy", python, "worker_toys", log=log, folders=(TESTS,))


def left(cache: Path) -> list[str]:
    """Names in the folder of backends, but for locks."""
    folder = cache / "backends"
    if not folder.exists():
        return []
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_shipped_recipes_are_complete() -> None:
    for name, one in RECIPES.items():
        assert recipe(name) is one
        assert one.requirements.is_file()
        assert one.bare.is_file()
        assert name in one.bare.read_text()
        module = ROOT.joinpath(*one.tasks.split(".")).with_suffix(".py")
        assert module.is_file()
    with pytest.raises(UsageError, match="there are frechet-audio-distance, audiocraft"):
        recipe("fadtk")


def test_an_environment_has_its_own_packages_first_and_then_ours(
    installed: Recipe, tmp_path: Path
) -> None:
    assert state(installed).status == "ready"
    assert 0.001 < state(installed).megabytes < 1
    folder = folder_of(installed)
    assert left(folder.parents[1]) == ["toy"]
    code = "import toy, toy_part, filelock, numpy; print(filelock.ours, numpy.__file__)"
    said = subprocess.run(
        [environments.python_of(folder), "-I", "-c", code],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    import numpy as np

    assert said == ["False", np.__file__]
    with worker(folder, tmp_path / "log") as started:
        assert started.call("check").values == {
            "did": "imported toy 1.0",
            "versions": {"toy": "1.0"},
        }


def test_the_marker_tells_what_an_environment_is_made_of(installed: Recipe) -> None:
    made = json.loads((folder_of(installed) / MARKER).read_text())
    assert made["backend"] == "toy"
    assert made["packages"] == {"toy": "1.0", "toy-part": "1.0"}  # NumPy is ours
    assert made["shares"] == environments.shared_folders()
    assert set(made["versions"]) == {"torch", "numpy"}


def test_unwanted_files_are_removed(toy: Recipe) -> None:
    chosen = replace(toy, unwanted=("toy/lib/*.so",))
    folder = install(chosen)
    assert list(folder.rglob("toy/__init__.py"))
    assert not list(folder.rglob("big.so"))


def test_what_is_installed_is_not_installed_again(
    installed: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    monkeypatch.setenv("AUDIO_CHAIN_OFFLINE", "1")
    assert install(installed) == folder_of(installed)
    with pytest.raises(BackendError, match="AUDIO_CHAIN_OFFLINE forbids it"):
        install(installed, again=True)


def test_remove_leaves_nothing(toy: Recipe, tmp_path: Path) -> None:
    assert remove(toy) == 0
    folder = install(toy)
    environments.log_of(toy).write_text("said")
    assert remove(toy) == pytest.approx(state(toy).megabytes, abs=1)
    assert not folder.exists()
    assert left(tmp_path / "cache") == []
    assert state(toy).status == "missing"


def test_a_half_made_environment_is_none(toy: Recipe) -> None:
    folder = folder_of(toy)
    (folder / "bin").mkdir(parents=True)
    assert state(toy).status == "missing"
    with pytest.raises(BackendError, match="run `audio-chain backends install toy`"):
        open_worker("toy")
    (folder / MARKER).write_text("{")
    assert state(toy).status == "stale"
    install(toy)
    assert state(toy).status == "ready"


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("recipe", "another", "audio-chain wants other packages in it now"),
        ("versions", {"torch": "1.0", "numpy": "1.0"}, "numpy was 1.0 and is "),
        ("shares", ["/nowhere"], "and is gone now"),
    ],
)
def test_an_environment_that_no_longer_fits_is_stale(
    built: Path, toy: Recipe, key: str, value: Any, reason: str
) -> None:
    made = json.loads((built / "backends" / "toy" / MARKER).read_text())
    folder = folder_of(toy)
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    (folder / MARKER).write_text(json.dumps({**made, key: value}))
    assert reason in state(toy).reason
    with pytest.raises(BackendError, match="has to be installed again"):
        open_worker("toy")


def test_a_python_that_is_gone(built: Path, toy: Recipe) -> None:
    folder = folder_of(toy)
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to("/nowhere/python3")
    (folder / MARKER).write_text((built / "backends" / "toy" / MARKER).read_text())
    assert state(toy).reason.startswith("its Python, ")


def test_a_failure_leaves_the_environment_before_it(toy: Recipe, tmp_path: Path) -> None:
    folder = install(toy)
    describe(recipes._REQUIREMENTS, "toy-part>=1\n", "toy>=1\n")  # other lists from now on
    try:
        assert state(toy).status == "stale"
        describe(recipes._REQUIREMENTS, "toy-part>=1\nno-such-package\n", "toy>=1\n")
        with pytest.raises(BackendError) as error:
            install(toy)
        message = one_line(error)
        assert message.startswith("cannot install toy: pip's package index cannot be reached or ha")
        assert "no-such-package" in message
        assert list(folder.rglob("toy_part.py"))
        assert left(tmp_path / "cache") == ["toy"]
    finally:
        describe(recipes._REQUIREMENTS, "# with what it needs\ntoy-part>=1\nnumpy>=1\n", "toy>=1\n")


def test_an_index_that_cannot_be_reached(toy: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(BackendError, match=r"cannot reach its package index|cannot be reached"):
        install(toy)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
         "no space left; free some"),
        ("WARNING: Retrying ... Temporary failure in name resolution\nERROR: No matching ...",
         "pip cannot reach its package index (Temporary failure in name resolution)"),
        ("ERROR: Package 'x' requires a different Python: 3.11.7 not in '<3.11'",
         "pip says: Package 'x' requires a different Python: 3.11.7 not in '<3.11'"),
        ("  error: command 'gcc' failed: No such file or directory",
         "pip says: command 'gcc' failed: No such file or directory"),
        ("Killed", "pip says: Killed"),
        ("", "pip says: nothing"),
    ],
)  # fmt: skip
def test_reasons_of_pip(said: str, reason: str) -> None:
    assert _reason(said).startswith(reason)


def test_no_space_is_said_beforehand(toy: Recipe, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"needs 2000000000 MB in .* AUDIO_CHAIN_CACHE"):
        install(replace(toy, megabytes=10**9))
    assert left(tmp_path / "cache") == []


def test_a_cache_that_cannot_be_written(
    toy: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AUDIO_CHAIN_CACHE", str(tmp_path / "file"))
    with pytest.raises(ChainError, match="AUDIO_CHAIN_CACHE"):
        install(toy)


class Stop(BaseException):
    """What a caller raises in its progress to be rid of the installation."""


def test_an_installation_that_is_stopped_leaves_nothing(toy: Recipe, tmp_path: Path) -> None:
    calls = 0

    def progress(done: float, total: float) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Stop

    with pytest.raises(Stop):
        install(toy, progress=progress)
    assert left(tmp_path / "cache") == []


INSTALL = """
import sys
from audio_chain.backends import recipes
from audio_chain.backends.environments import install
from pathlib import Path
recipes._REQUIREMENTS = Path(sys.argv[1])
toy = recipes.Recipe("toy", "worker_toys", "to test with", "MIT", megabytes=1)
print(install(toy, progress=lambda done, total: print(done, file=sys.stderr, flush=True)))
"""


def start_install() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", INSTALL, str(recipes._REQUIREMENTS)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_make_one_environment_after_one_was_killed(toy: Recipe) -> None:
    killed = start_install()
    assert killed.stderr is not None
    killed.stderr.readline()  # it has begun
    killed.kill()
    killed.communicate()
    assert state(toy).status == "missing"
    both = [start_install() for _ in range(2)]
    said = [process.communicate() for process in both]
    assert [out.strip() for out, _ in said] == [str(folder_of(toy))] * 2
    assert sorted(bool(errors.strip()) for _, errors in said)[1]
    assert state(toy).status == "ready"
    with locked(folder_of(toy)):
        assert left(folder_of(toy).parents[1]) == ["toy"]


# --- commands -------------------------------------------------------------------------------


Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run ``audio-chain backends …`` and return its exit code and what it printed."""
    import argparse

    parser = argparse.ArgumentParser()
    add(parser.add_subparsers())

    def run(*arguments: str) -> tuple[int, str]:
        chosen = parser.parse_args(["backends", *arguments])
        code: int = chosen.command(chosen)
        return code, capsys.readouterr().out

    return run


def test_commands_from_install_to_remove(
    toy: Recipe, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audio_chain.backends.commands.RECIPES", recipes.RECIPES)
    assert command("list") == (0, f"{'toy':<24}{'missing':<9}{'':<9}to test with\n")
    with pytest.raises(ChainError, match="no backend is installed"):
        command("check")
    code, said = command("install", "toy")
    assert (code, said.split()[0]) == (0, "toy")
    assert str(folder_of(toy)) in said
    rows = json.loads(command("list", "--json")[1])
    assert rows["toy"]["state"] == "ready"
    code, said = command("check", "--json")  # the toy's tasks aren't where the worker looks
    assert code == 1
    assert "No module named 'worker_toys'" in json.loads(said)["toy"]["did"]
    code, said = command("remove", "toy")
    assert (code, said.split()[0]) == (0, "toy")
    assert state(toy).status == "missing"
    with pytest.raises(UsageError, match="there is no backend 'toys'"):
        command("install", "toys")


# --- the real ones --------------------------------------------------------------------------


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("name", list(RECIPES))
def test_a_real_backend_installs_and_works(name: str) -> None:
    """In the user's cache, once a machine."""
    install(recipe(name))
    assert state(recipe(name)).megabytes < 100
    found = check(name)
    assert name in found["versions"]
