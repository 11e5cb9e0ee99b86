"""Training of the diffusion transformer: its question, its latents, and that killed runs go on."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.transformers.stable_audio_transformer import StableAudioDiTModel
from safetensors.torch import load_file
from torch import Tensor, nn

from audio_chain import models
from audio_chain.nano.codec import SpectralCodecConfig, SpectralCodecModel
from training import bottleneck, diffusion, export, latents, stable_audio
from training.factory.attributes import Attributes
from training.latents import Corpus

FACTS = Attributes(
    genre="jazz swing",
    mood="calm",
    bpm=125,
    tempo="fast",
    key="D",
    mode="minor",
    meter="4/4",
    instruments=("piano", "double bass"),
    has_drums=False,
    drum_kit=-1,
    texture="sparse",
    energy=0.4,
    lead="piano",
    seconds=1.0,
    beat=0.0,
)
RUN = {"steps": 3, "save-every": 2, "log-every": 1, "shards": 1, "device": "cpu", "batch": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Latents of a second of noise, made by the command lines that make real ones."""
    folder = tmp_path_factory.mktemp("latents")
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    tiny = {"encoder_width": 12, "encoder_layers": 1, "decoder_width": 12, "decoder_layers": 1}
    SpectralCodecModel(SpectralCodecConfig(codebook_dim=8, **tiny)).save_pretrained(folder / "c")
    text = str(models.folders(models.CATALOGUE["minilm"])["minilm"])
    record = {**asdict(FACTS), "captions": ["Jazz, 125 bpm.", "a calm piece", "for piano"]}
    common = ["--codec", str(folder / "c"), "--device", "cpu"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bottleneck, "CHANNELS", 20)
        patch.setattr(
            "sys.argv", ["", str(folder / "vae"), "--data", str(folder / "train"), *common]
        )
        for name in ("train", "held"):
            (folder / name).mkdir()
            audio = (3000 * rng.standard_normal((6, 32_000))).astype(np.int16)
            np.save(folder / name / "00000.npy", audio)
            (folder / name / "00000.json").write_text(json.dumps([record] * 6))
        bottleneck.main()
        for name, options in (("train", ["--states"]), ("held", ["--states"]), ("words", [])):
            data = folder / name.replace("words", "train")
            arguments = [str(folder / f"latents-{name}"), "--data", str(data), "--shards", "1"]
            arguments += ["--vae", str(folder / "vae"), "--text", text, *common, *options]
            patch.setattr("sys.argv", ["", *arguments])
            latents.main()
    return folder


def arguments(folder: Path, train: str = "train") -> list[str]:
    text = str(models.folders(models.CATALOGUE["minilm"])["minilm"])
    paths = {"latents": folder / f"latents-{train}", "held-out": folder / "latents-held"}
    named = {**RUN, **paths, "text": text, "width": 128, "layers": 1}
    return [f"--{name}={value}" for name, value in named.items()]


def train(monkeypatch: pytest.MonkeyPatch, run: Path, *options: str) -> dict[str, Tensor]:
    monkeypatch.setattr(sys, "argv", ["", str(run), *options])
    stable_audio.main()
    return load_file(run / "state.safetensors")


def test_latents_and_captions_of_a_shard(folder: Path) -> None:
    shard = load_file(folder / "latents-train" / "00000.safetensors")
    assert shard["latents"].shape == (6, 20, 13)  # 12.5 frames of 2,560 samples
    assert shard["words"].shape == (6, 5, 64)  # three captions, and two texts of the chain's own
    assert shard["states"].shape == (6, 5, 64, 384)


def test_states_made_once_are_those_made_at_each_step(folder: Path) -> None:
    from transformers import AutoModel

    text = models.folders(models.CATALOGUE["minilm"])["minilm"]
    encoder = AutoModel.from_pretrained(text, dtype=torch.float32).eval()
    shard = load_file(folder / "latents-train" / "00000.safetensors")
    once, words = shard["states"][0].float(), shard["words"][0]
    at_each = latents.text_states(encoder, words)
    assert not once[words == 0].any()
    similar = nn.functional.cosine_similarity(once[words != 0], at_each[words != 0])
    assert similar.min() > 0.999  # bfloat16 beside float32


def test_a_killed_run_goes_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stable_audio, "VALIDATED", 4)
    options = arguments(folder)
    whole = train(monkeypatch, tmp_path / "whole", *options)
    with monkeypatch.context() as patch:
        patch.setattr(stable_audio, "validate", interrupted)  # comes after the checkpoint
        with pytest.raises(KeyboardInterrupt):
            train(patch, tmp_path / "cut", *options)
    resumed = train(monkeypatch, tmp_path / "cut", *options, "--resume")
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    records = [json.loads(line) for line in (tmp_path / "cut" / "log.jsonl").open()]
    assert [record["step"] for record in records if "rate" in record] == [1, 2, 3]
    assert {"right", "swapped", "none"} <= records[-2].keys()
    assert records[-1]["done"]


def interrupted(*arguments: object) -> None:
    raise KeyboardInterrupt


def test_what_is_exported_loads_in_diffusers(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stable_audio, "VALIDATED", 4)
    monkeypatch.setattr(export, "WEIGHTS", tmp_path / "weights")
    run = tmp_path / "run"
    train(monkeypatch, run, *arguments(folder, "words"))
    (folder / "vae").rename(run / "vae")
    made = export.export("stable-audio", run)
    (run / "vae").rename(folder / "vae")
    model: Any = StableAudioDiTModel.from_pretrained(
        made / "transformer", torch_dtype=torch.float16
    )
    assert model.config.in_channels == 20
    assert model.config.sample_size == 13
    assert model.dtype == torch.float16
    listed = (made / "SHA256SUMS").read_text()
    for part in ("transformer/config", "projection_model/config", "scheduler/scheduler", "vae/"):
        assert part in listed
    assert str(tmp_path) not in "".join(path.read_text() for path in made.rglob("*.json"))
    index = json.loads((made / "model_index.json").read_text())
    assert index["transformer"] == ["diffusers", "StableAudioDiTModel"]

    # and is what a further training starts from
    before = load_file(run / "state.safetensors")
    begun = train(
        monkeypatch,
        tmp_path / "more",
        *arguments(folder, "words"),
        f"--go-on={made}",
        "--peak=0",
    )
    averaged = [name for name in before if name.startswith("extra.")]
    for name in averaged:
        assert torch.equal(begun[name], before[name].half().float()), name
    with pytest.raises(SystemExit, match="doesn't hold an exported pipeline"):
        train(monkeypatch, tmp_path / "none", *arguments(folder, "words"), f"--go-on={folder}")


class Oracle(nn.Module):
    """Knows the latents, and so tells the right v."""

    def __init__(self, latents: Tensor) -> None:
        super().__init__()
        self.latents = latents

    def forward(self, noisy: Tensor, time: Tensor, *conditions: Tensor) -> Tensor:
        sigma = torch.tan(time * math.pi / 2)[:, None, None]
        alpha = torch.cos(time * math.pi / 2)[:, None, None]
        noise = (noisy / alpha - self.latents) / sigma
        return alpha * noise - alpha * sigma * self.latents


def test_the_objective_is_that_of_the_scheduler_sampled_with() -> None:
    """Who tells the v that training asks for is led by diffusers' scheduler to the latents."""
    generator = torch.Generator().manual_seed(0)
    clean = torch.randn(2, 3, 5, generator=generator)
    oracle, scheduler = Oracle(clean), diffusion.scheduler()
    time = torch.tensor([0.3, 0.8])
    noise = torch.randn(2, 3, 5, generator=generator)
    loss = diffusion.losses(oracle, clean, noise, time, *[torch.empty(0)] * 3)
    assert loss.shape == (2,)
    assert loss.max() < 1e-8
    scheduler.set_timesteps(8)
    x = torch.randn(2, 3, 5, generator=generator) * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        told = oracle(scheduler.scale_model_input(x, t), t.expand(2))
        x = scheduler.step(told, t, x, generator=generator).prev_sample
    torch.testing.assert_close(x, clean, atol=1e-3, rtol=0)


def test_times_are_normal_in_the_logit() -> None:
    torch.manual_seed(0)
    uniform = diffusion.spread(10_000, "cpu")
    assert (uniform * 10_000 - torch.arange(10_000) - 0.5).abs().max() < 0.51
    logits = torch.logit(diffusion.draw_times(uniform).double())
    assert logits.mean().item() == pytest.approx(diffusion.TIME_MEAN, abs=0.01)
    assert logits.std().item() == pytest.approx(diffusion.TIME_SPREAD, abs=0.01)


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_cuts_say_where_they_are(parts: int) -> None:
    torch.manual_seed(0)
    frames = torch.arange(100.0).expand(64, 3, 100)
    short, seconds = stable_audio.cut(frames, parts)
    assert short.shape == (64, 3, 100 // parts)
    assert torch.equal(short[:, 0, 0] / 10, seconds[:, 0])
    assert torch.equal((short[:, 2, -1] + 1) / 10, seconds[:, 1])
    assert (seconds[:, 0] == 0).sum() >= 16  # half of them, or all


def test_a_dropped_caption_is_not_heard() -> None:
    torch.manual_seed(0)
    model = diffusion.ConditionedTransformer(
        diffusion.transformer(4, 10, 6, 128, 1), diffusion.projection(6)
    )
    for last in (model.transformer.proj_out, model.transformer.postprocess_conv):
        nn.init.normal_(last.weight)
    noisy, time, seconds = torch.randn(2, 4, 10), torch.rand(2), torch.rand(2, 2)
    both = [
        model(noisy, time, torch.randn(2, 5, 6), torch.tensor([0.0, 1.0]), seconds)
        for _ in range(2)
    ]
    assert torch.equal(both[0][0], both[1][0])
    assert not torch.allclose(both[0][1], both[1][1])


def test_the_average_is_of_the_last_steps_whatever_their_number() -> None:
    """A weight that counts steps is averaged to the mean of a power law (Karras et al. 2024)."""
    gap: Callable[[int], float] = lambda steps: 1 - averaged_count(steps) / steps  # noqa: E731
    assert gap(400) == pytest.approx(1 / (stable_audio.AVERAGING + 2), rel=0.15)
    assert gap(2000) == pytest.approx(1 / (stable_audio.AVERAGING + 2), rel=0.05)


def averaged_count(steps: int) -> float:
    model, averaged = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    for step in range(steps):
        with torch.no_grad():
            model.weight.fill_(float(step))
        stable_audio.average(averaged, model, step)
    return averaged.weight.item()


def test_a_corpus_grows_while_shards_are_made(folder: Path, tmp_path: Path) -> None:
    shard = (folder / "latents-train" / "00000.safetensors").read_bytes()
    (tmp_path / "00000.safetensors").write_bytes(shard)
    corpus = Corpus(tmp_path, "cpu")
    assert (len(corpus), corpus.shape, corpus.texts) == (6, (20, 13), 5)
    assert not corpus.grow()
    (tmp_path / "00001.safetensors").write_bytes(shard)
    assert corpus.grow()
    first, text = corpus.take(torch.tensor([1, 7]), torch.tensor([0, -1]))
    assert torch.equal(first[0], first[1])  # the same piece of the two shards
    assert not torch.equal(text[0], text[1])
