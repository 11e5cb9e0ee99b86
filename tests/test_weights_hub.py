"""Weights from the hub: its client is the real one, the hub a small server on the loopback.

The client reads its environment when it is imported, so each test runs it in a fresh process.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from audio_chain.weights import Hub

ROOT = Path(__file__).resolve().parents[1]


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


@pytest.mark.parametrize(
    "pattern", ["*", "*.bin", "pytorch_model.bin", "*.pt", "model.*", "x.ckpt"]
)
def test_hub_patterns_that_could_fetch_pickles_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="pickled"):
        Hub("org/name", "main", (pattern,))


def test_hub_sources_know_whether_they_are_pinned() -> None:
    assert Hub("org/name", "0" * 40, ("*.json",)).pinned
    assert not Hub("org/name", "main", ("*.json", "model.bin")).pinned
    with pytest.raises(ValueError, match="not the name of a hub repository"):
        Hub("../etc", "main", ("*.json",))


COMMIT = "c" * 40
REPOSITORY = {
    "config.json": b'{"model_type": "toy"}',
    "model.safetensors": struct.pack("<Q", 2) + b"{}" + bytes(4000),
    "pytorch_model.bin": pickle.dumps({"never": "fetched"}),
}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A hub on the loopback that has one repository; yields the files it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None: ...

        def do_HEAD(self) -> None:
            self.do_GET(body=False)

        def do_GET(self, body: bool = True) -> None:
            path = self.path.split("?")[0]
            if path.startswith("/api/models/org/absent/"):
                self.refuse(404, "RepoNotFound")
            elif path.startswith(f"/org/gated/resolve/{COMMIT}/"):
                self.refuse(403, "GatedRepo")
            elif path.endswith(f"/revision/{COMMIT}"):
                facts = {"id": "org/toy", "modelId": "org/toy", "sha": COMMIT, "siblings": []}
                self.answer(json.dumps(facts).encode(), {"Content-Type": "application/json"}, body)
            elif path.endswith(f"/tree/{COMMIT}"):
                tree = [
                    {"type": "file", "path": name, "size": len(data), "oid": git_blob(data)}
                    for name, data in REPOSITORY.items()
                ]
                self.answer(json.dumps(tree).encode(), {"Content-Type": "application/json"}, body)
            elif (name := path.removeprefix(f"/org/toy/resolve/{COMMIT}/")) in REPOSITORY:
                asked.append(name)
                data = REPOSITORY[name]
                tags = {"ETag": f'"{git_blob(data)}"', "X-Repo-Commit": COMMIT}
                self.answer(data, tags, body)
            else:
                self.send_error(404)

        def refuse(self, status: int, code: str) -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def answer(self, data: bytes, headers: dict[str, str], body: bool) -> None:
            self.send_response(200)
            for name, value in (headers | {"Content-Length": str(len(data))}).items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(data)

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("AUDIO_CHAIN_OFFLINE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    with served(Handler) as url:
        monkeypatch.setenv("HF_ENDPOINT", url)
        yield asked


def git_blob(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def ask_hub(code: str) -> Any:
    """Run code in a fresh process, where the hub's client reads its environment; it prints JSON."""
    start = (
        "import json, sys\nfrom pathlib import Path\nfrom audio_chain import weights\n"
        "from audio_chain.weights import Hub, WeightsError\n"
        f"toy = Hub('org/toy', '{COMMIT}', ('*.json', '*.safetensors'))\n"
    )
    command = [sys.executable, "-c", start + code]
    process = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])


def test_hub_snapshot_is_fetched_verified_and_removed(hub: list[str]) -> None:
    answer = ask_hub("""
seen = []
before = weights.is_cached(toy)
folder = weights.fetch(toy, progress=lambda done, total: seen.append((done, total)))
again = weights.fetch(toy, offline=True)
weights.verify(toy)
names = sorted(path.name for path in folder.iterdir())
size = weights.size_on_disk(toy)
blob = (folder / "config.json").resolve()
blob.chmod(0o644)
blob.write_bytes(blob.read_bytes().replace(b"toy", b"yot"))
try:
    weights.verify(toy)
    found = ""
except WeightsError as error:
    found = str(error)
freed = weights.remove(toy)
print(json.dumps([before, str(folder) == str(again), names, size, seen[-1], found, freed,
                  weights.is_cached(toy)]))
""")
    before, same, names, size, last, found, freed, after = answer
    wanted = ["config.json", "model.safetensors"]
    total = sum(len(REPOSITORY[name]) for name in wanted)
    assert (before, same, names, after) == (False, True, wanted, False)
    assert size == freed == total
    assert last[0] == last[1] == total
    assert "config.json has changed" in found
    assert "pytorch_model.bin" not in hub


def test_hub_that_does_not_answer_is_one_line(
    hub: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed_port()}")
    started = time.monotonic()
    messages = ask_hub("""
said = []
for offline in (False, True):
    try:
        weights.fetch(toy, offline=offline)
    except WeightsError as error:
        said.append(str(error))
print(json.dumps(said))
""")
    assert time.monotonic() - started < 20
    assert len(messages) == 2
    assert not any("\n" in message for message in messages)
    assert messages[0].startswith("cannot fetch org/toy from the hub: ")
    assert "network is not to be used" in messages[1]


def test_hub_refusals_are_one_line(hub: list[str]) -> None:
    absent, gated = ask_hub("""
said = []
for repo, revision in (("org/absent", "main"), ("org/gated", toy.revision)):
    try:
        weights.fetch(Hub(repo, revision, toy.patterns))
    except WeightsError as error:
        said.append(str(error))
print(json.dumps(said))
""")
    assert "the hub has no org/absent" in absent
    assert "\n" not in absent
    assert "org/gated is gated" in gated
    assert "hf auth login" in gated
    assert "\n" not in gated
