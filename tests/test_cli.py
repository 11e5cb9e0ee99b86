"""The command line: what it prints where, its exit codes, and how it ends when it is stopped."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest

import audio_chain
import cli
from audio_chain import Run
from audio_chain.audio import probe, read_tags
from audio_chain.doctor import Check, examine
from audio_chain.events import ChainFinished, Notice, StageFinished, StageProgress, StageStarted
from audio_chain.terminal import printable

ROOT = Path(cli.__file__).parent


def run_cli(*arguments: str | Path) -> int:
    return cli.main([str(argument) for argument in arguments])


def start_cli(*arguments: str | Path, **more: Any) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name != "TQDM_DISABLE"}
    return subprocess.Popen(
        [sys.executable, ROOT / "cli.py", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **more,
    )


# --- help and version -------------------------------------------------------------------------


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys, cli\n"
        "try: cli.main(['memo', '--help'])\n"
        "except SystemExit as done: assert done.code == 0\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    output = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "--no-loudness" in output
    loaded = set(ast.literal_eval(output.splitlines()[-1]))
    heavy = {"numpy", "scipy", "torch", "transformers", "av", "soundfile", "rich", "PIL", "yaml"}
    assert not heavy & loaded


@pytest.mark.parametrize("command", ["memo", "generate", "rerun", "models", "doctor"])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        run_cli(command, "--help")
    assert done.value.code == 0
    assert f"audio-chain {command}" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run_cli("--version")
    assert capsys.readouterr().out == f"audio-chain {audio_chain.__version__}\n"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == audio_chain.__version__


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["sing"], "invalid choice: 'sing'"),
        (["memo"], "give one of: a recording, --text, --brief"),
        (["memo", "a.m4a", "--text", "sad"], "give one of: a recording, --text, --brief"),
        (["memo", "--brief", "none.json"], "there is no file 'none.json'"),
        (["generate"], "the following arguments are required: prompt"),
        (["generate", "x", "--seconds", "long"], "invalid float value: 'long'"),
        (["generate", "x", "--seconds", "-1"], "seconds is -1"),
        (["generate", "x", "--format", "aiff"], "invalid choice: 'aiff'"),
        (["generate", "x", "--preset", "huge"], "no preset 'huge'"),
        (["generate", "x", "--model", "whisper-base"], "not a generate one"),
        (["generate", "x", "--device", "abacus"], "no device 'abacus'"),
        (["rerun", "none"], "there is no file 'none'"),
        (["models", "show", "gpt"], "there is no model or preset 'gpt'"),
        (["models", "fetch", "gpt"], "there is no model or preset 'gpt'"),
        (["doctor", "--preset", "huge"], "no preset 'huge'"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_cli(*arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("audio-chain: ")
    assert message in output.err
    assert output.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


# --- making music -----------------------------------------------------------------------------


def test_generate_as_in_the_readme(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = (
        "generate|a slow sad piano piece|-n|2|--seconds|1|--seed|7|--guidance|3|--temperature|1|"
        "--top-k|250|--format|flac|-o|out/"
    )
    assert run_cli(*command.split("|")) == 0
    output = capsys.readouterr()
    paths = [Path(line) for line in output.out.splitlines()]
    assert [path.name for path in paths] == [
        "track-1.flac",
        "track-2.flac",
        "spectrogram-1.png",
        "spectrogram-2.png",
        "index.html",
        "run.json",
    ]
    assert {path.parent for path in paths} == {Path("out")}
    assert all(path.is_file() for path in paths)
    assert output.err == ""  # quiet in a pipe
    assert [read_tags(path).seed for path in paths[:2]] == [7, 8]
    assert read_tags(paths[0]).prompt == "a slow sad piano piece"
    assert probe(paths[0]).seconds == pytest.approx(1.0, abs=0.05)


def test_memo_from_text_as_json_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--text", "a lullaby on a music box", "--seconds", "1", "--format", "mp3")
    assert run_cli("memo", *arguments, "--json", "-o", tmp_path / "run") == 0
    output = capsys.readouterr()
    events = [json.loads(line) for line in output.out.splitlines()]
    names = [event["event"] for event in events]
    assert names[0] == "stage_started"
    assert names[-1] == "finished"
    assert set(names[1:-1]) <= {"stage_started", "stage_progress", "stage_finished", "notice"}
    briefs = [event for event in events if event["event"] == "stage_finished"]
    assert briefs[0]["stage"] == "rewrite"
    assert briefs[0]["result"]["genre"]
    assert events[-1]["tracks"] == [str(tmp_path / "run" / "track.mp3")]
    assert Path(events[-1]["page"]).is_file()
    assert output.err == ""


def test_a_brief_can_be_edited_and_played(
    memo_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    brief = json.loads((memo_run.folder / "brief.json").read_text(encoding="utf-8"))
    mine = tmp_path / "brief.json"
    mine.write_text(json.dumps({**brief, "mood": "happy", "seconds": 1}), encoding="utf-8")
    assert (
        run_cli("memo", "--brief", mine, "--no-fades", "--no-loudness", "-o", tmp_path / "r") == 0
    )
    record = json.loads((tmp_path / "r" / "run.json").read_text(encoding="utf-8"))
    assert "happy" in record["prompt"]
    assert record["track_seconds"] == 1
    assert record["settings"]["fades"] is record["settings"]["loudness"] is False
    mine.write_text(json.dumps({**brief, "mood": "hangry"}), encoding="utf-8")
    capsys.readouterr()
    assert run_cli("memo", "--brief", mine, "-o", tmp_path / "s") == 2
    assert "brief: mood must be one of" in capsys.readouterr().err


def test_failures_are_events_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli("memo", tmp_path / "none.m4a", "--json", "-o", tmp_path / "run") == 2
    output = capsys.readouterr()
    (event,) = [json.loads(line) for line in output.out.splitlines()]
    assert event["event"] == "failed"
    assert event["exit"] == 2
    assert event["message"] in output.err


def test_bars_on_a_terminal(
    memo_run: Run, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")
    with cli._display(as_json=False) as display:
        display.show(StageStarted("fetch", 5e6, "bytes", "a [bold]model[/]"))
        display.show(StageProgress("fetch", 2.5e6, 5e6))
        display.show(StageFinished("fetch", 1.0, None))
        display.show(StageStarted("transcribe", 10.0, "seconds"))
        display.show(StageFinished("transcribe", 1.0, memo_run.transcript))
        display.show(StageStarted("rewrite"))
        display.show(StageFinished("rewrite", 1.0, memo_run.brief))
        display.show(Notice("a [red]licence[/] \x1b[2J"))
        display.show(ChainFinished(memo_run))
    shown = capfd.readouterr().err
    assert "fetching a [bold]model[/]" in shown
    assert "listening" in shown
    assert "heard: Hey, so" in shown
    assert "brief: " in shown
    assert "note: a [red]licence[/] \\x1b[2J" in shown
    assert "100%" in shown


# --- the other commands -----------------------------------------------------------------------


def test_models_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli("models") == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["name", "stage", "parameters", "licence", "MB", "here"]
    assert any(row.startswith("whisper-tiny.en ") for row in rows)
    (musicgen,) = (row for row in rows if row.startswith("facebook/musicgen-small "))
    assert "CC-BY-NC-4.0" in musicgen


def test_a_model_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli("models", "show", "whisper-tiny.en") == 0
    assert "licence      MIT" in capsys.readouterr().out


def test_models_are_fetched(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli("models", "fetch", "offline") == 0
    lines = capsys.readouterr().out.splitlines()
    folders = {name: Path(folder) for name, folder in (line.split("  ") for line in lines)}
    assert set(folders) >= {"whisper-tiny.en", "smollm2-135m", "musicgen-nano", "minilm"}
    assert all(folder.is_dir() for folder in folders.values())


def test_doctor_finds_nothing_wrong_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli("doctor") == 0
    output = capsys.readouterr().out
    for name in ("python", "torch", "device", "musicgen-nano", "cache", "ffmpeg"):
        assert name in output
    assert "failed" not in output


def test_doctor_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AUDIO_CHAIN_CACHE", str(tmp_path / "cache"))
    notes = [check for check in examine() if check.state == "note"]
    assert {check.remedy for check in notes} >= {"audio-chain models fetch offline"}
    monkeypatch.setenv("AUDIO_CHAIN_OFFLINE", "1")
    failed = [check for check in examine() if check.state == "failed"]
    assert {check.name for check in failed} >= {"transcribe model", "rewrite model"}
    assert run_cli("doctor") == 1
    assert "-> without AUDIO_CHAIN_OFFLINE: audio-chain models fetch" in capsys.readouterr().out


def test_doctor_finds_packages_built_for_another_torch(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "torchaudio").mkdir()
    broken = "raise OSError('libc10_cuda.so: cannot open shared object file')"
    (tmp_path / "torchaudio" / "__init__.py").write_text(broken)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torchaudio", raising=False)
    assert (
        Check(
            "torchaudio",
            "failed",
            "can't be imported: libc10_cuda.so: cannot open shared object file",
            "it doesn't fit the installed torch: pip uninstall torchaudio",
        )
        in examine()
    )


def test_text_cannot_command_the_terminal() -> None:
    assert printable("müde\x1b[2J\r\n\u202e") == "müde\\x1b[2J\\r\\n\\u202e"


# --- being stopped ----------------------------------------------------------------------------


def wait_for(process: subprocess.Popen[str], stage: str) -> None:
    """Read the process's events until `stage` begins."""
    assert process.stdout is not None
    for line in process.stdout:
        told = json.loads(line)
        if told["event"] == "stage_started" and told["stage"] == stage:
            return
    raise AssertionError(f"{stage} never began: {process.communicate()[1]}")


@pytest.mark.skipif(os.name == "nt", reason="signals are sent another way there")
def test_ctrl_c(tmp_path: Path) -> None:
    arguments = ("generate", "a techno track", "-n", "9", "--json")
    process = start_cli(*arguments, "-o", tmp_path / "run", start_new_session=True)
    wait_for(process, "generate")  # the hardest moment: a thread is deep inside an import
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert time.monotonic() - begun < 10
    assert process.returncode == 130
    assert errors == "audio-chain: stopped\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="signals are sent another way there")
def test_killed_halfway(memo_run: Run, tmp_path: Path) -> None:
    brief = memo_run.folder / "brief.json"
    arguments = ("memo", "--brief", brief, "-n", "9", "--json")
    process = start_cli(*arguments, "-o", tmp_path / "run")
    wait_for(process, "generate")
    process.kill()
    _, errors = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL
    assert errors == ""
    assert [path.name for path in tmp_path.iterdir()] == ["run.partial"]
    kept = tmp_path / "run.partial" / "brief.json"
    assert [path.name for path in kept.parent.iterdir()] == ["brief.json"]
    assert run_cli("memo", "--brief", kept, "--seconds", "0.5", "-o", tmp_path / "run") == 0


def test_a_closed_pipe(tmp_path: Path) -> None:
    process = start_cli("models", cwd=tmp_path)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=30) == 1
