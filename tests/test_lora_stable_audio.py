"""Adapters for Stable Audio: merged by our engine, against plain peft around diffusers' model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lora_adapters import DIFFUSION, random_adapter, with_adapters
from stable_audio_models import CHANNELS, WINDOW, saved, tiny

import cli
from audio_chain import models
from audio_chain.clip import Clip
from audio_chain.errors import ChainError, UsageError
from audio_chain.generate import GenerationRequest, load_generator
from audio_chain.generate.stable_audio import StableAudioGenerator
from audio_chain.generate.stable_audio.checkpoint import load_folder
from audio_chain.generate.stable_audio.conditions import read_conditions
from audio_chain.generate.stable_audio.noise import noise
from audio_chain.lora import adapted
from audio_chain.models import ModelCard
from eval.bench.contenders import parse_contenders

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tiny(), tmp_path_factory.mktemp("tiny") / "pipeline")


@pytest.fixture(scope="module")
def adapters(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("adapters")

    def made(name: str, **more: Any) -> Path:
        model = tiny().transformer
        return random_adapter(model, folder / name, str(base), targets=DIFFUSION, **more)

    return made("one"), made("other", rank=2, seed=1)


def card(where: Path | str) -> ModelCard:
    return models.resolve(str(where), "generate")


def engine(card: ModelCard) -> StableAudioGenerator:
    generator = load_generator(card, device="cpu")
    assert isinstance(generator, StableAudioGenerator)
    return generator


@torch.no_grad()
def test_the_network_is_plain_peft_s(base: Path, adapters: tuple[Path, Path]) -> None:
    """One, and two at once with strengths; what the adapters change is far from nothing."""
    parts = engine(card(base))._parts
    told = read_conditions(parts.reader, parts.projection, "sad piano", end=0.4, guides=False)
    latents = noise(1, 0, (CHANNELS, WINDOW))[None]
    plain = parts.denoiser
    plain.read([told], WINDOW)
    before = plain(latents, 0.5, 1.0).clone()
    for strengths in ({adapters[0]: 1.0}, {adapters[0]: 0.5, adapters[1]: -1.5}):
        specs = [f"{folder}:{strength}" for folder, strength in strengths.items()]
        ours = engine(adapted(card(base), specs))._parts.denoiser
        ours.read([told], WINDOW)
        peer = with_adapters(tiny().transformer, strengths)
        theirs = peer(
            latents,
            torch.tensor([0.5]),
            encoder_hidden_states=told.states,
            global_hidden_states=told.timing,
            rotary_embedding=turns(peer),
            return_dict=False,
        )[0]
        torch.testing.assert_close(ours(latents, 0.5, 1.0), theirs, atol=1e-5, rtol=1e-5)
        assert (theirs - before).abs().max() > 0.1


def turns(transformer: Any) -> Any:
    """Rotary positions as diffusers' pipeline makes them."""
    from diffusers.models.embeddings import get_1d_rotary_pos_embed

    return get_1d_rotary_pos_embed(
        transformer.config.attention_head_dim // 2,
        WINDOW + 1,
        use_real=True,
        repeat_interleave_real=False,
    )


def heard(generator: StableAudioGenerator, seconds: float = 0.4) -> Clip:
    (clip,) = generator.generate(GenerationRequest(("sad piano",), seconds, (3,), steps=4))
    return clip


def test_a_merged_model_plays_like_its_parts(
    base: Path, adapters: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "model"
    assert cli.main(["lora", "merge", f"{adapters[0]}:0.7", str(adapters[1]), "-o", str(out)]) == 0
    together = heard(engine(adapted(card(base), [f"{adapters[0]}:0.7", str(adapters[1])])))
    np.testing.assert_array_equal(heard(engine(card(out))).samples, together.samples)
    assert np.abs(together.samples - heard(engine(card(base))).samples).max() > 1e-3
    assert json.loads((out / "model_index.json").read_text())["_class_name"]
    suffixes = {path.suffix for path in out.rglob("*") if path.is_file()}
    assert suffixes <= {".json", ".safetensors", ".md"}


def test_an_adapter_for_another_kind_of_network_is_refused(base: Path, tmp_path: Path) -> None:
    from musicgen_models import tiny as musicgen

    folder = random_adapter(musicgen(), tmp_path / "musicgen", str(base))
    with pytest.raises(ChainError, match="doesn't fit the model: it changes decoder"):
        load_folder(base, device=CPU, adapters=adapted(card(base), [str(folder)]).lora)
    other = random_adapter(musicgen(), tmp_path / "nano", "musicgen-nano")
    with pytest.raises(UsageError, match="is an adapter for musicgen-nano, not for"):
        adapted(card(base), [str(other)])


def nano_adapter(folder: Path) -> Path:
    """For the shipped model, a faint one."""
    parts = engine(card("stable-audio-nano"))._parts
    from diffusers import StableAudioDiTModel

    model = StableAudioDiTModel.from_config(parts.transformer.config)
    return random_adapter(model, folder, "stable-audio-nano", rank=1, targets=["to_out.0"])


def test_nano_uses_them_everywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Generated, noted, said again, merged, and told apart in a benchmark."""
    mine = nano_adapter(tmp_path / "mine")
    out = tmp_path / "run"
    asked = ["generate", "a harp", "--seconds", "1", "--seed", "3", "--steps", "2"]
    asked += ["--model", "stable-audio-nano", "--device", "cpu"]
    assert cli.main([*asked, "--lora", f"{mine}:0.5", "-o", str(out)]) == 0
    (listed,) = json.loads((out / "run.json").read_text())["weights"]["stable-audio-nano"]["lora"]
    assert (listed["path"], listed["strength"]) == (str(mine), 0.5)
    assert cli.main(["rerun", str(out), "-o", str(tmp_path / "again")]) == 0
    capsys.readouterr()
    assert cli.main(["lora", "info", str(mine)]) == 0
    assert "LoRA adapter for stable-audio-nano" in capsys.readouterr().out
    assert cli.main(["lora", "merge", str(mine), "-o", str(tmp_path / "model")]) == 0
    merged = card(tmp_path / "model")
    assert merged.family == "stable-audio-nano"
    assert heard(engine(merged), 0.5).frames == 16_000
    (tuned,) = parse_contenders(f"stable-audio-nano:steps=4:lora={mine}:0.5")
    assert [one.strength for one in tuned.card.lora] == [0.5]
