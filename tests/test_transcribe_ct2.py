"""The reader of CTranslate2's model.bin, against files put together from the format itself."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_chain.transcribe.ct2 import Ct2Error, read


def string(text: str) -> bytes:
    raw = text.encode() + b"\0"
    return struct.pack("<H", len(raw)) + raw


def model_bin(*tensors: tuple[str, int, np.ndarray[Any, Any]]) -> bytes:
    """A model.bin, put together from the format's description."""
    out = struct.pack("<I", 6) + string("WhisperSpec") + struct.pack("<II", 3, len(tensors))
    for name, code, values in tensors:
        out += string(name) + struct.pack(f"<B{values.ndim}I", values.ndim, *values.shape)
        out += struct.pack("<BI", code, values.nbytes) + values.tobytes()
    return out + struct.pack("<I", 1) + string("tied") + string(tensors[0][0])


WEIGHT = np.array([[10, -20, 30], [1, 2, 3]], dtype=np.int8)
SCALE = np.array([10.0, 1.0], dtype=np.float32)
HALF = np.array([0.5, -2.0, 3.0], dtype=np.float16)
WHOLE = model_bin(
    ("weight", 1, WEIGHT),
    ("weight_scale", 0, SCALE),
    ("bias", 4, HALF),
    ("brain", 5, np.array([0x3F80, 0xC000], dtype=np.uint16)),
    ("heads", 1, np.array(6, dtype=np.int8)),
)


def test_ct2_tensors_come_out_as_they_were_put_in(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(WHOLE)
    model = read(path)
    assert (model.version, model.specification, model.revision) == (6, "WhisperSpec", 3)
    np.testing.assert_array_equal(model.variables["weight"], WEIGHT)
    np.testing.assert_array_equal(model.dense("tied"), [[1, -2, 3], [1, 2, 3]])
    np.testing.assert_array_equal(model.dense("bias"), HALF)
    np.testing.assert_array_equal(model.dense("brain"), [1.0, -2.0])
    assert model.variables["heads"].shape == ()
    with pytest.raises(Ct2Error, match="no tensor absent"):
        model.dense("absent")


@pytest.mark.parametrize("size", range(len(WHOLE)))
def test_ct2_file_cut_short_anywhere_is_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(WHOLE[:size])
    with pytest.raises(Ct2Error, match=r"model\.bin"):
        read(path)


@given(noise=st.binary(max_size=300), kept=st.integers(0, len(WHOLE)))
def test_ct2_garbage_is_a_clear_error_or_a_model(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, kept: int
) -> None:
    path = tmp_path_factory.mktemp("ct2") / "model.bin"
    path.write_bytes(WHOLE[:kept] + noise)
    try:
        model = read(path)
    except Ct2Error:
        return  # any other exception fails the test
    assert model.specification == "WhisperSpec"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04 a zip file", "no CTranslate2 model"),
        (WHOLE + b"\0", "1 bytes follow"),
        (struct.pack("<I", 3) + WHOLE[4:], "first four bytes read 3"),
        (WHOLE.replace(string("bias"), string("b\xff")[:-2] + b"\xff\xff\0\0"), "damaged|cut"),
    ],
)
def test_ct2_damage_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "model.bin").write_bytes(content)
    with pytest.raises(Ct2Error, match=message):
        read(tmp_path / "model.bin")
