"""Workers of the backends that are installed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from audio_chain.backends.environments import folder_of, log_of, python_of, state
from audio_chain.backends.recipes import recipe
from audio_chain.backends.worker import BackendError, Worker
from audio_chain.progress import Progress, silent
from audio_chain.weights.cache import offline_by_environment


def open_worker(name: str, *, offline: bool = False) -> Worker:
    """Return a worker in the backend's environment; it starts with the first call.

    Parameters
    ----------
    name : str
        Of the backend.
    offline : bool
        Whether its libraries may not ask the model hub for anything.

    Raises
    ------
    UsageError
        There is no such backend.
    BackendError
        Its environment isn't there, or doesn't fit any more; the message says what to do.
    """
    chosen = recipe(name)
    found = state(chosen)
    if found.status == "missing":
        raise BackendError(f"{name} is not installed: run `audio-chain backends install {name}`")
    if found.status == "stale":
        raise BackendError(
            f"{name} has to be installed again ({found.reason}): run `audio-chain backends install "
            f"{name}`"
        )
    return Worker(
        name,
        python_of(folder_of(chosen)),
        chosen.tasks,
        log=log_of(chosen),
        variables=_variables(offline=offline or offline_by_environment()),
    )


def check(name: str, *, progress: Progress = silent) -> Mapping[str, Any]:
    """Start the backend's worker and have it do a small real task.

    Returns
    -------
    mapping
        ``did`` says in words what was done and what came out, ``versions`` of what.

    Raises
    ------
    BackendError
        It doesn't work; the message says why.
    """
    with open_worker(name, offline=True) as worker:
        return worker.call("check", progress=progress).values


def _variables(*, offline: bool) -> dict[str, str]:
    variables = {"TQDM_DISABLE": "1", "TOKENIZERS_PARALLELISM": "false"}
    if offline:
        variables |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    if "OMP_WAIT_POLICY" not in os.environ:
        variables["OMP_WAIT_POLICY"] = "PASSIVE"
    return variables
