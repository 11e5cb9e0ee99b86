"""The training scripts on three steps of noise: killed runs go on, and the parts do their work."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import MusicgenForCausalLM

from audio_chain import models
from audio_chain.generate.musicgen.checkpoint import load_parts
from audio_chain.generate.musicgen.conditions import Reader
from audio_chain.nano.clap import ClapNanoConfig, ClapNanoModel
from audio_chain.nano.codec import SpectralCodecConfig, SpectralCodecModel
from eval.embedders import load_text_embedder
from training import checkpoint, clap, codec, codes, decoder, export, listening, musicgen
from training.factory.captions import caption
from training.factory.contrasts import ATTRIBUTES
from training.factory.dataset import plan
from training.journal import Journal
from training.shards import read_shard, write_shard

CPU = torch.device("cpu")
RATE = 32_000
SECONDS = 2
TINY_CODEC = {
    "encoder_width": 12,
    "encoder_layers": 1,
    "decoder_width": 12,
    "decoder_layers": 1,
    "codebook_dim": 8,
}


def write_noise(folder: Path, pieces: int, seed: int) -> None:
    """A shard in the format of `training.shards`: noisy tones under the captions of pieces."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    time = np.arange(SECONDS * RATE) / RATE
    tones = np.sin(2 * np.pi * rng.uniform(100, 2000, (pieces, 1)) * time)
    audio = 6000 * tones + 3000 * rng.standard_normal(tones.shape)
    np.save(folder / "00000.npy", audio.astype(np.int16))
    records = []
    for _ in range(pieces):
        _, facts = plan(rng)
        records.append({**asdict(facts), "captions": [caption(facts, rng) for _ in range(2)]})
    (folder / "00000.json").write_text(json.dumps(records))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Command-line arguments that name training and held-out shards."""
    folder = tmp_path_factory.mktemp("shards")
    write_noise(folder / "train", 6, seed=0)
    write_noise(folder / "held-out", 4, seed=1)
    return ["--data", str(folder / "train"), "--held-out", str(folder / "held-out")]


@pytest.fixture(scope="module")
def sentences() -> str:
    """Folder of the sentence encoder."""
    return str(models.folders(models.CATALOGUE["minilm"])["minilm"])


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Tensor]]:
    """Run a training script's command line for three steps; returns the state that it leaves."""

    def run(
        script: ModuleType, folder: Path, *arguments: str, killed: bool = False
    ) -> dict[str, Tensor]:
        options = {"steps": 3, "save-every": 2, "log-every": 1, "shards": 1, "device": "cpu"}
        common = [f"--{name}={value}" for name, value in options.items()]
        monkeypatch.setattr(sys, "argv", ["train", str(folder), *common, *arguments])
        if killed:
            with monkeypatch.context() as patch:
                patch.setattr(script, "validate", interrupted)  # comes after the checkpoint
                with pytest.raises(KeyboardInterrupt):
                    script.main()
        else:
            script.main()
        return load_file(folder / "state.safetensors")

    return run


def interrupted(*arguments: object) -> None:
    raise KeyboardInterrupt


def assert_resumes(start: Callable[..., dict[str, Tensor]], tmp_path: Path, *run: object) -> None:
    """Killed after step 2 and resumed, a run ends with the bits of one that was left alone."""
    script, *arguments = run
    whole = start(script, tmp_path / "whole", *arguments)
    halfway = start(script, tmp_path / "cut", *arguments, killed=True)
    resumed = start(script, tmp_path / "cut", *arguments, "--resume")
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    moved = [name for name in whole if not torch.equal(whole[name], halfway[name])]
    assert any(name.startswith("module.") for name in moved)
    assert any(name.startswith("optimizer.") for name in moved)
    records = [json.loads(line) for line in (tmp_path / "cut" / "log.jsonl").open()]
    assert records[-1]["done"]
    assert [record["step"] for record in records if "rate" in record] == [1, 2, 3]
    figures = [value for record in records for value in numbers(record)]
    assert figures
    assert all(math.isfinite(value) for value in figures)


def numbers(value: object) -> list[float]:
    """All numbers in a JSON value."""
    if isinstance(value, dict):
        return [number for item in value.values() for number in numbers(item)]
    if isinstance(value, list):
        return [number for item in value for number in numbers(item)]
    return [value] if isinstance(value, int | float) else []


def test_codec_training_resumes(
    start: Callable[..., dict[str, Tensor]],
    data: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tiny = partial(SpectralCodecConfig, codebook_size=16, **TINY_CODEC)
    monkeypatch.setattr(codec, "SpectralCodecConfig", tiny)
    monkeypatch.setattr(codec, "UNQUANTIZED", 1)  # so that the checkpoint holds moving codebooks
    assert_resumes(start, tmp_path, codec, *data, "--batch", "2")
    trained = SpectralCodecModel.from_pretrained(tmp_path / "cut" / "model")
    assert trained.config.codebook_size == 16
    assert trained.dtype == torch.float16


def test_codes_stay_when_only_the_decoder_is_trained(
    start: Callable[..., dict[str, Tensor]], data: list[str], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    untrained = SpectralCodecModel(SpectralCodecConfig(codebook_size=16, **TINY_CODEC))
    before: SpectralCodecModel = untrained.half()  # type: ignore[no-untyped-call]
    before.save_pretrained(tmp_path / "codec")
    arguments = [*data, "--batch", "2", "--decoder-of", str(tmp_path / "codec")]
    start(codec, tmp_path / "run", *arguments)
    after = SpectralCodecModel.from_pretrained(tmp_path / "run" / "model").state_dict()
    same = {name for name, value in before.state_dict().items() if torch.equal(value, after[name])}
    assert {name for name in after if not name.startswith("decoder.")} <= same
    assert "decoder.head.weight" not in same


def test_musicgen_training_resumes(
    start: Callable[..., dict[str, Tensor]],
    data: list[str],
    sentences: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    SpectralCodecModel(SpectralCodecConfig(**TINY_CODEC)).save_pretrained(tmp_path / "codec")
    full = decoder.decoder_config

    def tiny(size: int, books: int) -> object:
        config = full(size, books)
        config.hidden_size, config.num_hidden_layers = 20, 2
        config.num_attention_heads, config.ffn_dim = 2, 24
        return config

    monkeypatch.setattr(musicgen, "decoder_config", tiny)
    made = ["--codec", str(tmp_path / "codec"), "--text", sentences, "--shards", "1"]
    for name, shards in (("train", data[1]), ("held-out", data[3])):
        arguments = [str(tmp_path / name), "--data", shards, *made, "--device", "cpu"]
        monkeypatch.setattr(sys, "argv", ["codes", *arguments])
        codes.main()
    arguments = ["--codes", str(tmp_path / "train"), "--held-out", str(tmp_path / "held-out")]
    arguments += ["--batch", "2", "--held-out-shards", "1", "--text", sentences]
    assert_resumes(start, tmp_path, musicgen, *arguments)
    trained = MusicgenForCausalLM.from_pretrained(tmp_path / "cut" / "decoder")
    assert trained.config.num_codebooks == 4
    projection = load_file(tmp_path / "cut" / "projection.safetensors")
    assert projection["enc_to_dec_proj.weight"].shape == (20, 384)

    # exported, it is what a further training starts from, and what the product plays
    monkeypatch.setattr(export, "WEIGHTS", tmp_path / "weights")
    folder = export.export("musicgen", tmp_path / "cut")
    begun = start(musicgen, tmp_path / "more", *arguments, "--go-on", str(folder), "--peak=0")
    before = load_file(tmp_path / "cut" / "state.safetensors")
    weights = [name for name in before if name.startswith("module.0.")]  # not the head
    for name in weights:
        assert torch.equal(begun[name], before[name].half().float())
    with pytest.raises(SystemExit, match="doesn't hold an exported decoder"):
        start(musicgen, tmp_path / "none", *arguments, "--go-on", str(tmp_path / "codec"))
    parts = load_parts(folder, Path(sentences), tmp_path / "codec", CPU, "fp32")
    read = Reader(parts)
    apart, together = read.texts("jazz at 1 2 5 bpm"), read.texts("jazz at 125 bpm")
    assert torch.equal(apart[0], together[0])
    unmarked = Reader(replace(parts, digit_by_digit=False))
    assert unmarked.texts("jazz at 125 bpm")[0].shape[1] == apart[0].shape[1] - 2


@pytest.fixture(scope="module")
def lessons(
    data: list[str], sentences: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """Folders of lessons to learn from, and held out."""
    folder = tmp_path_factory.mktemp("lessons")
    made = ["--text", sentences, "--shards", "1", "--device", "cpu"]
    with pytest.MonkeyPatch.context() as patch:
        for name, shards in (("train", data[1]), ("held-out", data[3])):
            arguments = [str(folder / name), "--data", shards, *made]
            patch.setattr(sys, "argv", ["listening", *arguments])
            listening.main()
    return folder / "train", folder / "held-out"


@pytest.fixture
def tiny_clap(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = partial(ClapNanoConfig, widths=(4, 4, 4, 4), embedding_width=8)
    monkeypatch.setattr(clap, "ClapNanoConfig", tiny)


@pytest.mark.usefixtures("tiny_clap")
def test_clap_training_resumes(
    start: Callable[..., dict[str, Tensor]], lessons: tuple[Path, Path], tmp_path: Path
) -> None:
    arguments = ["--lessons", str(lessons[0]), "--held-out", str(lessons[1])]
    arguments += ["--batch", "4", "--held-out-shards", "1"]
    assert_resumes(start, tmp_path, clap, *arguments)
    assert (tmp_path / "cut" / "model" / "model.safetensors").exists()


@pytest.mark.usefixtures("tiny_clap")
def test_a_trained_clap_is_trained_further(
    start: Callable[..., dict[str, Tensor]], lessons: tuple[Path, Path], tmp_path: Path
) -> None:
    """At a rate of nothing a run from a model ends with that model's weights, statistics apart."""
    arguments = ["--lessons", str(lessons[0]), "--held-out", str(lessons[1])]
    arguments += ["--batch", "4", "--held-out-shards", "1"]
    start(clap, tmp_path / "first", *arguments)
    model = tmp_path / "first" / "model"
    state = start(clap, tmp_path / "then", *arguments, "--from", str(model), "--rate", "0")
    before = load_file(model / "model.safetensors")
    same = [name for name in before if torch.equal(before[name], state[f"module.{name}"].half())]
    assert {name for name in before if "running" not in name and "tracked" not in name} <= {*same}


def test_lessons_are_what_the_tower_and_the_encoder_would_make(
    data: list[str], lessons: tuple[Path, Path]
) -> None:
    audio, records = read_shard(Path(data[1]), 0)
    made = listening.read_lessons(lessons[0], 1, "cpu")
    tower = ClapNanoModel(ClapNanoConfig()).tower
    expected = tower.spectrogram(torch.tensor(audio).float() / 32768)[:, 0]
    torch.testing.assert_close(made.spectrograms.float(), expected, atol=2e-3, rtol=1e-3)
    embedder = load_text_embedder("clap-nano", device="cpu")
    model = ClapNanoModel.from_pretrained(export.WEIGHTS / "clap-nano", dtype=torch.float32)
    read = model.embed_text(made.captions[:, 1].float()).detach().numpy()
    texts = embedder.embed_texts([record["captions"][1] for record in records])
    assert np.sum(read * texts, axis=1).min() > 0.999
    lead = ATTRIBUTES.index("lead")
    assert made.said[:, [i for i in range(len(ATTRIBUTES)) if i != lead]].all()
    assert made.said[:, lead].tolist() == [
        listening.contrasts_of(record, row, ["lead"])[lead] is not None
        for row, record in enumerate(records)
    ]
    assert (made.right != made.wrong).any(-1).equal(made.said)


def test_what_all_clips_say_is_no_preference() -> None:
    """Clips that are all alike can't prefer a caption, however near they are to it."""
    torch.manual_seed(0)
    right, wrong, apart = torch.nn.functional.normalize(torch.randn(3, 4, 2, 8), dim=-1)
    scale = torch.tensor(10.0)
    alike = right[:1, 0].expand(4, -1)
    undecided = clap.preference(alike, right, wrong, scale)
    torch.testing.assert_close(undecided, torch.full((4, 2), math.log(2)))
    heard = torch.stack([apart[0, 0], -apart[0, 0]])  # their mean is nothing
    margin = scale * ((right - wrong)[:2] * heard[:, None]).sum(-1)
    losses = clap.preference(heard, right[:2], wrong[:2], scale)
    torch.testing.assert_close(losses, torch.log1p(torch.exp(-margin)))


def test_checkpoint_round_trip(tmp_path: Path) -> None:
    """The restored state makes the same next step as the saved one."""

    def fresh(seed: int) -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(seed)
        module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
        return module, torch.optim.AdamW(module.parameters(), 0.1)

    def step(module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        torch.manual_seed(5)
        module(torch.randn(8, 3)).square().sum().backward()
        optimizer.step()

    path, extra = tmp_path / "state.safetensors", {"counts": torch.arange(3.0)}
    saved, restored = fresh(0), fresh(1)
    step(*saved)
    checkpoint.save(path, 41, *saved)
    checkpoint.save(path, 42, *saved, extra)  # over the first
    number, found = checkpoint.load(path, *restored)
    assert number == 42
    assert torch.equal(found["counts"], extra["counts"])
    assert [file.name for file in tmp_path.iterdir()] == ["state.safetensors"]
    step(*saved)
    step(*restored)
    for name, value in saved[0].state_dict().items():
        assert torch.equal(value, restored[0].state_dict()[name])


def test_the_journal_goes_on_in_the_same_file(tmp_path: Path) -> None:
    for step in (1, 2):
        Journal(tmp_path / "run").write(step=step, loss=[0.5])
    lines = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2]


@pytest.mark.network  # the soundfont, unless it is installed
def test_shards_hold_the_pieces_of_their_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tinysoundfont")
    from training.factory.dataset import sample

    monkeypatch.setattr("training.shards.SIZE", 2)
    path = write_shard(tmp_path, 3, seed=11, seconds=1.0)
    written = path.stat().st_mtime_ns
    audio, records = read_shard(tmp_path, 3)
    for row in range(2):
        piece = sample(6 + row, 11, 1.0)
        assert np.array_equal(audio[row], piece.audio)
        assert records[row]["captions"] == list(piece.captions)
    assert write_shard(tmp_path, 3, seed=11, seconds=1.0) == path
    assert path.stat().st_mtime_ns == written


def test_moving_codebooks_find_clusters() -> None:
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    centres = torch.randn(4, 6, generator=generator) * 3
    books = codec.MovingCodebooks(torch.randn(2, 16, 6, generator=generator))
    spread, distortions = 0.1, []
    for _ in range(150):
        label = torch.randint(4, (8, 64), generator=generator)
        latents = centres[label] + spread * torch.randn(8, 64, 6, generator=generator)
        quantized, codes, commitment = books(latents.transpose(1, 2))
        distortions.append((quantized.transpose(1, 2) - latents).square().mean().item())
    assert quantized.shape == (8, 6, 64)
    assert codes.shape == (512, 2)
    assert commitment.item() >= 0
    # every cluster has an entry within its spread, and one book alone reaches the clusters
    nearest = torch.cdist(centres, books.codebooks[0]).amin(1)
    assert (nearest < 2 * spread).all()
    assert distortions[-1] < 0.7 * spread**2  # the second book codes what lies within clusters
    assert distortions[-1] < distortions[0]
    assert min(codec.perplexity(codes, 16)) > 8
    assert all(len(book.unique()) == 16 for book in codes.t())


def test_moving_codebooks_pass_gradients_straight_through() -> None:
    books = codec.MovingCodebooks(torch.randn(1, 4, 3))
    latents = torch.randn(2, 3, 5, requires_grad=True)
    weight = torch.randn(2, 3, 5)
    (books(latents)[0] * weight).sum().backward()
    assert latents.grad is not None
    torch.testing.assert_close(latents.grad, weight)


@pytest.mark.parametrize(
    ("shares", "expected"),
    [((8,), 1.0), ((1, 1, 1, 1), 4.0), ((2, 1, 1), 2**1.5), ((3, 1), 4 / 3**0.75)],
)
def test_perplexity_is_the_exponential_of_the_entropy(
    shares: tuple[int, ...], expected: float
) -> None:
    column = torch.repeat_interleave(torch.arange(len(shares)), torch.tensor(shares))
    assert codec.perplexity(column[:, None], 16) == pytest.approx([expected])


@pytest.mark.parametrize("ratio", [0.0, 6.0, 20.0])
def test_signal_to_noise_of_known_noise(ratio: float) -> None:
    """Noise orthogonal to the signal, at a chosen ratio of energies."""
    time = torch.arange(1000) / 1000
    signal = torch.sin(2 * torch.pi * 10 * time)
    noise = torch.cos(2 * torch.pi * 10 * time) * 10 ** (-ratio / 20)
    measured = codec.signal_to_noise(signal[None], (signal + noise)[None])
    assert measured.item() == pytest.approx(ratio, abs=1e-3)


def test_the_distance_of_pitch_classes_is_that_of_notes() -> None:
    """Octaves and loudness don't count, semitones do, and silence has no notes."""

    def tone(pitch: float, amplitude: float = 0.5) -> torch.Tensor:
        seconds = torch.arange(32_000) / 32_000
        return amplitude * torch.sin(2 * torch.pi * 440 * 2 ** (pitch / 12) * seconds)[None]

    def distance(one: torch.Tensor, other: torch.Tensor) -> float:
        return codec.chroma_distance(one, other, 32_000).item()

    assert distance(tone(0), tone(0)) == pytest.approx(0, abs=1e-6)
    assert distance(tone(0), tone(12, 0.1)) < 0.01
    assert distance(tone(0), tone(6)) == pytest.approx(1, abs=0.06)  # the ends are noise
    # two equal parts, of which one is the original's: the cosine is 1 / sqrt(2)
    assert distance(tone(0), tone(0) + tone(4)) == pytest.approx(1 - 2**-0.5, abs=0.03)
    assert distance(torch.zeros(1, 32_000), tone(0)) == 0
    shares = codec.pitch_classes(32_000, 8192, "cpu")
    audible = torch.arange(4097) * 32_000 / 8192 >= codec.LOWEST
    torch.testing.assert_close(shares.sum(0), audible.float())
