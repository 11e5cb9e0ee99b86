"""Tasks that write tiny checkpoints with random weights, run in the backends' environments."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from audio_chain.backends.serve import Job, Reply

RATES: Final = {"musicgen": 32_000, "audiogen": 16_000, "magnet": 32_000}
CODEBOOKS: Final = 4


def audiocraft(job: Job) -> Reply:
    """Write a MusicGen, AudioGen or MAGNeT in audiocraft's format: the two files it exports."""
    import audio_chain.backends.tasks.audiocraft  # its stand-ins come before what it stands in for

    assert audio_chain
    _write_audiocraft(job)
    return Reply()


def _write_audiocraft(job: Job) -> None:
    import torch
    from audiocraft.models import builders
    from omegaconf import OmegaConf

    torch.manual_seed(0)
    kind, folder = job.values["kind"], Path(job.values["folder"])
    decoder = OmegaConf.create(_decoder(kind))
    codec = OmegaConf.create(_codec(RATES[kind]))
    model = builders.get_lm_model(decoder)
    _save(folder / "state_dict.bin", decoder, model, job.values.get("extra"))
    encodec = builders.get_compression_model(codec)
    for layer in encodec.quantizer.vq.layers:  # otherwise set by the first training batch
        layer._codebook.inited.fill_(1)
        layer._codebook.embed.normal_()
    _save(folder / "compression_state_dict.bin", codec, encodec, None)


def _save(path: Path, config: Any, model: Any, extra: str | None) -> None:
    import torch
    from omegaconf import OmegaConf

    state = {"best_state": model.state_dict(), "xp.cfg": OmegaConf.to_yaml(config)}
    if extra == "object":
        state["extra"] = _Opener(path.with_name("opened"))
    torch.save({**state, "version": "1.3.0", "exported": True}, path)


class _Opener:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return open, (str(self.path), "w")


def _decoder(kind: str) -> dict[str, Any]:
    magnet = kind == "magnet"
    transformer = {
        "dim": 32,
        "num_heads": 2,
        "num_layers": 2,
        "n_q": CODEBOOKS,
        "card": 64,
        "norm_first": True,
        "causal": not magnet,
        "custom": True,
        "memory_efficient": magnet,
    }
    if magnet:
        rest = {"subcodes_context": 5, "compression_model_framerate": 50}
        transformer |= {**rest, "segment_duration": 2, "span_len": 3}
    words = {"n_bins": 64, "dim": 32, "tokenizer": "whitespace"}
    return {
        "lm_model": "transformer_lm_magnet" if magnet else "transformer_lm",
        "solver": kind,
        "device": "cpu",
        "dtype": "float32",
        "sample_rate": RATES[kind],
        "transformer_lm": transformer,
        "codebooks_pattern": {
            "modeling": "parallel" if magnet else "delay",
            "delay": {"delays": list(range(CODEBOOKS))},
            "parallel": {"empty_initial": -1},
        },
        "attribute_dropout": {},
        "classifier_free_guidance": {"training_dropout": 0.1, "inference_coef": 3.0},
        "fuser": {"sum": [], "prepend": [], "cross": ["description"], "input_interpolate": []},
        "conditioners": {"description": {"model": "lut", "lut": words}},
        "dataset": {"segment_duration": 2 if magnet else 30 if kind == "musicgen" else 10},
        "masking": {"span_len": 3},
    }


def _codec(rate: int) -> dict[str, Any]:
    return {
        "compression_model": "encodec",
        "device": "cpu",
        "sample_rate": rate,
        "encodec": {
            "autoencoder": "seanet",
            "quantizer": "rvq",
            "sample_rate": rate,
            "channels": 1,
            "causal": False,
            "renormalize": False,
        },
        "seanet": {
            "dimension": 16,
            "n_filters": 2,
            "n_residual_layers": 1,
            "ratios": [8, 5, 4, rate // 8000],
            "encoder": {},
            "decoder": {},
        },
        "rvq": {"n_q": CODEBOOKS, "bins": 64},
    }


def stable_audio(job: Job) -> Reply:
    """Write a diffusion model that reads words, and the tiny T5 that it reads them with."""
    import copy

    from audio_chain.backends.tasks.stable_audio_tools import TINY, write_random

    folder = Path(job.values["folder"])
    _write_t5(folder / "t5")
    config: Any = copy.deepcopy(TINY)
    config["model"]["diffusion"]["diffusion_objective"] = job.values["objective"]
    config["model"]["diffusion"]["cross_attention_cond_ids"] = ["prompt", "seconds_total"]
    t5 = {"t5_model_name": "t5-small", "model_path": str(folder / "t5"), "max_length": 8}
    config["model"]["conditioning"]["configs"].append({"id": "prompt", "type": "t5", "config": t5})
    write_random(folder, config, seed=0)
    return Reply()


def _write_t5(folder: Path) -> None:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

    words = ["<pad>", "<unk>", "slow", "sad", "piano", "drums", "loud"]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, "<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    torch.manual_seed(0)
    shape: Any = {"d_model": 512, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2}
    T5EncoderModel(T5Config(vocab_size=len(words), **shape)).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>"
    ).save_pretrained(folder)


TASKS: Final = {"audiocraft": audiocraft, "stable-audio": stable_audio}
