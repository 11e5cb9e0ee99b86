"""Tensors mapped from a checkpoint's files, one by one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from audio_chain.weights import mapped
from audio_chain.weights.mapped import MappedTensors, Part


@pytest.fixture
def tensors(tmp_path: Path) -> dict[str, torch.Tensor]:
    """In two files of `tmp_path`."""
    tensors = {f"{part}.{row}": torch.randn(300, 40) for part in "ab" for row in range(4)}
    tensors["a.half"] = torch.randn(7).half()
    for part in "ab":
        own = {name: tensor for name, tensor in tensors.items() if name.startswith(part)}
        save_file(own, tmp_path / f"{part}.safetensors")
    return tensors


@pytest.mark.parametrize("span", [0, 100_000, mapped._SPAN])
def test_all_are_as_saved(
    tensors: dict[str, torch.Tensor], tmp_path: Path, span: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped, "_SPAN", span)
    found = MappedTensors(tmp_path)
    assert set(found) == set(tensors)
    assert len(found) == len(tensors)
    for name, tensor in found.items():
        assert tensor.dtype == tensors[name].dtype
        assert torch.equal(tensor, tensors[name])


def test_a_part_knows_its_own(tensors: dict[str, torch.Tensor], tmp_path: Path) -> None:
    part = Part(MappedTensors(tmp_path), "b.")
    assert sorted(part) == ["0", "1", "2", "3"]
    assert len(part) == 4
    assert "3" in part
    assert "b.3" not in part
    assert torch.equal(part["3"], tensors["b.3"])
    assert not Part(part, "c.")
    with pytest.raises(KeyError):
        part["half"]


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what is mapped")
def test_what_nobody_holds_is_unmapped(
    tensors: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mappings() -> int:
        lines = Path("/proc/self/maps").read_text().splitlines()
        return sum(line.endswith("a.safetensors") for line in lines)

    monkeypatch.setattr(mapped, "_SPAN", 0)
    found = MappedTensors(tmp_path)
    held = [found["a.0"], found["a.1"]]
    assert mappings() == 2
    held.pop()
    found["b.0"]
    assert mappings() == 1
    assert torch.equal(held[0], tensors["a.0"])
