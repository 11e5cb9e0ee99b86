"""What the tests share: one thread, the shipped memos, and the real models, loaded once."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from audio_chain.later import THREAD

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: two on busy cores are far slower
os.environ.setdefault("TQDM_DISABLE", "1")  # as the program does before it imports anything
if shutil.which("nvidia-smi") is None:
    os.environ.setdefault("TRITON_INTERPRET", "1")  # our kernels run on a CPU then, slowly

settings.register_profile("any-machine", deadline=None)  # a busy machine is no failure
settings.load_profile("any-machine")

if TYPE_CHECKING:
    from audio_chain import Chain, Run

EXAMPLES = Path(__file__).parents[1] / "examples" / "memos"


@pytest.fixture(scope="session")
def memos() -> dict[str, Path]:
    """The shipped voice memos, by name without suffix."""
    return {path.stem: path for path in EXAMPLES.iterdir() if path.suffix not in (".py", ".tsv")}


@pytest.fixture(scope="session")
def chain() -> Chain:
    """The default chain, its models kept in memory. Fetches the weights once a machine."""
    from audio_chain import Chain

    return Chain.from_preset("offline")


@pytest.fixture(scope="session")
def memo_run(chain: Chain, memos: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One whole run on the demo memo, 2 s of music. Its folder is not to be changed."""
    from audio_chain import MemoRequest

    request = MemoRequest(memo=memos["rainy-evening"], seconds=2.0, seed=7)
    return chain.run(request, folder=tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture(autouse=True)
def nothing_loads_on() -> Iterator[None]:
    """Wait for models that a failed run was loading ahead: see `audio_chain.building`."""
    yield
    for thread in threading.enumerate():
        if thread.name == THREAD:
            thread.join()
