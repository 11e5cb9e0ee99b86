"""The catalogue's facts, and what a name on the command line is taken to mean."""

from __future__ import annotations

import json
import math
import struct
from importlib import resources
from pathlib import Path

import pytest

from audio_chain import models, weights
from audio_chain.errors import UsageError
from audio_chain.models import CATALOGUE, PRESETS, ModelCard, Stage, resolve
from audio_chain.weights import Hub, Local, Server, Shipped, WeightsError, Wheel

CARDS = pytest.mark.parametrize("card", CATALOGUE.values(), ids=CATALOGUE.keys())
SHIPPED = [card for card in CATALOGUE.values() if isinstance(card.source, Shipped)]


def elements(folder: Path) -> int:
    """Count the numbers in all safetensors files of a folder, from their headers."""
    total = 0
    for path in folder.rglob("*.safetensors"):
        with path.open("rb") as stream:
            header = json.loads(stream.read(struct.unpack("<Q", stream.read(8))[0]))
        header.pop("__metadata__", None)
        total += sum(math.prod(tensor["shape"]) for tensor in header.values())
    return total


# --- the catalogue ----------------------------------------------------------------------------


@CARDS
def test_card_is_complete_and_consistent(card: ModelCard) -> None:
    assert card.stage in models.STAGES
    assert card.parameters > 0
    assert card.size_mb > 0
    assert card.objective
    assert card.description.endswith(".")
    assert card.licence
    assert card.free == (card.licence in {"MIT", "Apache-2.0", "CC-BY-4.0"})
    assert card.url.startswith("https://") or isinstance(card.source, Shipped)
    assert all(need in CATALOGUE for need in card.needs)
    # from 4 bits to 32 a parameter, and some for tokenizers
    assert 0.5 < 1e6 * card.size_mb / card.parameters < 4.1
    if isinstance(card.source, Wheel | Hub):
        assert card.source.name == card.name  # what messages tell people to fetch


def test_names_and_aliases_mean_one_model_each() -> None:
    names = [name for card in CATALOGUE.values() for name in (card.name, *card.aliases)]
    assert len(names) == len(set(names))
    assert not set(names) & set(PRESETS)


def test_only_hub_sources_that_say_so_are_not_pinned() -> None:
    unpinned = {
        card.name
        for card in CATALOGUE.values()
        if isinstance(card.source, Hub) and not card.source.pinned
    }
    assert unpinned == {
        "facebook/musicgen-medium",
        "laion/larger_clap_music",
        "m-a-p/MERT-v1-95M",
        "nicofarr/panns_Cnn14",
    }
    assert "not pinned" in models.describe(CATALOGUE["facebook/musicgen-medium"])
    assert "not pinned" not in models.describe(CATALOGUE["facebook/musicgen-small"])


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS.keys())
def test_presets_have_a_model_for_each_stage(preset: models.Preset) -> None:
    stages: tuple[Stage, ...] = ("transcribe", "rewrite", "generate")
    for stage, name in zip(stages, preset.cards, strict=True):
        assert resolve(name, stage) is CATALOGUE[name]


def test_offline_preset_needs_nothing_but_the_package_index() -> None:
    for name in PRESETS["offline"].cards:
        for card in models.with_needs(CATALOGUE[name]):
            assert isinstance(card.source, Shipped | Wheel)
            assert card.free


def test_needs_come_first_and_once() -> None:
    names = [card.name for card in models.with_needs(CATALOGUE["musicgen-nano"])]
    assert names == ["spectral-codec-nano", "minilm", "musicgen-nano"]
    names = [card.name for card in models.with_needs(CATALOGUE["smollm2-135m-rewriter"])]
    assert names == ["smollm2-135m", "smollm2-135m-rewriter"]


@pytest.mark.parametrize("card", SHIPPED, ids=[card.name for card in SHIPPED])
def test_shipped_weights_are_whole_and_as_the_card_says(card: ModelCard) -> None:
    folder = weights.fetch(card.source)
    found = elements(folder)
    assert math.isclose(card.parameters, found, rel_tol=0.01), f"{card.name} has {found}"
    size = weights.size_on_disk(card.source) / 1e6
    assert abs(card.size_mb - size) <= max(1, 0.05 * size), f"{card.name} is {size:.1f} MB"
    for path in folder.rglob("*"):
        assert path.stat().st_size < 16 << 20, f"{path} is not sharded"


def test_every_shipped_folder_has_a_card() -> None:
    folders = Path(str(resources.files("audio_chain.nano"))) / "weights"
    shipped = {card.source.folder for card in SHIPPED if isinstance(card.source, Shipped)}
    assert {path.name for path in folders.iterdir() if path.is_dir()} <= shipped


@pytest.mark.network
def test_minilm_has_as_many_parameters_as_its_card_says() -> None:
    card = CATALOGUE["minilm"]
    positions = 512  # 0..511, stored as a tensor but no parameters
    assert elements(models.folders(card)["minilm"]) - positions == card.parameters


# --- resolve ----------------------------------------------------------------------------------


def test_names_and_aliases_resolve() -> None:
    assert resolve("whisper-tiny.en", "transcribe").name == "whisper-tiny.en"
    assert resolve("turbo", "transcribe").name == "openai/whisper-large-v3-turbo"
    assert resolve("musicgen-small", "generate").name == "facebook/musicgen-small"


@pytest.mark.parametrize(
    ("name", "stage", "message"),
    [
        ("wisper-tiny.en", "transcribe", "did you mean whisper-tiny.en"),
        ("musicgen-smal", "generate", "did you mean musicgen-small"),
        ("SMOLLM2-135M", "rewrite", "did you mean smollm2-135m"),
        ("xyzzy", "rewrite", "known are smollm2-135m, .*http://host:port/v1#model"),
        ("musicgen-nano", "transcribe", "is a generate model, not a transcribe one"),
        ("spectral-codec-nano", "generate", "is a codec model, not a generate one"),
        ("./no/such/folder", "generate", "there is no model, folder or file"),
        ("http://localhost/v1", "rewrite", "is written http://host:port/v1#model"),
        ("http:///v1#m", "rewrite", "is written http://host:port/v1#model"),
        ("ftp://localhost/v1#m", "rewrite", "is written http://host:port/v1#model"),
        ("http://localhost/v1#m", "generate", "only the rewriter can be a server"),
        ("org/encoder", "embed", "is not in the catalogue"),
        ("", "generate", "there is no model"),
    ],
)
def test_what_is_not_a_model_is_a_usage_error(name: str, stage: Stage, message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        resolve(name, stage)
    assert "\n" not in str(error.value)


def test_server_is_split_into_url_and_model() -> None:
    card = resolve("http://localhost:11434/v1/#qwen2.5:7b", "rewrite")
    assert card.source == Server("http://localhost:11434/v1", "qwen2.5:7b")
    assert card.family == "chat-server"


@pytest.mark.parametrize(
    ("name", "stage", "family", "pattern"),
    [
        ("someone/faster-whisper-medium-nl", "transcribe", "ctranslate2-whisper", "model.bin"),
        ("someone/whisper-medium-nl", "transcribe", "transformers-whisper", "model.safetensors"),
        ("someone/musicgen-techno", "generate", "musicgen", "model.safetensors"),
        ("someone/stable-audio-drums", "generate", "stable-audio", "*/*.safetensors"),
        ("someone/Llama-3B-Instruct", "rewrite", "causal-lm", "model-*-of-*.safetensors"),
    ],
)
def test_unknown_hub_models_are_taken_by_name_and_flagged(
    name: str, stage: Stage, family: str, pattern: str
) -> None:
    card = resolve(name, stage)
    assert isinstance(card.source, Hub)
    assert (card.family, card.source.repo, card.source.pinned) == (family, name, False)
    assert pattern in card.source.patterns
    assert "does not know its licence" in models.licence_notice(card)


@pytest.mark.parametrize(
    ("files", "stage", "family", "needs"),
    [
        ({"model.bin": "", "vocabulary.txt": ""}, "transcribe", "ctranslate2-whisper", ()),
        ({"config.json": '{"model_type": "whisper"}'}, "transcribe", "transformers-whisper", ()),
        ({"config.json": '{"model_type": "llama"}'}, "rewrite", "causal-lm", ()),
        ({"config.json": '{"model_type": "musicgen"}'}, "generate", "musicgen", ()),
        (
            {"config.json": '{"model_type": "musicgen_decoder"}'},
            "generate",
            "musicgen-nano",
            ("spectral-codec-nano", "minilm"),
        ),
        ({"model_index.json": "{}"}, "generate", "stable-audio", ()),
        ({"adapter_config.json": "{}"}, "rewrite", "lora-adapter", ("smollm2-135m",)),
        ({"model.Q4_0.gguf": "GGUF"}, "rewrite", "causal-lm", ()),
    ],
)
def test_local_folders_are_told_by_their_files(
    tmp_path: Path, files: dict[str, str], stage: Stage, family: str, needs: tuple[str, ...]
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    card = resolve(str(tmp_path), stage)
    assert (card.family, card.needs, card.source) == (family, needs, Local(tmp_path))
    assert models.licence_notice(card) == ""
    other: Stage = "generate" if stage != "generate" else "rewrite"
    with pytest.raises(UsageError, match=f"a {stage} model .*, not a {other} one"):
        resolve(str(tmp_path), other)


def test_gguf_file_is_a_rewriter(tmp_path: Path) -> None:
    path = tmp_path / "model.GGUF"
    path.write_bytes(b"GGUF")
    assert resolve(str(path), "rewrite").source == Local(path)
    (tmp_path / "song.wav").write_bytes(b"RIFF")
    with pytest.raises(UsageError, match="not a GGUF one"):
        resolve(str(tmp_path / "song.wav"), "rewrite")


def test_folder_without_a_model_and_broken_config_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no generate model"):
        resolve(str(tmp_path), "generate")
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(UsageError, match="not a JSON object"):
        resolve(str(tmp_path), "generate")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UsageError, match="is not JSON"):
        resolve(str(tmp_path), "generate")


# --- words and fetching -----------------------------------------------------------------------


def test_licence_notice_is_for_the_non_free_only() -> None:
    assert models.licence_notice(CATALOGUE["musicgen-nano"]) == ""
    notice = models.licence_notice(CATALOGUE["facebook/musicgen-large"])
    assert "CC-BY-NC-4.0, not for commercial use" in notice
    assert "\n" not in notice
    assert "restricted" in models.licence_notice(CATALOGUE["stabilityai/stable-audio-open-1.0"])


@CARDS
def test_description_tells_what_one_has_to_know(card: ModelCard) -> None:
    text = models.describe(card)
    for fact in (card.title, card.licence, card.objective, card.stage, f"{card.size_mb} MB"):
        assert fact in text
    assert ("not free" in text) != card.free
    assert ("gated" in text) == card.gated
    assert all(need in text for need in card.needs)


def test_counts_are_written_as_people_write_them() -> None:
    counts = (134_515_008, 1_543_714_304, 22_713_728, 5_000, 12, 0)
    assert [models.format_count(n) for n in counts] == [
        "135 M",
        "1.54 B",
        "22.7 M",
        "5 K",
        "12",
        "?",
    ]


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIO_CHAIN_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("empty_cache")
def test_fetch_names_what_is_missing_offline() -> None:
    begun: list[str] = []
    with pytest.raises(WeightsError, match=r"`audio-chain models fetch whisper-tiny\.en`"):
        models.fetch(["offline"], offline=True, begin=lambda card: begun.append(card.name))
    assert begun == ["whisper-tiny.en"]
    with pytest.raises(UsageError, match="did you mean offline"):
        models.fetch(["ofline"])
    with pytest.raises(UsageError, match="presets are offline, small, quality"):
        models.fetch(["xyzzy"])


@pytest.mark.usefixtures("empty_cache")
def test_listing_has_every_model_in_the_order_of_the_chain() -> None:
    rows = models.listing()
    assert {row.card.name for row in rows} == set(CATALOGUE)
    order = [models.STAGES.index(row.card.stage) for row in rows]
    assert order == sorted(order)
    by_name = {row.card.name: row for row in rows}
    assert not by_name["minilm"].ready
    assert by_name["minilm"].bytes_here == 0
    assert not by_name["musicgen-nano"].ready  # MiniLM is not here


def test_fetch_joins_the_progress_of_all_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two local models stand in for the catalogue's, so that nothing is downloaded."""
    local = {}
    for name, size in (("one", 10), ("two", 30)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "m.gguf").write_bytes(b"GGUF")
        card = resolve(str(tmp_path / name), "rewrite")
        local[name] = ModelCard(**{**vars(card), "name": name, "size_mb": size})
    monkeypatch.setattr("audio_chain.models.lookup.CATALOGUE", local)
    seen: list[tuple[float, float]] = []
    found = models.fetch(["two", "one", "two"], progress=lambda *step: seen.append(step))
    assert found == {"two": tmp_path / "two", "one": tmp_path / "one"}
    assert seen == [(30e6, 40e6), (40e6, 40e6)]
