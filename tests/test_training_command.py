"""The command that trains everything: what it starts, and how it stops."""

from __future__ import annotations

import argparse
from pathlib import Path
from threading import Thread

import pytest

from audio_chain.errors import ChainError
from training import shards
from training.__main__ import STAGES, WEIGHTS, commands, run


def options(work: Path, *only: str) -> argparse.Namespace:
    return argparse.Namespace(
        work=work,
        only=list(only),
        minutes=3.0,
        shards=7,
        text=Path("minilm"),
        base=Path("m.gguf"),
        go_on=False,
    )


def test_a_gpu_for_each_side(tmp_path: Path) -> None:
    plan = commands(options(tmp_path, *STAGES), gpus=2)
    assert {name: gpu for name, (_, gpu) in plan.items() if name in STAGES} == {
        "codec": 0,
        "musicgen": 0,
        "stable-audio": 1,
        "clap": 1,
        "rewriter": 1,
    }
    assert str(tmp_path / "codec/model") in plan["codes"][0]
    assert "--compile" in plan["codec"][0]


def test_the_decoder_alone_takes_the_shipped_codec(tmp_path: Path) -> None:
    plan = commands(options(tmp_path, "musicgen"), gpus=0)
    assert set(plan) == {"held-out", "train", "held-out-codes", "codes", "musicgen"}
    assert str(WEIGHTS / "spectral-codec-nano") in plan["codes"][0]
    assert "--compile" not in plan["musicgen"][0]


def test_the_decoder_goes_on_from_the_shipped_one_if_asked(tmp_path: Path) -> None:
    asked = options(tmp_path, "musicgen")
    assert "--go-on" not in commands(asked, gpus=0)["musicgen"][0]
    asked.go_on = True
    arguments = commands(asked, gpus=0)["musicgen"][0]
    assert arguments[arguments.index("--go-on") + 1] == str(WEIGHTS / "musicgen-nano")
    diffusion = options(tmp_path, "stable-audio")
    diffusion.go_on = True
    plan = commands(diffusion, gpus=1)
    assert "bottleneck" not in plan  # its latents are those of the shipped autoencoder
    assert str(WEIGHTS / "stable-audio-nano") in plan["stable-audio"][0]


def test_audio_is_emptied_once_both_who_read_it_have(tmp_path: Path) -> None:
    alone = commands(options(tmp_path, "stable-audio"), gpus=0)
    assert set(alone) == {
        "held-out",
        "train",
        "bottleneck",
        "held-out-latents",
        "latents",
        "stable-audio",
    }
    assert "--keep" in alone["latents"][0]
    assert "--after" not in alone["latents"][0]
    assert "--states" in alone["latents"][0]  # there is no GPU to run the sentence encoder on
    both = commands(options(tmp_path, "musicgen", "stable-audio"), gpus=1)
    assert "--keep" not in both["codes"][0]
    assert "--ahead" in both["train"][0]
    assert "--ahead" not in commands(options(tmp_path, "codec"), gpus=1)["train"][0]
    assert both["latents"][0][-2:] == ["--after", str(tmp_path / "codes/train")]


def test_the_listener_alone_takes_lessons(tmp_path: Path) -> None:
    plan = commands(options(tmp_path, "clap"), gpus=1)
    assert set(plan) == {"held-out", "train", "held-out-lessons", "lessons", "clap"}
    learned, _ = plan["clap"]
    assert learned[learned.index("--lessons") + 1] == plan["lessons"][0][1]
    assert learned[learned.index("--held-out") + 1] == plan["held-out-lessons"][0][1]


def test_the_rewriter_needs_no_audio(tmp_path: Path) -> None:
    assert set(commands(options(tmp_path, "rewriter"), gpus=0)) == {"rewriter"}


def test_stages_run_to_their_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run({"one": (["this"], 0), "two": (["this"], 0)}, tmp_path)
    assert set(capsys.readouterr().out.splitlines()) == {"one is done", "two is done"}
    assert "Beautiful is better" in (tmp_path / "one.log").read_text()


def test_a_failure_stops_the_others_and_is_shown(tmp_path: Path) -> None:
    waiting = ["timeit", "-n1", "-r1", "import time; time.sleep(60)"]
    with pytest.raises(ChainError, match="training stage bad ended with 1") as error:
        run({"slow": (waiting, 0), "bad": (["no_such_module"], 0)}, tmp_path)
    assert "no_such_module" in str(error.value)
    assert (tmp_path / "slow.log").read_text() == ""  # stopped before it could say its time


def test_rendering_waits_until_audio_is_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "POLL", 0.02)
    paths = [tmp_path / f"{number:05d}.npy" for number in range(5)]
    for path in paths:
        path.write_bytes(b"rendered")  # already
    seen: list[Path] = []
    reader = Thread(target=lambda: seen.extend(shards.write_shards(tmp_path, 5, 0, ahead=2)))
    reader.start()
    reader.join(timeout=0.5)
    assert reader.is_alive()
    for path in paths:
        path.write_bytes(b"")
    reader.join()
    assert sorted(seen) == paths
