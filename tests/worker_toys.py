"""Tasks for the tests of workers, run by the interpreter that runs the tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Final

from audio_chain.backends.serve import Job, Reply
from audio_chain.errors import UsageError

print("a library prints while it is imported")


def echo(job: Job) -> Reply:
    """Give everything back."""
    return Reply(job.values, {name: array[...] for name, array in job.arrays.items()})


def who(job: Job) -> Reply:
    """Tell the process id, and whether numpy has been imported."""
    return Reply({"pid": os.getpid(), "numpy": "numpy" in sys.modules, "path": sys.path})


def noise(job: Job) -> Reply:
    """Print in every way there is, and read standard input."""
    print("printed by Python")
    os.write(1, b"written to descriptor 1\n")
    subprocess.run([sys.executable, "-c", "print('printed by a child')"], check=True)
    return Reply({"read": sys.stdin.read()})


def count(job: Job) -> Reply:
    """Report each of many steps."""
    for step in range(job.values["steps"]):
        job.progress(step + 1, job.values["steps"])
        time.sleep(job.values.get("pause", 0))
    return Reply()


def fail(job: Job) -> Reply:
    """Raise something."""
    kinds = {"usage": UsageError, "memory": MemoryError, "import": ImportError}
    raise kinds.get(job.values["kind"], ValueError)(job.values["message"])


def end(job: Job) -> Reply:
    """End without an answer."""
    if number := job.values.get("signal"):
        os.kill(os.getpid(), number)
    os._exit(job.values.get("code", 0))


def hang(job: Job) -> Reply:
    """Do nothing for a minute, with a child, deaf to polite signals if asked to be."""
    if job.values.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    job.progress(child.pid, 0)
    time.sleep(60)
    return Reply()


def check(job: Job) -> Reply:
    """What `audio-chain backends check` runs."""
    import toy  # type: ignore[import-not-found]

    return Reply({"did": f"imported toy {toy.VERSION}", "versions": {"toy": toy.VERSION}})


TASKS: Final = {
    "echo": echo,
    "who": who,
    "noise": noise,
    "count": count,
    "fail": fail,
    "end": end,
    "hang": hang,
    "check": check,
}
