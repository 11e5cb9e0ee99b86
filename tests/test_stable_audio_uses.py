"""Stable Audio through command line, chain, manifest and rerun, as a checkpoint of tiny weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from stable_audio_models import saved, tiny

import cli
from audio_chain import Chain, MemoRequest, models
from audio_chain.audio import Clip, encode
from audio_chain.brief import Brief, render
from audio_chain.errors import UsageError
from audio_chain.events import Notice
from audio_chain.generate import check_extras
from audio_chain.rerun import compare, recorded, request_of
from eval.bench.contenders import parse_contenders


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tiny(fine=True), tmp_path_factory.mktemp("tiny") / "pipeline")


@pytest.fixture(scope="module")
def diffusion(folder: Path) -> Chain:
    return Chain.from_preset("offline", model=str(folder))


@pytest.fixture(scope="module")
def tune(tmp_path_factory: pytest.TempPathFactory) -> Path:
    time = np.arange(24_000) / 48_000
    sound = (0.3 * np.sin(2 * np.pi * 330 * time))[None].astype(np.float32)
    return encode(Clip(sound, 48_000), tmp_path_factory.mktemp("tune") / "tune.flac")


def test_a_run_records_what_the_model_chose_and_is_repeated(
    diffusion: Chain, tmp_path: Path
) -> None:
    request = MemoRequest(prompt="sad piano", seconds=0.4, seed=3, count=2, steps=4)
    run = diffusion.run(request, folder=tmp_path / "run")
    assert [clip.seconds for clip in run.clips] == [pytest.approx(0.4)] * 2
    record = recorded(run.folder)
    assert record.settings["steps"] == 4
    assert record.settings["guidance"] == 7.0
    assert record.settings["sampler"] == "dpmpp-2m-sde"
    assert record.settings["temperature"] is None
    assert record.versions["diffusers"]
    page = run.page.read_text(encoding="utf-8")
    assert "dpmpp-2m-sde" in page
    assert "temperature" not in page
    again = diffusion.run(request_of(record), folder=tmp_path / "again")
    assert compare(record, recorded(again.folder)).identical


def test_a_part_made_anew_is_recorded_and_repeated(
    diffusion: Chain, tune: Path, tmp_path: Path
) -> None:
    request = MemoRequest(
        prompt="sad piano", variation_of=tune, inpaint=(0.2, 0.3), strength=0.8, steps=4, seed=3
    )
    run = diffusion.run(request, folder=tmp_path / "run")
    assert run.clip.seconds == pytest.approx(0.5)  # of the recording
    record = recorded(run.folder)
    assert set(record.recordings) == {"variation_of"}
    assert json.loads(run.manifest.read_text())["settings"]["inpaint"] == [0.2, 0.3]
    repeated = request_of(record)
    assert (repeated.inpaint, repeated.strength) == ((0.2, 0.3), 0.8)
    again = diffusion.run(repeated, folder=tmp_path / "again")
    assert compare(record, recorded(again.folder)).identical
    other = diffusion.run(replace(repeated, inpaint=(0.2, 0.4)), folder=tmp_path / "other")
    assert not compare(record, recorded(other.folder)).identical


def test_what_a_short_track_costs_is_said(diffusion: Chain, tmp_path: Path) -> None:
    request = MemoRequest(prompt="sad piano", seconds=0.2, steps=2, seed=1)
    notices = [
        event.text
        for event in diffusion.stream(request, folder=tmp_path / "run")
        if isinstance(event, Notice)
    ]
    assert any("trained on windows of 0.5 s and makes a whole one" in said for said in notices)


def test_on_the_command_line(
    folder: Path, tune: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["generate", "sad piano", "--model", str(folder), "--steps", "3", "--seed", "1"]
    more = ["--sampler", "euler", "--variation-of", str(tune), "--inpaint", "0.1-0.25"]
    assert cli.main([*command, *more, "--seconds", "0.4", "-o", str(tmp_path / "run")]) == 0
    settings = recorded(tmp_path / "run").settings
    assert settings["sampler"] == "euler"
    assert settings["inpaint"] == [0.1, 0.25]
    assert settings["variation_of"] == str(tune.absolute())
    assert cli.main(["rerun", str(tmp_path / "run"), "-o", str(tmp_path / "again")]) == 0
    assert "identical" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--temperature", "1"], "can't use --temperature: leave it out, or give --model a Music"),
        (["--top-k", "5"], "can't use --top-k"),
        (["--melody", "TUNE"], "can't use --melody: leave it out, or give --model musicgen-melody"),
        (["--steps", "0"], "steps is 0; it has to be 1 or more"),
        (["--sampler", "magic"], "no sampler 'magic'; choose one of dpmpp-2m-sde"),
        (["--strength", "0.5"], "strength and inpaint go with variation-of"),
        (["--variation-of", "TUNE", "--strength", "0"], "strength is 0; it has to be above 0"),
        (["--variation-of", "TUNE", "--inpaint", "4"], "'4' is no part such as 4-6"),
        (["--variation-of", "TUNE", "--inpaint", "3-2"], "the end of what to inpaint is 2"),
        (["--variation-of", "TUNE", "--inpaint", "0.2-0.8"], "inside every piece"),
        (["--variation-of", "TUNE", "--seconds", "2"], "what to vary is 0.5 s long"),
        (["--variation-of", "TUNE", "--continue-from", "TUNE"], "not both"),
        (["--variation-of", "nothing.wav"], "no file 'nothing.wav'"),
        (["--seconds", "3"], "makes at most 0.512 s at a time"),
    ],
)
def test_impossible_combinations_are_one_line(
    arguments: list[str],
    said: str,
    folder: Path,
    tune: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    told = [str(tune) if argument == "TUNE" else argument for argument in arguments]
    command = ["generate", "sad piano", "--model", str(folder), *told, "-o", "out"]
    assert cli.main(command) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.splitlines()[-1].startswith("audio-chain: ")
    assert list(tmp_path.iterdir()) == []


def test_musicgen_refuses_what_only_a_diffusion_can() -> None:
    for flag in ("--steps", "--sampler", "--variation-of", "--strength", "--inpaint"):
        with pytest.raises(UsageError, match=f"can't use {flag}: .* --model a Stable Audio"):
            check_extras(models.CATALOGUE["musicgen-nano"], [flag])
    check_extras(models.CATALOGUE["musicgen-nano"], ["--guidance", "--temperature", "--top-p"])


def test_benchmarks_know_steps_and_samplers(folder: Path) -> None:
    label = f"{folder}:steps=8:sampler=euler:guidance=2"
    (contender,) = parse_contenders(label)
    request = contender.request("sad", 0.4, 1)
    assert (request.steps, request.sampler, request.guidance) == (8, "euler", 2.0)
    with pytest.raises(UsageError, match="musicgen-nano can't use --steps"):
        parse_contenders("musicgen-nano:steps=8")
    with pytest.raises(UsageError, match="can't use --top-k"):
        parse_contenders(f"{folder}:top_k=8")


def test_families_of_folders_and_their_prompts(folder: Path, tmp_path: Path) -> None:
    assert models.resolve(str(folder), "generate").family == "stable-audio"
    index = json.loads((folder / "model_index.json").read_text())
    index["text_encoder"] = ["audio_chain", "MiniLM"]
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    assert models.resolve(str(tmp_path), "generate").family == "stable-audio-nano"
    brief = Brief(
        description="rain on a window",
        genre="lo-fi hip hop",
        mood="calm",
        tempo="slow",
        instruments=("piano", "drums"),
        energy="low",
        key=None,
        avoid=(),
        seconds=10.0,
        tempo_bpm=80,
    )
    assert render(brief, "stable-audio-nano") == render(brief, "musicgen-nano")
