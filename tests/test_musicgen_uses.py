"""Recordings for the generator and guidance that changes, through chain, manifest and rerun."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import cli
from audio_chain import Chain, MemoRequest
from audio_chain.audio import Clip, encode
from audio_chain.errors import UsageError
from audio_chain.manifest import Record
from audio_chain.rerun import compare, recorded, request_of


@pytest.fixture(scope="module")
def tune(tmp_path_factory: pytest.TempPathFactory) -> Path:
    time = np.arange(48_000) / 48_000
    sound = (0.3 * np.sin(2 * np.pi * 330 * time))[None].astype(np.float32)
    return encode(Clip(sound, 48_000), tmp_path_factory.mktemp("tune") / "tune.flac")


def test_a_continued_track_is_recorded_and_repeated(
    chain: Chain, tune: Path, tmp_path: Path
) -> None:
    request = MemoRequest(
        prompt="a harp", continue_from=tune, seconds=1.4, seed=3, guidance_end=1.0, fades=False
    )
    run = chain.run(request, folder=tmp_path / "run")
    assert run.clip.seconds == pytest.approx(1.4)
    record = recorded(run.folder)
    assert record.settings["continue_from"] == str(tune.absolute())
    assert record.settings["guidance_end"] == 1.0
    assert record.settings["melody"] is None
    assert set(record.recordings) == {"continue_from"}
    again = chain.run(request_of(record), folder=tmp_path / "again")
    assert compare(record, recorded(again.folder)).identical
    without = MemoRequest(prompt="a harp", seconds=1.4, seed=3, guidance_end=1.0, fades=False)
    other = chain.run(without, folder=tmp_path / "other")
    assert not compare(record, recorded(other.folder)).identical


def test_what_is_continued_counts_for_the_length(chain: Chain, tune: Path, tmp_path: Path) -> None:
    """Where no length is asked for: the default comes on top."""
    from audio_chain.events import StageStarted

    events = chain.stream(MemoRequest(prompt="a harp", continue_from=tune), folder=tmp_path / "run")
    for event in events:
        if isinstance(event, StageStarted) and event.stage == "generate":
            assert event.total == pytest.approx(11.0)
            break
    events.close()


def test_a_recording_that_changed_or_went(chain: Chain, tune: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.flac"
    mine.write_bytes(tune.read_bytes())
    request = MemoRequest(prompt="a harp", continue_from=mine, seconds=1.2, seed=1)
    record = recorded(chain.run(request, folder=tmp_path / "run").folder)
    mine.write_bytes(b"")
    with pytest.raises(UsageError, match=r"continue-from .* has changed since the run"):
        request_of(record)
    mine.unlink()
    with pytest.raises(UsageError, match=r"continue-from .* is gone; put it back"):
        request_of(record)


def test_runs_from_before_there_were_recordings(chain: Chain, tmp_path: Path) -> None:
    run = chain.run(MemoRequest(prompt="a harp", seconds=0.3, seed=1), folder=tmp_path / "run")
    fields = json.loads(run.manifest.read_text(encoding="utf-8"))
    del fields["recordings"]
    for name in ("continue_from", "melody", "guidance_end"):
        del fields["settings"][name]
    (tmp_path / "old.json").write_text(json.dumps(fields), encoding="utf-8")
    record = Record.read(tmp_path / "old.json")
    assert record.recordings == {}
    assert request_of(record) == request_of(recorded(run.folder))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--melody", "TUNE"], "musicgen-nano can't use --melody: leave it out, or give --model"),
        (["--continue-from", "nothing.wav"], "no file 'nothing.wav'"),
        (["--continue-from", "TUNE", "--seconds", "0.5"], "is 1.0 s long already: --seconds"),
        (["--guidance-end", "-1"], "guidance-end is -1; it has to be 0 or more"),
        (["--seconds", "601"], "musicgen-nano makes at most 600 s"),
    ],
)
def test_impossible_combinations_are_one_line(
    arguments: list[str],
    said: str,
    tune: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    told = [str(tune) if argument == "TUNE" else argument for argument in arguments]
    assert cli.main(["generate", "a harp", *told, "-o", "out"]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_minute_of_nano_is_repeated_bit_for_bit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = [str(tmp_path / "run"), str(tmp_path / "again")]
    assert cli.main(["generate", "slow piano", "--seconds", "60", "--seed", "3", "-o", out[0]]) == 0
    assert cli.main(["rerun", out[0], "-o", out[1]]) == 0
    assert "identical" in capsys.readouterr().out
