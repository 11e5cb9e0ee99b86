"""audiocraft: MusicGen, AudioGen and MAGNeT checkpoints in its own format."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import torch

from audio_chain.backends.serve import Job, Reply
from audio_chain.backends.tasks.checkpoints import LastUsed, checkpoint, only_tensors
from audio_chain.backends.tasks.standins import stand_in_for_spacy, stand_in_for_xformers

stand_in_for_xformers()
stand_in_for_spacy()

from audiocraft.models import AudioGen, MAGNeT, MusicGen  # noqa: E402
from audiocraft.models import lm as lm_module  # noqa: E402
from audiocraft.models import lm_magnet as lm_magnet_module  # noqa: E402

CHECKPOINT: Final = ("state_dict.bin", "compression_state_dict.bin")
"""The decoder's and the codec's files of a checkpoint."""

DEBUG: Final = {"debug": MusicGen, "debug-sound": AudioGen}
"""Tiny models with random weights, which audiocraft has for tests."""

MUSICGEN: Final = {"guidance": 3.0, "temperature": 1.0, "top_k": 250, "top_p": 0.0}
"""Settings of MusicGen and AudioGen where a request has none."""

_LONGEST_S: Final = 600.0

_models: Final = LastUsed[Any]()


def load(job: Job) -> Reply:
    """Load a model and tell its facts."""
    model = _model(job.values)
    fixed = isinstance(model, MAGNeT)
    seconds = float(model.max_duration) if fixed else _LONGEST_S
    return Reply(
        {
            "rate": int(model.sample_rate),
            "max_seconds": seconds,
            "least_seconds": seconds if fixed else 0.0,
            "defaults": {} if fixed else MUSICGEN,
        }
    )


def generate(job: Job) -> Reply:
    """Make one piece of a prompt."""
    values = job.values
    model = _model(values)
    seconds = float(values["seconds"])
    if isinstance(model, MAGNeT):
        model.set_generation_params(**_magnet_settings(values["sampling"], model.lm.card))
    else:
        # what is longer than the model's window is made in windows that overlap
        window = {"extend_stride": 0.6 * model.max_duration} if seconds > model.max_duration else {}
        sampling = MUSICGEN | values["sampling"]
        model.set_generation_params(
            duration=seconds,
            cfg_coef=sampling["guidance"],
            temperature=sampling["temperature"],
            top_k=min(sampling["top_k"], model.lm.card),  # more than there are is an error
            top_p=sampling["top_p"],
            **window,
        )
    model.set_custom_progress_callback(job.progress)
    torch.manual_seed(values["seed"])
    with torch.inference_mode(), _away_from(values["negative"]):
        audio = model.generate([values["prompt"]], progress=True)
    rate = int(model.sample_rate)
    samples = audio[0, :, : round(seconds * rate)].float().cpu().numpy()
    return Reply({"rate": rate}, {"samples": samples})


def check(job: Job) -> Reply:
    """Let the debugging model play."""
    values = {
        "model": "debug",
        "device": "cpu",
        "prompt": "a test",
        "negative": "",
        "seconds": 1.0,
        "seed": 1,
        "sampling": {},
    }
    start = time.perf_counter()
    samples = generate(Job(values, {}, job.progress)).arrays["samples"]
    seconds = time.perf_counter() - start
    if samples.shape != (1, 32_000) or not samples.std() > 0:
        raise RuntimeError(f"a second of sound came out as {samples.shape}, std {samples.std()}")
    versions = {name: version(name) for name in ("audiocraft", "torch", "transformers")}
    did = f"made 1 s of noise with the debugging MusicGen in {seconds:.1f} s"
    return Reply({"did": did, "versions": versions})


def _model(values: Mapping[str, Any]) -> Any:
    name, device = values["model"], values["device"]
    return _models.get((name, device), lambda: _load(name, device))


def _load(name: str, device: str) -> Any:
    if name in DEBUG:
        torch.manual_seed(0)
        return DEBUG[name].get_pretrained("debug", device=device)
    folder = checkpoint(name, CHECKPOINT, "audiocraft")
    with only_tensors():
        return _class_of(folder).get_pretrained(str(folder), device=device)


def _class_of(folder: Path) -> Any:
    """Tell from a checkpoint's configuration which of the three reads it."""
    from omegaconf import OmegaConf

    file = folder / CHECKPOINT[0]
    state = torch.load(file, map_location="cpu", mmap=zipfile.is_zipfile(file))
    config = OmegaConf.create(state["xp.cfg"])
    if config.get("lm_model") == "transformer_lm_magnet":
        return MAGNeT
    return AudioGen if config.get("solver") == "audiogen" else MusicGen


def _magnet_settings(sampling: Mapping[str, Any], codes: int) -> dict[str, Any]:
    """MAGNeT's settings where the request has none of its own.

    It decodes all frames at once and wants another temperature and guidance than MusicGen, whose
    defaults a request has.
    """
    names = {"guidance": "max_cfg_coef"}
    chosen = dict(sampling)
    if "top_k" in chosen:
        chosen["top_k"] = min(chosen["top_k"], codes)
        chosen.setdefault("top_p", 0.0)  # it would win over top-k
    return {names.get(name, name): value for name, value in chosen.items()}


@contextmanager
def _away_from(negative: str) -> Iterator[None]:
    """Guide away from a text instead of from none, which audiocraft has no argument for.

    Its models get the conditions to guide away from by dropping all of the prompt's; here they
    get the prompt's with the other text in place.
    """
    if not negative:
        yield
        return

    class Replace:
        def __init__(self, p: float) -> None:
            del p  # the probability to drop: always 1 when generating

        def __call__(self, samples: Sequence[Any]) -> list[Any]:
            replaced = lm_dropout(p=1.0)(samples)
            for sample in replaced:
                sample.text["description"] = negative
            return list(replaced)

    lm_dropout = lm_module.ClassifierFreeGuidanceDropout
    modules = (lm_module, lm_magnet_module)
    for module in modules:
        module.ClassifierFreeGuidanceDropout = Replace
    try:
        yield
    finally:
        for module in modules:
            module.ClassifierFreeGuidanceDropout = lm_dropout


TASKS: Final = {"load": load, "generate": generate, "check": check}
