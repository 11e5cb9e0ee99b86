"""Weights that are not downloaded: shipped with the package, or the user's own files."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from audio_chain import weights
from audio_chain.weights import Local, Server, Shipped, WeightsError
from audio_chain.weights.contents import check_weights


def one_line(error: pytest.ExceptionInfo[WeightsError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    assert "Traceback" not in message
    return message


def test_sums_name_the_file_that_changed_or_went_missing(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    shard, config = tmp_path / "model-00001-of-00002.safetensors", tmp_path / "sub" / "config.json"
    shard.write_bytes(b"weights")
    config.write_bytes(b"{}")
    (tmp_path / "README.md").write_text("card")
    sums = weights.write_sums(tmp_path)
    if program := shutil.which("sha256sum"):
        subprocess.run([program, "--check", "--strict", sums.name], cwd=tmp_path, check=True)
    weights.check_sums(tmp_path)
    (tmp_path / "README.md").write_text("a better card")
    weights.check_sums(tmp_path)

    shard.write_bytes(b"weightz")
    with pytest.raises(WeightsError, match=shard.name) as error:
        weights.check_sums(tmp_path)
    assert hashlib.sha256(b"weights").hexdigest() in one_line(error)
    shard.write_bytes(b"weights")
    config.unlink()
    with pytest.raises(WeightsError, match=r"config\.json is missing"):
        weights.check_sums(tmp_path)
    sums.write_text(f"{'0' * 64}  ../outside\n")
    with pytest.raises(WeightsError, match="bad line"):
        weights.check_sums(tmp_path)


def test_shipped_weights_that_are_not_there_are_one_line() -> None:
    source = Shipped("no-such-model")
    assert not weights.is_cached(source)
    with pytest.raises(WeightsError, match=r"no-such-model.*reinstall") as error:
        weights.fetch(source)
    one_line(error)
    with pytest.raises(WeightsError, match="nothing to verify"):
        weights.verify(source)


def safetensors(tensors: dict[str, int]) -> bytes:
    """A safetensors file of float32 vectors of the given lengths."""
    header, at = {}, 0
    for name, length in tensors.items():
        header[name] = {"dtype": "F32", "shape": [length], "data_offsets": [at, at + 4 * length]}
        at += 4 * length
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(at)


def test_local_folder_and_gguf_file_are_returned_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(safetensors({"w": 3}))
    (tmp_path / "config.json").write_text("{}")
    assert weights.fetch(Local(tmp_path), offline=True) == tmp_path
    weights.verify(Local(tmp_path))
    gguf = tmp_path / "m.gguf"
    gguf.write_bytes(b"GGUF\3\0\0\0")
    assert weights.fetch(Local(gguf)) == gguf
    assert weights.size_on_disk(Local(gguf)) == 8
    with pytest.raises(WeightsError, match="not audio-chain's to remove"):
        weights.remove(Local(tmp_path))


def ctranslate2_head(kind: bytes = b"WhisperSpec") -> bytes:
    return struct.pack("<IH", 6, len(kind) + 1) + kind + b"\0" + bytes(80)


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({}, "holds no weights"),
        ({"pytorch_model.bin": pickle.dumps({}), "config.json": b"{}"}, "may be pickled"),
        ({"sub/model.ckpt": b"PK\3\4"}, "may be pickled"),
        ({"model.safetensors": safetensors({"w": 1})}, "lacks config.json"),
        ({"model.safetensors": safetensors({"w": 9})[:-4], "config.json": b"{}"}, None),
        ({"model.safetensors": safetensors({"w": 9})[:20], "config.json": b"{}"}, "not a whole"),
        (
            {
                "model-1.safetensors": safetensors({"w": 1}),
                "config.json": b"{}",
                "model.safetensors.index.json": b'{"weight_map": {"w": "model-2.safetensors"}}',
            },
            "lacks the shard model-2.safetensors",
        ),
        ({"model.bin": pickle.dumps({"w": 1}), "config.json": b"{}"}, "may be pickled"),
        ({"model.bin": b"PK\3\4" + bytes(90), "config.json": b"{}"}, "may be pickled"),
        ({"model.bin": ctranslate2_head(), "config.json": b"{}"}, "lacks tokenizer.json"),
        ({"x.gguf": b"GGML"}, "not a GGUF file"),
    ],
)
def test_folders_are_judged_by_content(
    tmp_path: Path, files: dict[str, bytes], complaint: str | None
) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    if complaint is None:
        check_weights(tmp_path)
        return
    with pytest.raises(WeightsError, match=complaint) as error:
        check_weights(tmp_path)
    one_line(error)


def test_ctranslate2_folder_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(ctranslate2_head())
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "tokenizer.json").write_text("{}")
    check_weights(tmp_path)


def test_missing_local_path_and_server_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no folder or GGUF file"):
        weights.fetch(Local(tmp_path / "nothing"))
    server = Server("http://localhost:1/v1", "m")
    assert weights.is_cached(server)
    assert weights.size_on_disk(server) == 0
    with pytest.raises(WeightsError, match="no weights to fetch"):
        weights.fetch(server)
