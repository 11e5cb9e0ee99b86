"""Whatever is given for a recording: music, or one clear line, and never half a run."""

from __future__ import annotations

import errno
import os
import resource
import struct
import subprocess
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

import cli
from audio_chain import Chain, Run
from audio_chain.audio import decode
from audio_chain.errors import ChainError
from audio_chain.events import StageFinished
from audio_chain.transcribe import Transcript

RATE = 16_000


def wav(path: Path, samples: np.ndarray, rate: int = RATE, subtype: str = "PCM_16") -> Path:
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def empty(folder: Path) -> Path:
    path = folder / "empty.wav"
    path.touch()
    return path


def truncated(folder: Path) -> Path:
    whole = wav(folder / "whole.wav", np.zeros(RATE)).read_bytes()
    path = folder / "truncated.wav"
    path.write_bytes(whole[:20])
    return path


def not_audio(folder: Path) -> Path:
    path = folder / "notes.m4a"
    path.write_text("Dear diary, today I hummed a tune.\n" * 50)
    return path


def a_picture(folder: Path) -> Path:
    from PIL import Image

    path = folder / "cat.mp3"
    Image.new("RGB", (64, 64)).save(path, "PNG")
    return path


def not_numbers(folder: Path) -> Path:
    samples = np.sin(np.arange(RATE) / 10.0)
    samples[RATE // 2 :] = np.nan
    return wav(folder / "nan.wav", samples, subtype="FLOAT")


def silent(folder: Path) -> Path:
    return wav(folder / "silent.wav", np.zeros(5 * RATE))


def noise(folder: Path) -> Path:
    return wav(folder / "noise.wav", 0.3 * np.random.default_rng(0).standard_normal(5 * RATE))


def ten_milliseconds(folder: Path) -> Path:
    return wav(folder / "blip.wav", 0.5 * np.sin(np.arange(RATE // 100) / 5.0))


def a_folder(folder: Path) -> Path:
    (folder / "memos").mkdir()
    return folder / "memos"


def nothing(folder: Path) -> Path:
    return folder / "nothing.m4a"


def a_device(folder: Path) -> Path:
    return Path(os.devnull)


def hostile_name(folder: Path) -> Path:
    path = folder / "new\nline\x1b[31m$(reboot)\u202e.wav"
    path.write_text("not audio")
    return path


@pytest.mark.parametrize(
    ("make", "code", "message"),
    [
        (empty, 1, "is empty (0 bytes)"),
        (truncated, 1, "damaged or cut off"),
        (not_audio, 1, "is not audio"),
        (a_picture, 1, "is not audio"),
        (not_numbers, 1, "not numbers (NaN or infinity)"),
        (silent, 1, "only silence (5.0 s); record it again, or type what you want with --text"),
        (noise, 1, "or type what you want with --text"),
        (ten_milliseconds, 1, "10 ms"),
        (a_folder, 2, "is a folder; give one audio file"),
        (nothing, 2, "there is no file"),
        (a_device, 2, "is not a regular file"),
        (hostile_name, 1, "is not audio"),
    ],
)
def test_bad_recordings(
    make: Callable[[Path], Path],
    code: int,
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    recording = make(tmp_path)
    before = set(tmp_path.iterdir())
    assert cli.main(["memo", str(recording)]) == code
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("audio-chain: ")
    assert message in output.err
    assert output.err.count("\n") == 1
    assert output.err.strip().isprintable()
    assert "Traceback" not in output.err
    assert set(tmp_path.iterdir()) == before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = silent(tmp_path)
    recording.chmod(0)
    assert cli.main(["memo", str(recording), "-o", str(tmp_path / "run")]) == 2
    assert "no permission to read" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["silent.wav"]


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes everywhere"
)
def test_a_folder_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    assert cli.main(["generate", "a harp", "-o", str(tmp_path / "locked" / "run")]) == 1
    assert "can't make the folder" in capsys.readouterr().err


def three_hours(path: Path, memo: Path) -> Path:
    """A sparse 8 kHz wav: the memo, then silence up to three hours."""
    rate, frames = 8000, 3 * 3600 * 8000
    speech = decode(memo, rate=rate, mono=True).samples[0]
    header = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + 2 * frames, b"WAVE", b"fmt ", 16, 1, 1,
                         rate, 2 * rate, 2, 16)  # fmt: skip
    with path.open("wb") as file:
        file.write(header + struct.pack("<4sI", b"data", 2 * frames))
        file.write((speech * 32_767).astype("<i2").tobytes())
        file.truncate(44 + 2 * frames)
    return path


def test_three_hours_in_bounded_memory(
    chain: Chain, memos: dict[str, Path], tmp_path: Path
) -> None:
    recording = three_hours(tmp_path / "long.wav", memos["rainy-evening"])
    tracemalloc.start()
    heard: Transcript | None = None
    events = chain.stream(recording, folder=tmp_path / "run")
    for event in events:
        if isinstance(event, StageFinished) and event.stage == "transcribe":
            heard = event.result
            break
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    events.close()
    assert heard is not None
    assert "raining" in heard.text
    assert "only the first" in heard.note
    assert peak < 200e6  # its samples alone would take 346 MB at 8 kHz, 691 at 16


def test_a_recording_cut_off_later_gives_what_is_there(
    chain: Chain, memos: dict[str, Path], tmp_path: Path
) -> None:
    whole = decode(memos["rainy-evening"], rate=RATE, mono=True).samples[0]
    content = wav(tmp_path / "whole.wav", whole).read_bytes()
    cut = tmp_path / "cut.wav"
    cut.write_bytes(content[: len(content) // 2])
    events = chain.stream(cut, folder=tmp_path / "run")
    heard = next(event.result for event in events if isinstance(event, StageFinished))
    events.close()
    assert "raining" in heard.text


# --- no space left ----------------------------------------------------------------------------


@contextmanager
def small_files() -> Iterator[None]:
    """No file may grow beyond 4 kB, as a quota would have it; pytest's own output neither."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_files_that_may_not_grow(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "run"
    with small_files():
        code = cli.main(["generate", "a harp", "--seconds", "1", "-o", str(out)])
    assert code == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert os.strerror(errno.EFBIG) in output.err
    assert output.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("may not mount a small disk here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_no_space_left(memo_run: Run, small_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    brief = memo_run.folder / "brief.json"
    out = small_disk / "run"
    assert cli.main(["memo", "--brief", str(brief), "--format", "wav", "-o", str(out)]) == 1
    output = capsys.readouterr()
    assert "no space left to write" in output.err
    assert f"the brief is kept: go on with --brief {out}.partial/brief.json" in output.err
    assert output.err.count("\n") == 1
    assert [path.name for path in small_disk.iterdir()] == ["run.partial"]


# --- names ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["Müde & glücklich.wav", "音楽.wav", "..wav", "-rf.wav", "x" * 200 + ".wav", "a\nb.wav"]
)
def test_memo_names_make_safe_folders(
    name: str, chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(silent(tmp_path).read_bytes())
    events = chain.stream(Path(name))
    next(events)
    (draft,) = Path("runs").iterdir()
    assert draft.name.isascii()
    assert len(draft.name) < 80
    with pytest.raises(ChainError):
        list(events)
    assert not Path("runs").exists()
