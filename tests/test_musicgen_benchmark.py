"""MusicGen's benchmark at a size for tests: what it measures, leaves out and shows."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from musicgen_models import CPU

from benchmarks.musicgen import STATIC, measured
from benchmarks.musicgen_start import PRECISIONS, Watch, ours, theirs
from benchmarks.random_musicgen import random_model, tokenizer
from docs.hooks.speeds import musicgen_speed, musicgen_start


def test_all_engines_are_measured_or_said_to_be_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIO_CHAIN_CACHE", str(tmp_path))
    about = {
        "device": "a processor",
        "clock": "processor time",
        "threads": 1,
        "load": 0.0,
        "torch": torch.__version__,
        "read_gb_a_second": 20.0,
    }
    found = measured("tiny", CPU, about, [1], ["fp32", "bf16", "fp16", "int8"])
    for row in found["rows"]:
        assert row["ms_a_step"] > 0
    engines = {row["engine"] for row in found["rows"]}
    assert {"transformers", "audio-chain"} <= engines
    assert engines | set(found["left_out"]) == {"transformers", STATIC, "audiocraft", "audio-chain"}
    table = musicgen_speed({"cpu": {"about": about} | found}, "cpu")
    for engine, why in found["left_out"].items():
        assert f"{engine}: {why}" in table
    assert "backends install audiocraft" in table


def test_both_engines_start_from_the_same_folder(tmp_path: Path) -> None:
    random_model("tiny", CPU, torch.float32, whole=False).save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    rows = []
    for name, engine in (("transformers", theirs), ("audio-chain", ours)):
        for precision in PRECISIONS["cpu"][name]:
            times = engine(tmp_path, precision, CPU, Watch(CPU))
            assert 0 < times["load_s"] < times["first_step_s"]
            rows.append({"engine": name, "precision": precision, "threads": 1} | times)
    report = {"device": "a processor", "checkpoint_mb": 3, "rows": rows}
    table = musicgen_start({"cpu": {"start": {"tiny": report}}})
    assert len([line for line in table.splitlines() if line.startswith("| tiny")]) == len(rows)
