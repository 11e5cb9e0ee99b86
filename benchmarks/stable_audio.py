"""Stable Audio: our sampling against diffusers' pipeline as it comes, and the nano model's time.

    python -m benchmarks.stable_audio open [--shape open|tiny] [--batches 1,8] [--steps 100]
    python -m benchmarks.stable_audio nano [--model stable-audio-nano] [--seconds 10] [--steps 16]

``open`` makes a pipeline of Stable Audio Open 1.0's sizes with random weights (speed doesn't
depend on them) and lets diffusers and us sample the same 47 s of stereo, in one process on one
device: steps a second, the ratio, the most memory, and how long decoding takes. Writes
``docs/results/stable-audio-speed.json`` unless ``--shape tiny``, which only shows that it runs.

``nano`` times whole pieces of the nano model, from words to samples, and writes
``docs/results/stable-audio-nano-speed.json``.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import torch

from audio_chain import models
from audio_chain.generate import GenerationRequest, load_generator
from audio_chain.generate.stable_audio.checkpoint import load_folder
from audio_chain.generate.stable_audio.generator import StableAudioGenerator
from training.results import RESULTS, write_results

PROMPT: Final = "128 BPM tech house drum loop with a rolling bass line"

TRANSFORMERS: Final[Mapping[str, Mapping[str, int]]] = {
    "open": {},  # diffusers' defaults are Open 1.0's
    "tiny": {
        "sample_size": 64,
        "in_channels": 8,
        "out_channels": 8,
        "num_layers": 2,
        "attention_head_dim": 16,
        "num_attention_heads": 4,
        "num_key_value_attention_heads": 2,
        "cross_attention_dim": 64,
        "cross_attention_input_dim": 32,
        "global_states_input_dim": 64,
    },
}
AUTOENCODERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "open": {},
    "tiny": {
        "encoder_hidden_size": 16,
        "downsampling_ratios": [2, 4, 8],
        "channel_multiples": [1, 2, 4],
        "decoder_channels": 8,
        "decoder_input_channels": 8,
        "sampling_rate": 8000,
    },
}
TEXTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "open": {"d_model": 768, "d_kv": 64, "d_ff": 3072, "num_layers": 12, "num_heads": 12},
    "tiny": {"d_model": 32, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 4},
}
WORDS: Final = 128


def write_random(folder: Path, shape: str) -> None:
    """Write a pipeline of a shape with random weights, in half precision, as diffusers does."""
    from diffusers import (
        AutoencoderOobleck,
        CosineDPMSolverMultistepScheduler,
        StableAudioDiTModel,
        StableAudioPipeline,
    )
    from diffusers.pipelines.stable_audio import StableAudioProjectionModel
    from tokenizers import Tokenizer, pre_tokenizers
    from tokenizers import models as tokenizer_models
    from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

    torch.manual_seed(0)
    known = {word: number for number, word in enumerate(["[PAD]", "[UNK]", *PROMPT.split()])}
    words = Tokenizer(tokenizer_models.WordLevel(known, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    width = TEXTS[shape]["d_model"]
    StableAudioPipeline(
        vae=AutoencoderOobleck(**AUTOENCODERS[shape]),
        text_encoder=T5EncoderModel(T5Config(vocab_size=128, **TEXTS[shape])),
        projection_model=StableAudioProjectionModel(width, width, 0, 512),
        tokenizer=PreTrainedTokenizerFast(
            tokenizer_object=words,
            pad_token="[PAD]",
            unk_token="[UNK]",
            model_max_length=WORDS,
        ),
        transformer=StableAudioDiTModel(**TRANSFORMERS[shape]),
        scheduler=CosineDPMSolverMultistepScheduler(),
    ).to(dtype=torch.float16).save_pretrained(folder)


class Clock:
    """Seconds of each step, the device waited for."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.times: list[float] = []

    def __call__(self, *_: object) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        self.times.append(time.perf_counter())

    def a_step(self) -> float:
        """Median seconds from one step to the next."""
        gaps = sorted(after - before for before, after in itertools.pairwise(self.times))
        return gaps[len(gaps) // 2]


def timed(
    play: Callable[[Clock], object], device: torch.device, batch: int
) -> dict[str, float | str]:
    """Run once to warm up, once to count."""
    play(Clock(device))
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    clock = Clock(device)
    begun = time.perf_counter()
    play(clock)
    whole = time.perf_counter() - begun
    row: dict[str, float | str] = {
        "steps_a_second": round(1 / clock.a_step(), 2),
        "pieces_times_steps_a_second": round(batch / clock.a_step(), 2),
        "seconds": round(whole, 2),
        "seconds_after_the_last_step": round(begun + whole - clock.times[-1], 2),
    }
    if device.type == "cuda":
        row["peak_gb"] = round(torch.cuda.max_memory_allocated(device) / 1e9, 2)
    return row


def peer(folder: Path, device: torch.device, batch: int, steps: int) -> dict[str, float | str]:
    """diffusers' own pipeline, as its documentation runs it."""
    from diffusers import StableAudioPipeline

    dtype = torch.float16 if device.type == "cuda" else torch.float32
    pipeline = StableAudioPipeline.from_pretrained(folder, dtype=dtype).to(device)
    pipeline.set_progress_bar_config(disable=True)

    def play(clock: Clock) -> None:
        pipeline(
            [PROMPT] * batch,
            num_inference_steps=steps,
            generator=[torch.Generator(device).manual_seed(seed) for seed in range(batch)],
            callback=clock,
        )

    return timed(play, device, batch)


def ours(folder: Path, device: torch.device, batch: int, steps: int) -> dict[str, float | str]:
    """The generator that audio-chain uses."""
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    parts = load_folder(folder, device=device, dtype=dtype)
    generator = StableAudioGenerator("random", "stable-audio", parts)
    request = GenerationRequest(
        (PROMPT,) * batch, generator.max_seconds, tuple(range(batch)), steps=steps
    )

    def play(clock: Clock) -> None:
        for _ in generator.generate(request, progress=clock):
            pass

    row = timed(play, device, batch)
    return {**row, "not_captured": parts.denoiser.failure} if parts.denoiser.failure else row


def compare(options: argparse.Namespace) -> None:
    """Both on one device, one after the other."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    record: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "shape": options.shape,
        "steps": options.steps,
        "batches": {},
    }
    with tempfile.TemporaryDirectory() as name:
        write_random(Path(name), options.shape)
        for batch in (int(batch) for batch in options.batches.split(",")):
            rows = {}
            for maker, run in (("diffusers", peer), ("audio-chain", ours)):
                rows[maker] = run(Path(name), device, batch, options.steps)
                gc.collect()
                if device.type == "cuda":
                    torch.cuda.empty_cache()
                print(f"batch {batch}, {maker}: {rows[maker]}", flush=True)
            # on a CPU our pieces are sampled one by one, so a step is one of a piece's
            key = "steps_a_second" if device.type == "cuda" else "seconds"
            theirs, mine = float(rows["diffusers"][key]), float(rows["audio-chain"][key])
            ratio = round(mine / theirs if device.type == "cuda" else theirs / mine, 2)
            record["batches"][str(batch)] = {**rows, "ratio": ratio}
            print(f"batch {batch}: {ratio} x as fast", flush=True)
    if options.shape == "open":
        write_results(RESULTS / "stable-audio-speed.json", record)


def nano(options: argparse.Namespace) -> None:
    """Whole pieces of the nano model."""
    torch.set_num_threads(options.threads)
    generator = load_generator(models.resolve(options.model, "generate"), device="cpu")
    request = GenerationRequest((PROMPT,), options.seconds, (7,), steps=options.steps)
    walls, works = [], []
    list(generator.generate(request))
    for _ in range(options.repeat):
        wall, work = time.perf_counter(), time.process_time()
        list(generator.generate(request))
        walls.append(time.perf_counter() - wall)
        works.append(time.process_time() - work)
    record = {
        "seconds": options.seconds,
        "steps": options.steps,
        "threads": options.threads,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "wall_s": round(min(walls), 2),
        "processor_s": round(min(works), 2),
    }
    print(record)
    write_results(RESULTS / "stable-audio-nano-speed.json", record)


def main() -> None:
    """Choose, time, print and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parsers = parser.add_subparsers(required=True)
    comparing = parsers.add_parser("open")
    comparing.set_defaults(run=compare)
    comparing.add_argument("--shape", choices=tuple(TEXTS), default="open")
    comparing.add_argument("--batches", default="1,8")
    comparing.add_argument("--steps", type=int, default=100)
    timing = parsers.add_parser("nano")
    timing.set_defaults(run=nano)
    timing.add_argument("--model", default="stable-audio-nano")
    timing.add_argument("--seconds", type=float, default=10.0)
    timing.add_argument("--steps", type=int, default=16)
    timing.add_argument("--threads", type=int, default=2)
    timing.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
