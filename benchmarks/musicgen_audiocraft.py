"""Steps of audiocraft's own MusicGen decoder, its weights random, in audiocraft's environment.

    PYTHON -m benchmarks.musicgen_audiocraft '{"layers": 24, ...}'

Prints JSON. `measured_there` runs it so; our own environment has no audiocraft.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class LeftOutError(Exception):
    """A peer can't be measured here; the message says why, in a line."""


def measured_there(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Run this script in audiocraft's environment.

    Parameters
    ----------
    settings : mapping
        As for `measured`.

    Raises
    ------
    LeftOutError
        There is no such environment, or not for this PyTorch.
    """
    from audio_chain.backends.environments import folder_of, python_of, state
    from audio_chain.backends.recipes import recipe

    audiocraft = recipe("audiocraft")
    if state(audiocraft).status != "ready":
        raise LeftOutError("not installed; `audio-chain backends install audiocraft` does it")
    said = subprocess.run(
        [python_of(folder_of(audiocraft)), "-m", __spec__.name, json.dumps(settings)],
        cwd=Path(__file__).parents[1],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


def measured(
    *,
    layers: int,
    width: int,
    heads: int,
    ffn: int,
    prompt: str,
    batch: int,
    steps: int,
    tries: int,
    device: str,
    precision: str,
    threads: int,
) -> dict[str, Any]:
    """What a step more takes, guided and with top-k, at the settings of the published models.

    Parameters
    ----------
    layers, width, heads, ffn : int
        Of the decoder.
    prompt : str
        Looked up word by word: the published models' T5 would have to be downloaded.
    batch : int
        Pieces.
    steps : int
        Frames of the longer of the two pieces that are timed; the shorter one has 1.
    tries : int
        The best counts.
    device, precision : str
        As in audiocraft's loader: fp32 on a CPU, fp16 under autocast on a GPU.
    threads : int
        Of the CPU.
    """
    import torch

    from audio_chain.backends.tasks.standins import stand_in_for_spacy, stand_in_for_xformers
    from benchmarks.gauges import Clock

    stand_in_for_xformers()
    stand_in_for_spacy()
    import audiocraft
    from audiocraft.models.lm import LMModel
    from audiocraft.modules.codebooks_patterns import DelayedPatternProvider
    from audiocraft.modules.conditioners import (
        ConditionFuser,
        ConditioningAttributes,
        ConditioningProvider,
        LUTConditioner,
    )

    torch.set_num_threads(threads)
    kind = torch.device(device)
    dtype = {"fp32": torch.float32, "fp16": torch.float16}[precision]
    table = LUTConditioner(n_bins=128, dim=768, output_dim=width, tokenizer="whitespace")
    fused: dict[str, list[str]] = {"cross": ["description"]}
    fused |= {name: [] for name in ("prepend", "sum", "input_interpolate")}
    model = LMModel(
        DelayedPatternProvider(n_q=4),
        ConditioningProvider({"description": table}).to(kind),
        ConditionFuser(fused),
        n_q=4,
        card=2048,
        dim=width,
        num_heads=heads,
        hidden_scale=ffn // width,
        norm_first=True,
        bias_proj=False,
        bias_ff=False,
        bias_attn=False,
        activation="gelu",
        cfg_coef=3.0,
        num_layers=layers,
        dropout=0.0,
        causal=True,
        memory_efficient=True,
        cross_attention=True,
        device=kind,
        dtype=dtype,
    )
    model.eval()
    pieces = [ConditioningAttributes(text={"description": prompt}) for _ in range(batch)]
    clock = Clock(kind)

    @torch.inference_mode()
    def run(frames: int) -> None:
        with torch.autocast(kind.type, dtype, enabled=precision == "fp16"):
            model.generate(conditions=pieces, max_gen_len=frames, use_sampling=True, top_k=250)

    run(1)
    few = min(clock(lambda: run(1)) for _ in range(tries))
    many = min(clock(lambda: run(steps)) for _ in range(tries))
    found = {"seconds_a_step": (many - few) / (steps - 1), "version": audiocraft.__version__}
    if kind.type == "cuda":
        found["memory_gb"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
    return found


if __name__ == "__main__":
    print(json.dumps(measured(**json.loads(sys.argv[1]))))
