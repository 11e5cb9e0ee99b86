"""Workers: a real process run by this interpreter, and everything that can happen to it."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio_chain.backends.worker import BackendError, Worker
from audio_chain.errors import ChainError, UsageError

TESTS = Path(__file__).parent
ROOT = TESTS.parent

posix = pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "toys.log"


def toys(log: Path, **changes: Any) -> Worker:
    settings = {"python": Path(sys.executable), "module": "worker_toys", "folders": (TESTS,)}
    return Worker("toys", log=log, **{**settings, **changes})


@pytest.fixture
def worker(log: Path) -> Iterator[Worker]:
    with toys(log) as started:
        yield started


def pid_of(worker: Worker) -> int:
    pid: int = worker.call("who").values["pid"]
    return pid


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and wasn't waited for doesn't."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        os.kill(pid, 0)
        return not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def gone(pid: int, seconds: float = 5.0) -> bool:
    """Wait for a process to end."""
    deadline = time.monotonic() + seconds
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_alive(pid)


def one_line(error: pytest.ExceptionInfo[ChainError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    assert "Traceback" not in message
    return message


def test_any_text_and_number_comes_back(worker: Worker) -> None:
    values = {
        "text": 'über "naïve" 音楽 🎹\n{"id": 1, "values": {}}\r\n\x00\x1b[31m',
        "lone": "half a pair: \ud83c",
        "bytes": os.fsdecode(b"file-\xff.wav"),
        "long": "la " * 500_000,
        "numbers": [0, -1.5e-300, 2**62, True, None],
        "deep": {"a": {"b": [{}]}},
    }
    assert worker.call("echo", values).values == values


def test_arrays_of_every_kind_come_back(worker: Worker) -> None:
    random = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        "large": random.standard_normal((1_000_000, 4)).astype(np.float32),
        "fortran": np.asfortranarray(random.standard_normal((30, 40))),
        "empty": np.zeros((0, 7)),
        "number": np.array(1 + 2j),
        "strange": np.array([np.nan, np.inf, -0.0]),
    }
    answer = worker.call("echo", {"kept": 1}, arrays=arrays)
    assert answer.values == {"kept": 1}
    for name, array in arrays.items():
        np.testing.assert_array_equal(answer.arrays[name], array)
        assert answer.arrays[name].dtype == array.dtype


def test_objects_are_not_pickled(worker: Worker) -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        worker.call("echo", arrays={"objects": np.array([{}], dtype=object)})
    assert worker.call("echo", {"still": "there"}).values == {"still": "there"}


def test_files_of_arrays_do_not_pile_up(worker: Worker) -> None:
    for _ in range(3):
        worker.call("echo", arrays={"a": np.ones(10)})
    assert worker._running is not None
    assert list(worker._running.folder.iterdir()) == []


def test_what_libraries_print_goes_to_the_log(worker: Worker, log: Path) -> None:
    assert worker.call("noise").values == {"read": ""}
    assert worker.call("echo", {"x": 1}).values == {"x": 1}
    said = log.read_text()
    for text in ("while it is imported", "by Python", "to descriptor 1", "by a child"):
        assert text in said


def test_the_protocol_needs_no_numpy(worker: Worker) -> None:
    assert worker.call("who").values["numpy"] is False


def test_neither_the_working_folder_nor_pythonpath_is_imported_from(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with toys(log) as worker:
        path = worker.call("who").values["path"]
    assert str(tmp_path) not in path
    assert "" not in path
    assert path[-2:] == [str(ROOT), str(TESTS)]


def test_progress_arrives_in_order_and_to_the_end(worker: Worker) -> None:
    seen: list[tuple[float, float]] = []
    worker.call("count", {"steps": 5000}, progress=lambda *step: seen.append(step))
    assert seen[-1] == (5000, 5000)
    assert seen == sorted(seen)
    assert len(seen) < 1000  # a flood of steps isn't a flood of messages


def test_a_failure_is_one_line_and_its_traceback_is_in_the_log(worker: Worker, log: Path) -> None:
    with pytest.raises(BackendError) as error:
        worker.call("fail", {"kind": "value", "message": "two\nlines, " + "long " * 200})
    message = one_line(error)
    assert message.startswith("toys failed: ValueError: two lines, long")
    assert message.endswith(f"the traceback is in {log}")
    assert len(message) < 500
    assert "worker_toys.py" in log.read_text()
    pid_of(worker)  # it is still there


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("usage", "toys: no such thing"),
        ("memory", "toys ran out of memory: ask for less at a time (no such thing)"),
        ("import", "the environment of toys is damaged (no such thing): run `audio-chain"),
    ],
)
def test_failures_say_what_to_do(worker: Worker, kind: str, expected: str) -> None:
    with pytest.raises(UsageError if kind == "usage" else BackendError) as error:
        worker.call("fail", {"kind": kind, "message": "no such thing"})
    assert one_line(error).startswith(expected)


def test_an_unknown_task_is_a_failure(worker: Worker) -> None:
    with pytest.raises(BackendError, match="toys failed: KeyError: 'nothing'"):
        worker.call("nothing")


def test_a_worker_stays_for_the_next_call(worker: Worker) -> None:
    assert pid_of(worker) == pid_of(worker)


def test_a_worker_that_ended_is_told_of_and_replaced(worker: Worker, log: Path) -> None:
    first = pid_of(worker)
    with pytest.raises(BackendError, match=f"toys ended with exit code 3; .* {log}"):
        worker.call("end", {"code": 3})
    assert pid_of(worker) != first


@posix
@pytest.mark.parametrize(
    ("number", "said"), [("SIGSEGV", "Segmentation fault"), ("SIGKILL", "for want of memory")]
)
def test_a_crash_is_told_of(worker: Worker, log: Path, number: str, said: str) -> None:
    with pytest.raises(BackendError, match=said):
        worker.call("end", {"signal": signal.Signals[number].value})
    if number == "SIGSEGV":
        assert "Fatal Python error: Segmentation fault" in log.read_text()


def test_a_worker_killed_between_calls_is_replaced(worker: Worker) -> None:
    first = pid_of(worker)
    assert worker._running is not None
    worker._running.process.kill()
    worker._running.process.wait(5)
    assert pid_of(worker) != first


@posix
def test_a_hung_worker_is_stopped_with_its_children(worker: Worker, log: Path) -> None:
    seen: list[float] = []
    pid = pid_of(worker)
    with pytest.raises(BackendError, match=r"said nothing for 0\.5 s and was stopped"):
        worker.call("hang", {}, progress=lambda done, _: seen.append(done), patience=0.5)
    assert gone(pid)
    assert gone(int(seen[0]))
    assert "in hang" in log.read_text()  # where it hung


@posix
def test_a_deaf_worker_is_stopped_too(worker: Worker) -> None:
    seen: list[float] = []
    with pytest.raises(BackendError, match="said nothing"):
        worker.call(
            "hang", {"deaf": True}, progress=lambda done, _: seen.append(done), patience=0.5
        )
    assert gone(int(seen[0]))


def test_steps_are_signs_of_life(worker: Worker) -> None:
    worker.call("count", {"steps": 6, "pause": 0.5}, patience=2.5)


class Stop(BaseException):
    """What a caller raises in its progress to be rid of the task."""


@pytest.mark.parametrize("task", ["hang", "count"])
def test_an_abandoned_call_ends_the_worker(worker: Worker, task: str) -> None:
    """In a task that reports steps at the next one, in a silent one at the next heartbeat."""
    pid = pid_of(worker)
    calls = 0

    def progress(done: float, total: float) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Stop

    start = time.monotonic()
    with pytest.raises(Stop):
        worker.call(task, {"steps": 100, "pause": 0.1}, progress=progress)
    assert time.monotonic() - start < 4
    assert gone(pid)
    assert worker.call("echo", {"next": 1}).values == {"next": 1}


def test_threads_take_turns(worker: Worker) -> None:
    answers: dict[int, Any] = {}

    def ask(number: int) -> None:
        answers[number] = worker.call("echo", {"number": number}).values["number"]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: number for number in range(8)}


def test_close_and_the_end_of_the_object_stop_the_process(log: Path) -> None:
    worker = toys(log)
    worker.close()  # never started: nothing to do
    pid = pid_of(worker)
    worker.close()
    assert gone(pid)
    pid = pid_of(worker)
    assert worker._running is not None
    folder = worker._running.folder
    assert folder.is_dir()
    del worker
    gc.collect()
    assert gone(pid)
    assert not folder.exists()


def test_a_module_that_cannot_be_imported(log: Path) -> None:
    with toys(log, module="no_such_module") as worker, pytest.raises(BackendError) as error:
        worker.call("echo")
    assert one_line(error).startswith(
        "the environment of toys is damaged (No module named 'no_such_module')"
    )


def test_an_interpreter_that_is_not_there(log: Path) -> None:
    missing = toys(log, python=Path("/nowhere/python"))
    with missing as worker, pytest.raises(BackendError, match="can't be started"):
        worker.call("echo")


def test_something_else_that_speaks(log: Path, tmp_path: Path) -> None:
    """An interpreter that ends at once, saying nothing."""
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\nexit 7\n")
    script.chmod(0o755)
    with toys(log, python=script) as worker, pytest.raises(BackendError, match="exit code 7"):
        worker.call("echo")


def test_a_large_log_starts_anew(log: Path) -> None:
    log.parent.mkdir()
    log.write_bytes(b"x" * (2 << 20))
    with toys(log) as worker:
        worker.call("echo")
    assert log.stat().st_size < 1000


PARENT = """
import sys
from pathlib import Path
from audio_chain.backends.worker import Worker
worker = Worker("toys", Path(sys.executable), "worker_toys", log=Path(sys.argv[1]),
                folders=(Path(sys.argv[2]),))
print(worker.call("who").values["pid"], worker._running.folder, flush=True)
worker.call("hang", progress=lambda child, total: print(int(child), flush=True))
"""


def start_parent(log: Path) -> tuple[subprocess.Popen[str], int, Path, int]:
    """A process in the middle of a call; the worker's id and folder, its child's id."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(log), str(TESTS)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert parent.stdout is not None
    pid, folder = parent.stdout.readline().split(maxsplit=1)
    return parent, int(pid), Path(folder.strip()), int(parent.stdout.readline())


@posix
def test_a_worker_ends_when_its_parent_is_killed(log: Path) -> None:
    parent, pid, folder, child = start_parent(log)
    assert is_alive(pid)
    parent.kill()
    parent.communicate()
    assert gone(pid)
    assert gone(child)
    assert not folder.exists()


@posix
def test_ctrl_c_reaches_the_parent_only_and_it_stops_the_worker(log: Path) -> None:
    parent, pid, folder, child = start_parent(log)
    os.killpg(parent.pid, signal.SIGINT)  # as a terminal does
    _, errors = parent.communicate(timeout=10)
    assert errors.strip().endswith("KeyboardInterrupt")
    assert gone(pid)
    assert gone(child)
    assert not folder.exists()
    assert "KeyboardInterrupt" not in log.read_text()
