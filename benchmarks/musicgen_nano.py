"""Our decoding of MusicGen-nano against transformers' `generate`, same weights, in one run.

    python -m benchmarks.musicgen_nano [--seconds 10] [--threads 1]

Prints milliseconds a step and how many times faster than real time each is, and their ratio; by
processor time on one thread, by the clock on more.
Writes ``docs/results/speed-nano.json``.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    MusicgenForCausalLM,
    MusicgenForConditionalGeneration,
)

from audio_chain import models
from audio_chain.generate import GenerationRequest, load_generator
from audio_chain.nano.codec import SpectralCodecConfig, SpectralCodecModel
from audio_chain.weights.mapped import MappedTensors
from training.results import RESULTS, write_results

PROMPT = "A fast, energetic house track with synth bass and drums at 125 bpm."


def in_transformers() -> tuple[MusicgenForConditionalGeneration, Any]:
    """The nano model in transformers' own class, and which keys were missing or unexpected."""
    folders = models.folders(models.CATALOGUE["musicgen-nano"])
    config = AutoConfig.from_pretrained(folders["musicgen-nano"])
    model = MusicgenForConditionalGeneration(
        config,
        text_encoder=AutoModel.from_pretrained(folders["minilm"], dtype=torch.float32),
        audio_encoder=SpectralCodecModel.from_pretrained(
            folders["spectral-codec-nano"], dtype=torch.float32
        ),
        decoder=MusicgenForCausalLM(config.decoder),
    ).eval()
    tensors = {
        name: value.float() for name, value in MappedTensors(folders["musicgen-nano"]).items()
    }
    keys = model.load_state_dict(tensors, strict=False)
    for field in ("decoder_start_token_id", "pad_token_id", "bos_token_id"):
        setattr(model.generation_config, field, config.decoder.pad_token_id)
    return model, keys


def peer(seconds: float) -> Callable[[], object]:
    """transformers' own generation from the same tensors, guidance on, sampling on."""
    model, _ = in_transformers()
    text = models.folders(models.CATALOGUE["minilm"])["minilm"]
    words = AutoTokenizer.from_pretrained(text)([PROMPT], return_tensors="pt")
    steps = round(seconds * SpectralCodecConfig().frame_rate) + 3
    return lambda: model.generate(
        input_ids=words["input_ids"],
        attention_mask=words["attention_mask"],
        do_sample=True,
        guidance_scale=3.0,
        top_k=250,
        max_new_tokens=steps,
    )


def ours(seconds: float) -> Callable[[], object]:
    """The generator that audio-chain uses."""
    generator = load_generator(models.CATALOGUE["musicgen-nano"], device="cpu")
    request = GenerationRequest((PROMPT,), seconds, (7,))
    return lambda: list(generator.generate(request))


def main() -> None:
    """Time both, print and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    # another program slows the clock, but not the work of one thread
    now = time.process_time if options.threads == 1 else time.perf_counter
    steps = round(options.seconds * 50) + 3
    rows = {}
    for name, make in (("transformers", peer), ("audio-chain", ours)):
        run = make(options.seconds)
        run()
        times = []
        for _ in range(options.repeat):
            started = now()
            run()
            times.append(now() - started)
        best = min(times)
        rows[name] = {
            "ms_a_step": round(1e3 * best / steps, 2),
            "times_real_time": round(options.seconds / best, 2),
        }
        print(
            f"{name:<13} {rows[name]['ms_a_step']:6.2f} ms a step, "
            f"{rows[name]['times_real_time']:.2f} x real time"
        )
    ratio = rows["transformers"]["ms_a_step"] / rows["audio-chain"]["ms_a_step"]
    print(f"audio-chain is {ratio:.2f} x as fast")
    record = {
        "threads": options.threads,
        "clock": "processor time" if options.threads == 1 else "time",
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "ratio": round(ratio, 2),
        **rows,
    }
    write_results(RESULTS / "speed-nano.json", record)


if __name__ == "__main__":
    main()
