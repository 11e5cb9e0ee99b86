"""Adapters merged into our engine's weights, against plain peft and transformers."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lora_adapters import random_adapter, with_adapter
from musicgen_models import codes_of, saved, tiny, tokenizer
from safetensors.torch import load_file, save_file

import cli
from audio_chain import models
from audio_chain.errors import ChainError, UsageError
from audio_chain.finetune.musicgen import assembled
from audio_chain.generate import load_generator
from audio_chain.generate.musicgen.decoding import decode
from audio_chain.generate.musicgen.generator import MusicgenGenerator
from audio_chain.generate.musicgen.sampling import Sampling
from audio_chain.lora import adapted, read_adapter
from audio_chain.lora.adapter import parse_spec
from audio_chain.lora.merging import merged
from audio_chain.models import ModelCard
from audio_chain.weights.mapped import MappedTensors
from eval.bench.contenders import parse_contenders, weights_of

GREEDY = Sampling(guidance=3.0, top_k=1)
PROMPT = "sad piano waltz"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a whole tiny checkpoint."""
    return saved(tiny(), tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_adapter(tiny(), tmp_path_factory.mktemp("adapter"), str(base))


@pytest.fixture(scope="module")
def nano_adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_adapter(nano()[0], tmp_path_factory.mktemp("nano-adapter"), "musicgen-nano")


def nano() -> tuple[Any, Any]:
    folders = models.folders(models.CATALOGUE["musicgen-nano"])
    names = ("musicgen-nano", "minilm", "spectral-codec-nano")
    return assembled(*(folders[name] for name in names))


def card(where: Path | str) -> ModelCard:
    return models.resolve(str(where), "generate")


def greedy(card: ModelCard, frames: int = 25) -> torch.Tensor:
    """Codes that our engine decodes."""
    generator = load_generator(card, device="cpu", precision="fp32")
    assert isinstance(generator, MusicgenGenerator)
    text, mask = generator._reader.texts(PROMPT)
    return decode(generator._parts.decoder, text, mask, frames, (0,), GREEDY)


def peer(model: Any, words: Any, frames: int = 25) -> torch.Tensor:
    """Codes that transformers decodes."""
    return codes_of(
        model,
        frames,
        input_ids=words["input_ids"],
        attention_mask=words["attention_mask"],
        guidance_scale=3.0,
    )


def test_greedy_tokens_equal_plain_peft(base: Path, adapter: Path) -> None:
    theirs = peer(with_adapter(tiny(), adapter), tokenizer()([PROMPT], return_tensors="pt"))
    ours = greedy(adapted(card(base), [str(adapter)]))
    assert torch.equal(ours, theirs)
    assert not torch.equal(ours, greedy(card(base)))


def test_greedy_tokens_of_nano_equal_plain_peft(nano_adapter: Path) -> None:
    model, words = nano()
    theirs = peer(with_adapter(model, nano_adapter), words([PROMPT], return_tensors="pt"))
    ours = greedy(adapted(card("musicgen-nano"), [str(nano_adapter)]))
    assert torch.equal(ours, theirs)
    assert not torch.equal(ours, greedy(card("musicgen-nano")))


def test_strengths_add_up(base: Path, adapter: Path, tmp_path: Path) -> None:
    other = random_adapter(tiny(), tmp_path / "other", str(base), rank=2, seed=1)
    before = MappedTensors(base)
    changed = merged(before, [read_adapter(adapter, 0.5), read_adapter(other, -1.0)])
    name = "decoder.model.decoder.layers.1.fc1.weight"
    wanted = before[name].clone()
    for folder, factor in ((adapter, 0.5), (other, -1.0)):
        tensors = load_file(folder / "adapter_model.safetensors")
        key = f"base_model.model.{name.removesuffix('.weight')}"
        down, up = (tensors[f"{key}.lora_{part}.weight"] for part in "AB")
        wanted += factor * 2.0 * up @ down  # alpha is twice the rank
    torch.testing.assert_close(changed[name], wanted)
    assert len(changed) == 3 * (4 + 4 + 2)
    nothing = merged(before, [read_adapter(adapter, 0.0)])
    assert all(torch.equal(tensor, before[name]) for name, tensor in nothing.items())


def test_a_merged_model_plays_like_its_parts(base: Path, adapter: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    assert cli.main(["lora", "merge", f"{adapter}:0.7", "-o", str(out)]) == 0
    together = adapted(card(base), [f"{adapter}:0.7"])
    assert torch.equal(greedy(card(out)), greedy(together))
    assert {path.suffix for path in out.iterdir()} <= {".json", ".safetensors", ".md"}


def test_nano_can_be_merged(nano_adapter: Path, tmp_path: Path) -> None:
    """Its 16-bit weights round what is merged, and the folder is a nano model like the shipped."""
    out = tmp_path / "model"
    assert cli.main(["lora", "merge", str(nano_adapter), "-o", str(out)]) == 0
    wanted = merged(
        MappedTensors(models.folders(card("musicgen-nano"))["musicgen-nano"]),
        [read_adapter(nano_adapter)],
    )
    found = MappedTensors(out)
    for name, tensor in wanted.items():
        assert torch.equal(found[name], tensor.half())
    assert card(out).family == "musicgen-nano"
    greedy(card(out), 5)


def test_what_info_tells(adapter: Path, base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["lora", "info", str(adapter), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["base"], facts["rank"], facts["scale"]) == (str(base), 4, 2.0)
    held = load_file(adapter / "adapter_model.safetensors").values()
    assert facts["parameters"] == sum(tensor.numel() for tensor in held)
    assert cli.main(["lora", "info", str(adapter)]) == 0
    assert "rank         4" in capsys.readouterr().out


def test_another_models_adapter_is_refused_by_name(nano_adapter: Path, base: Path) -> None:
    with pytest.raises(UsageError, match="is an adapter for musicgen-nano, not for"):
        adapted(card(base), [str(nano_adapter)])
    foreign = replace(card("musicgen-nano"), family="audiocraft")
    with pytest.raises(UsageError, match="can't use --lora"):
        adapted(foreign, [str(nano_adapter)])


def test_the_noted_digest_decides(base: Path, adapter: Path, tmp_path: Path) -> None:
    from audio_chain.lora.choosing import weights_digest

    moved, noted = tmp_path / "moved", tmp_path / "noted"
    shutil.copytree(base, moved)
    shutil.copytree(adapter, noted)
    notes = {"base": {"name": str(base), "digest": weights_digest(card(base))}}
    (noted / "finetune.json").write_text(json.dumps(notes))
    adapted(card(moved), [str(noted)])  # the same weights elsewhere
    tensors = load_file(base / "model.safetensors")
    tensors["enc_to_dec_proj.bias"] += 1
    save_file(tensors, moved / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UsageError, match="not for"):
        adapted(card(moved), [str(noted)])
    config = json.loads((noted / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = str(moved)
    (noted / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(UsageError, match="other weights"):
        adapted(card(moved), [str(noted)])


def spoil_config(folder: Path, **fields: Any) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_what_is_no_adapter_is_refused(adapter: Path, tmp_path: Path) -> None:
    def spoilt(name: str) -> Path:
        return Path(shutil.copytree(adapter, tmp_path / name))

    with pytest.raises(UsageError, match="there is no folder"):
        read_adapter(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"no adapter_config\.json"):
        read_adapter(tmp_path / "empty")
    for name, fields, words in (
        ("prefix", {"peft_type": "PREFIX_TUNING"}, "PREFIX_TUNING"),
        ("dora", {"use_dora": True}, "use_dora"),
        ("patterns", {"rank_pattern": {"fc1": 2}}, "rank_pattern"),
        ("bias", {"bias": "all"}, "bias"),
        ("rank", {"r": 0}, "r is 0"),
    ):
        spoil_config(folder := spoilt(name), **fields)
        with pytest.raises(UsageError, match=words):
            read_adapter(folder)
    (folder := spoilt("pickled")).joinpath("adapter_model.safetensors").unlink()
    (folder / "adapter_model.bin").write_bytes(b"\x80\x04")
    with pytest.raises(UsageError, match="may be pickled"):
        read_adapter(folder)
    (folder := spoilt("garbage")).joinpath("adapter_config.json").write_text("[1]")
    with pytest.raises(UsageError, match="not a JSON object"):
        read_adapter(folder)


def test_tensors_that_do_not_fit_are_refused(base: Path, adapter: Path, tmp_path: Path) -> None:
    before = MappedTensors(base)
    path = Path(shutil.copytree(adapter, tmp_path / "spoilt")) / "adapter_model.safetensors"
    whole = load_file(path)
    name = next(name for name in whole if "lora_A" in name)

    def spoil(tensors: dict[str, torch.Tensor], words: str) -> None:
        save_file(tensors, path)
        with pytest.raises(ChainError, match=words):
            merged(before, [read_adapter(path.parent)])

    spoil({**whole, name: torch.zeros(4, 9)}, "doesn't fit the model")
    spoil({key: value for key, value in whole.items() if key != name}, "something else than pairs")
    spoil({**whole, name: torch.full_like(whole[name], torch.nan)}, "not finite")
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(ChainError, match="not a whole safetensors file"):
        merged(before, [read_adapter(path.parent)])


def test_specs() -> None:
    assert parse_spec("my-style") == (Path("my-style"), 1.0)
    assert parse_spec("my-style/:0.5") == (Path("my-style"), 0.5)
    assert parse_spec("a:b") == (Path("a:b"), 1.0)
    for strength in ("nan", "inf", "-11"):
        with pytest.raises(UsageError, match="a strength is from"):
            parse_spec(f"a:{strength}")


def test_a_run_says_its_adapters_and_repeats(
    nano_adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = Path(shutil.copytree(nano_adapter, tmp_path / "mine"))
    out = tmp_path / "run"
    asked = ["generate", "a harp", "--seconds", "1", "--seed", "3", "--device", "cpu"]
    assert cli.main([*asked, "--lora", f"{mine}:0.5", "--lora", str(mine), "-o", str(out)]) == 0
    listed = json.loads((out / "run.json").read_text())["weights"]["musicgen-nano"]["lora"]
    assert [(one["path"], one["strength"]) for one in listed] == [(str(mine), 0.5), (str(mine), 1)]
    assert listed[0]["sha256"] == read_adapter(mine).sha256
    capsys.readouterr()
    assert cli.main(["rerun", str(out), "-o", str(tmp_path / "again")]) == 0
    assert "identical" in capsys.readouterr().out
    random_adapter(nano()[0], mine, "musicgen-nano", seed=1)
    assert cli.main(["rerun", str(out), "-o", str(tmp_path / "changed")]) == 2
    assert "has changed since the run" in capsys.readouterr().err


def test_a_benchmark_tells_adapters_apart(nano_adapter: Path) -> None:
    label = f"musicgen-nano:guidance=1:lora={nano_adapter}:0.5"
    plain, tuned = parse_contenders(f"musicgen-nano,{label}")
    assert tuned.label == label
    assert tuned.settings == {"guidance": 1.0}
    assert [(one.folder, one.strength) for one in tuned.card.lora] == [(nano_adapter, 0.5)]
    assert weights_of(plain).revision != weights_of(tuned).revision
