"""Several processes that train together come to the adapter that one comes to."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from musicgen_models import saved, tiny
from safetensors.torch import load_file

from audio_chain.audio import encode
from audio_chain.clip import Clip
from audio_chain.errors import UsageError
from audio_chain.finetune.recipe import Recipe
from audio_chain.finetune.team import Team, join_team
from audio_chain.finetune.training import train

RATE = 32_000
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
ACCELERATE = ("-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model without dropout, whose chance would differ between shares."""
    folder = tmp_path_factory.mktemp("base")
    model = tiny(limit=200)
    model.config.decoder.dropout = 0.0
    return saved(model, folder)


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("songs")
    for number in range(4):
        rng = np.random.default_rng(number)
        time = np.arange(8 * RATE + 1000 * number) / RATE
        notes = rng.choice([220.0, 330.0, 440.0, 523.0], 40)[(time * 4).astype(int)]
        sound = 0.3 * np.sin(2 * np.pi * notes * time) * np.exp(-8 * (time * 4 % 1) / 4)
        encode(Clip(sound[None].astype(np.float32), RATE), folder / f"{number}.flac")
        (folder / f"{number}.txt").write_text("sad piano")
    return folder


def finetune(launcher: tuple[str, ...], songs: Path, base: Path, out: Path, device: str) -> str:
    """Run the command under a launcher; what it prints."""
    command = [
        *(sys.executable, *launcher, "-m", "cli", "finetune", str(songs), "-o", str(out)),
        *("--model", str(base), "--device", device, "--seconds", "3", "--rank", "2"),
        *("--batch", "3", "--steps", "6", "--every", "2", "--sample-every", "4", "--no-measure"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def trained(
    launcher: tuple[str, ...], songs: Path, base: Path, folder: Path, device: str
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Adapters from one process and from two, whose losses are the same."""
    one, two = folder / "one", folder / "two"
    assert ", 2 processes" not in finetune((), songs, base, one, device)
    said = finetune(launcher, songs, base, two, device)
    assert said.count("validation loss") == 1  # the first alone speaks
    assert "steps a second, 2 processes" in said
    curves = [
        [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
        for out in (one, two)
    ]
    for first, second in zip(*curves, strict=True):
        assert second["loss"] == pytest.approx(first["loss"], abs=1e-4 if device == "cpu" else 1e-2)
    assert json.loads((two / "finetune.json").read_text())["processes"] == 2
    alone, together = (load_file(out / "adapter_model.safetensors") for out in (one, two))
    assert alone.keys() == together.keys()
    return alone, together


@pytest.mark.slow
def test_two_processes_are_as_one(songs: Path, base: Path, tmp_path: Path) -> None:
    """A batch of three between two: shares of different sizes, pieces of different lengths."""
    alone, together = trained(TORCHRUN, songs, base, tmp_path, "cpu")
    assert any(float(weight.abs().max()) > 0 for name, weight in alone.items() if "lora_B" in name)
    for name, weight in alone.items():
        torch.testing.assert_close(together[name], weight, rtol=1e-3, atol=2e-5)


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_two_gpus_are_as_one(songs: Path, base: Path, tmp_path: Path) -> None:
    """In 16 bits shares of another size are rounded otherwise: alike, not equal."""
    both = trained(ACCELERATE, songs, base, tmp_path, "cuda")
    learnt = [
        torch.cat([weight.flatten() for name, weight in sorted(one.items()) if "lora_B" in name])
        for one in both
    ]
    assert float(torch.cosine_similarity(*learnt, dim=0)) > 0.95


def test_shares_are_everything_once() -> None:
    items = list(range(7))
    shares = [items[Team(rank, 3).share] for rank in range(3)]
    assert sorted(item for share in shares for item in share) == items
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert items[Team().share] == items


def test_alone_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    team = join_team("cpu")
    assert team == Team()
    assert team.leads
    values = torch.arange(3.0)
    assert team.total(values) is values
    assert team.from_first(lambda: 5) == 5
    team.part()


def test_a_team_larger_than_the_batch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="4 processes can't share a batch of 3: give a --batch"):
        train(None, None, Recipe(batch=3), tmp_path, team=Team(0, 4))  # type: ignore[arg-type]
