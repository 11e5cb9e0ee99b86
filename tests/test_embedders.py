"""Embedders against independent computations, on tiny random checkpoints in the real formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import torch
from audio_files import sine
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from scipy.signal import correlate2d
from tokenizers import ByteLevelBPETokenizer
from torch import nn
from transformers import (
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    EncodecConfig,
    EncodecModel,
    HubertConfig,
    HubertModel,
    RobertaTokenizerFast,
    Wav2Vec2FeatureExtractor,
)

from audio_chain import models
from audio_chain.clip import Clip
from audio_chain.errors import UsageError
from audio_chain.weights import Hub
from eval.adherence.listener import load_listener
from eval.embedders import (
    NAMES,
    Embedder,
    EmbeddingError,
    TextEmbedder,
    load_embedder,
    load_text_embedder,
    panns,
    vggish,
)
from eval.embedders.embedder import UNRELATED
from eval.embedders.framing import Framing, Tail
from eval.embedders.tensors import load_tensors

Array = NDArray[Any]


def noise(seconds: float, rate: int, seed: int = 0, channels: int = 1) -> Clip:
    shape = (channels, round(seconds * rate))
    return Clip(0.1 * np.random.default_rng(seed).standard_normal(shape, np.float32), rate)


# windows


@given(
    length=st.integers(1, 60),
    window=st.integers(1, 12),
    overlap=st.integers(0, 11),
    tail=st.sampled_from(["drop", "align", "keep"]),
    cuts=st.lists(st.integers(1, 59), max_size=6),
)
def test_windows_lie_where_they_should_however_the_sound_comes(
    length: int, window: int, overlap: int, tail: Tail, cuts: list[int]
) -> None:
    hop = max(1, window - overlap)
    sound = np.arange(length, dtype=np.float32)
    blocks = np.split(sound, sorted({cut for cut in cuts if cut < length}))
    found = list(Framing(1000, window, hop, tail).cut(blocks))
    starts = list(range(0, length - window + 1, hop))
    expected = [sound[start : start + window] for start in starts] or [sound]
    end = starts[-1] + window if starts else length
    if tail == "align" and end < length:
        expected.append(sound[-window:])
    if tail == "keep" and end < length:
        expected.append(sound[starts[-1] + hop :])
    assert [list(one) for one in found] == [list(one) for one in expected]


def test_a_scrap_of_sound_is_left_out_unless_it_is_all_there_is() -> None:
    framing = Framing(1000, 10, 10, "keep", shortest=4)
    assert [len(one) for one in framing.cut([np.zeros(23, np.float32)])] == [10, 10]
    assert [len(one) for one in framing.cut([np.zeros(24, np.float32)])] == [10, 10, 4]
    assert [len(one) for one in framing.cut([np.zeros(3, np.float32)])] == [3]
    assert list(framing.cut([])) == []


# VGGish


def test_vggish_hears_what_hershey_et_al_publish() -> None:
    """Spectrum by librosa, bands by interpolation over mel as in the authors' mel_features.py."""
    audio = noise(1.0, 16_000).samples[0] + sine(1000, rate=16_000).samples[0]
    # librosa centres the window of 400 in its frame of 512
    spectrum = np.abs(
        librosa.stft(np.pad(audio, (56, 56)), n_fft=512, hop_length=160, win_length=400,
                     window="hann", center=False)
    )  # fmt: skip
    edges = np.linspace(librosa.hz_to_mel(125, htk=True), librosa.hz_to_mel(7500, htk=True), 66)
    bins = librosa.hz_to_mel(np.arange(257) * 16_000 / 512, htk=True)
    weights = np.stack([np.interp(bins, edges[band : band + 3], [0, 1, 0]) for band in range(64)])
    weights[:, 0] = 0
    expected = np.log(weights @ spectrum + 0.01).T
    found = vggish.log_mel(torch.tensor(audio)[None])[0].numpy()
    assert found.shape == (98, 64)
    np.testing.assert_allclose(found, expected[: len(found)], atol=2e-4)


def convolved(x: Array, layer: nn.Conv2d) -> Array:
    """Convolve (channels, height, width), padded by one, by scipy."""
    weight = layer.weight.detach().double().numpy()
    bias = np.zeros(len(weight)) if layer.bias is None else layer.bias.detach().double().numpy()
    maps: list[Array] = [
        sum(correlate2d(plane, kernel, "same") for plane, kernel in zip(x, kernels, strict=True))
        for kernels in weight
    ]
    return np.asarray(np.stack(maps) + bias[:, None, None])


def halved(x: Array, pool: Any) -> Array:
    channels, height, width = x.shape
    blocks = x[:, : height // 2 * 2, : width // 2 * 2]
    return np.asarray(pool(blocks.reshape(channels, height // 2, 2, width // 2, 2), axis=(2, 4)))


@torch.no_grad()
def test_vggish_computes_what_scipy_does() -> None:
    torch.manual_seed(0)
    network = vggish.VGGish(stages=((3,), (2, 4)), dense=(6, 5))
    example = np.random.default_rng(0).standard_normal((96, 64))
    x = example[None]
    layers = list(network.features)
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            x = convolved(x, layer)
        elif isinstance(layer, nn.ReLU):
            x = np.maximum(x, 0)
        else:
            x = halved(x, np.max)
    flat = x.transpose(1, 2, 0).ravel()  # TensorFlow's order: time, frequency, channels
    first, last = (layer for layer in network.embeddings if isinstance(layer, nn.Linear))
    hidden = np.maximum(first.weight.double().numpy() @ flat + first.bias.double().numpy(), 0)
    expected = last.weight.double().numpy() @ hidden + last.bias.double().numpy()
    found = network(torch.tensor(example, dtype=torch.float32)[None])[0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def random_folder(folder: Path, network: nn.Module, kind: str, prefix: str = "") -> Path:
    """A checkpoint of small random numbers, half precision, as a conversion would name it."""
    generator = torch.Generator().manual_seed(0)
    tensors = {
        prefix + key: 0.02 * torch.randn(value.shape, generator=generator).half()
        for key, value in network.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    for key in tensors:
        if key.endswith("running_var"):
            tensors[key] = torch.ones_like(tensors[key])
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": kind}))
    return folder


def test_vggish_loads_from_a_folder_and_frames_like_its_authors(tmp_path: Path) -> None:
    with torch.device("meta"):
        network = vggish.VGGish()
    embedder = load_embedder(str(random_folder(tmp_path / "v", network, "vggish")), device="cpu")
    assert (embedder.name, embedder.rate, embedder.dimensions) == ("vggish", 16_000, 128)
    assert len(embedder.revision) == 64
    # the authors' framing: 1 + (N - 400) // 160 frames of spectrum, 96 to an example, no padding
    for samples in (15_599, 15_600, 30_959, 30_960):
        frames = 1 + (samples - 400) // 160
        found = embedder.embed(noise(samples / 16_000, 16_000))
        assert found.shape == (max(1, frames // 96), 128)
    assert not isinstance(embedder, TextEmbedder)
    with pytest.raises(UsageError, match="embeds sound only"):
        load_text_embedder(str(tmp_path / "v"), device="cpu")


def test_vggish_by_name_says_how_to_get_it() -> None:
    with pytest.raises(EmbeddingError, match="published as pickles only"):
        load_embedder("vggish")


# PANNs


def test_panns_hear_what_librosa_computes() -> None:
    audio = noise(1.5, 32_000).samples[0] + sine(3000, rate=32_000, seconds=1.5).samples[0]
    power = librosa.feature.melspectrogram(
        y=audio, sr=32_000, n_fft=1024, hop_length=320, n_mels=64, fmin=50, fmax=14_000,
        pad_mode="reflect",
    )  # fmt: skip
    expected = librosa.power_to_db(power, ref=1.0, amin=1e-10, top_db=None).T
    found = panns.log_mel(torch.tensor(audio)[None])[0].numpy()
    np.testing.assert_allclose(found, expected, atol=2e-3)


@torch.no_grad()
def test_panns_compute_what_scipy_does() -> None:
    torch.manual_seed(0)
    network = panns.Cnn14(widths=(2, 3)).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.running_mean, module.running_var, module.weight, module.bias):
                assert values is not None
                values.uniform_(0.5, 1.5)
    spectrogram = np.random.default_rng(0).standard_normal((20, 64))

    def normalised(x: Array, norm: nn.BatchNorm2d) -> Array:
        mean, variance, weight, bias = (
            values.double().numpy()[:, None, None]
            for values in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
            if values is not None
        )
        return np.asarray((x - mean) / np.sqrt(variance + norm.eps) * weight + bias)

    x = normalised(spectrogram.T[:, :, None], network.bn0)[:, :, 0].T[None]
    for block in (network.get_submodule("conv_block1"), network.get_submodule("conv_block2")):
        for number in (1, 2):
            conv, norm = getattr(block, f"conv{number}"), getattr(block, f"bn{number}")
            x = np.maximum(normalised(convolved(x, conv), norm), 0)
        if block is network.get_submodule("conv_block1"):
            x = halved(x, np.mean)
    x = x.mean(2)
    pooled = x.max(1) + x.mean(1)
    dense = network.fc1
    expected = np.maximum(dense.weight.double().numpy() @ pooled + dense.bias.double().numpy(), 0)
    found = network(torch.tensor(spectrogram, dtype=torch.float32)[None])[0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_panns_load_as_the_hub_has_them(tmp_path: Path) -> None:
    """Wrapped names, the front end and the classifier among them; other tensors are refused."""
    with torch.device("meta"):
        network = panns.Cnn14()
    folder = random_folder(tmp_path / "p", network, "Cnn14", prefix="backbone.")
    tensors = load_file(folder / "model.safetensors")
    tensors["backbone.logmel_extractor.melW"] = torch.zeros(513, 64)
    tensors["backbone.fc_audioset.bias"] = torch.zeros(527)
    save_file(tensors, folder / "model.safetensors")
    embedder = load_embedder(str(folder), device="cpu")
    assert (embedder.name, embedder.rate, embedder.window_seconds) == ("panns", 32_000, 10.0)
    assert embedder.embed(noise(0.7, 32_000)).shape == (1, 2048)


def test_tensors_are_all_accounted_for(tmp_path: Path) -> None:
    def make() -> nn.Module:
        return nn.Linear(3, 2)

    def folder(**tensors: torch.Tensor) -> Path:
        save_file(tensors, tmp_path / "model.safetensors")
        return tmp_path

    weight, bias = torch.arange(6.0).view(2, 3), torch.ones(2)
    loaded = load_tensors(make, folder(weight=weight, bias=bias), "x")
    assert torch.equal(loaded(torch.eye(3)), weight.T + 1)
    with pytest.raises(EmbeddingError, match="lacks the tensor bias"):
        load_tensors(make, folder(weight=weight), "x")
    with pytest.raises(EmbeddingError, match=r"bias of shape \(3,\), not \(2,\)"):
        load_tensors(make, folder(weight=weight, bias=torch.ones(3)), "x")
    with pytest.raises(EmbeddingError, match="head that is unheard of"):
        load_tensors(make, folder(weight=weight, bias=bias, head=torch.ones(1)), "x")


# EnCodec


@pytest.fixture(scope="module")
def tiny_encodec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = EncodecConfig(
        hidden_size=16, num_filters=4, num_lstm_layers=1, codebook_size=32, codebook_dim=16,
        target_bandwidths=[3.0],
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("encodec")
    EncodecModel(config).save_pretrained(folder)
    return folder


@torch.no_grad()
def test_encodec_gives_what_its_quantizer_is_given(tiny_encodec: Path) -> None:
    """Quantized by transformers, our embeddings become the codes of transformers' own encode."""
    embedder = load_embedder(str(tiny_encodec), device="cpu")
    model = EncodecModel.from_pretrained(tiny_encodec).eval()
    clip = noise(1.3, 24_000)
    found = embedder.embed(clip)
    assert found.shape == (98, 16)  # 31,200 samples, 320 to a frame
    assert embedder.hop_seconds == pytest.approx(1 / 75)
    codes = model.encode(torch.tensor(clip.samples)[None], bandwidth=3.0).audio_codes
    assert codes is not None
    ours = model.quantizer.encode(torch.tensor(found.T)[None], 3.0)
    assert torch.equal(ours[:, 0], codes[0, 0])


def test_encodec_starts_anew_every_thirty_seconds(tiny_encodec: Path) -> None:
    embedder = load_embedder(str(tiny_encodec), device="cpu")
    clip = noise(31.0, 24_000)
    found = embedder.embed(clip)
    parts = [embedder.embed(clip.cropped(0, 30)), embedder.embed(clip.cropped(30))]
    np.testing.assert_array_equal(found, np.concatenate(parts))
    assert len(found) == 75 * 31


# MERT


def tiny_mert(folder: Path, **changes: Any) -> tuple[Path, HubertModel]:
    """A checkpoint as MERT's authors publish it: settings, tensor names, and code of its own."""
    torch.manual_seed(0)
    config = HubertConfig(
        hidden_size=32, num_hidden_layers=3, num_attention_heads=2, intermediate_size=48,
        conv_dim=(8,) * 7, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2,
        do_stable_layer_norm=False, feat_extract_norm="group",
    )  # fmt: skip
    model = HubertModel(config).eval()
    model.save_pretrained(folder)
    tensors = load_file(folder / "model.safetensors")
    for new, old in (("original0", "weight_g"), ("original1", "weight_v")):
        conv = "encoder.pos_conv_embed.conv."
        tensors[conv + old] = tensors.pop(f"{conv}parametrizations.weight.{new}")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    settings = json.loads((folder / "config.json").read_text())
    settings |= {
        "model_type": "mert_model",
        "architectures": ["MERTModel"],
        "auto_map": {"AutoModel": "modeling_MERT.MERTModel"},
        "deepnorm": False,
        "attention_relax": -1.0,
        "feature_extractor_cqt": False,
        "sample_rate": 24_000,
        **changes,
    }
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "modeling_MERT.py").write_text("raise SystemExit('this must never run')\n")
    Wav2Vec2FeatureExtractor(sampling_rate=24_000).save_pretrained(folder)
    return folder, model


@torch.no_grad()
def test_mert_is_hubert_after_its_own_preprocessing(tmp_path: Path) -> None:
    folder, model = tiny_mert(tmp_path / "mert")
    embedder = load_embedder(str(folder), device="cpu")
    assert (embedder.rate, embedder.dimensions) == (24_000, 32)
    clip = noise(5.0, 24_000, channels=2)
    processor = Wav2Vec2FeatureExtractor.from_pretrained(folder)
    inputs = processor(clip.samples.mean(0), sampling_rate=24_000, return_tensors="pt")
    expected = model(**inputs).last_hidden_state[0].numpy()  # the last of its three layers
    np.testing.assert_allclose(embedder.embed(clip), expected, atol=1e-4)
    # 5 s and 0.4 s: too little to be embedded by itself; 5 s and 0.6 s: not
    frames = len(expected)
    assert len(embedder.embed(noise(5.4, 24_000))) == frames
    assert len(embedder.embed(noise(5.6, 24_000))) > frames
    assert len(embedder.embed(noise(0.001, 24_000))) == 1


@pytest.mark.parametrize(
    "change", [{"deepnorm": True}, {"attention_relax": 32.0}, {"feature_extractor_cqt": True}]
)
def test_mert_that_needs_its_own_code_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    folder, _ = tiny_mert(tmp_path / "mert", **change)
    with pytest.raises(EmbeddingError, match=f'"{next(iter(change))}".* such code is not run'):
        load_embedder(str(folder), device="cpu")


def test_mert_with_a_tensor_missing_is_refused(tmp_path: Path) -> None:
    folder, _ = tiny_mert(tmp_path / "mert")
    tensors = load_file(folder / "model.safetensors")
    del tensors["encoder.layers.1.final_layer_norm.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EmbeddingError, match=r"layers\.1\.final_layer_norm\.weight"):
        load_embedder(str(folder), device="cpu")


# LAION-CLAP


def tiny_clap(folder: Path, spread: float = 0.7, **audio: Any) -> Path:
    """A whole CLAP of random weights in transformers' format, its tokenizer trained here."""
    torch.manual_seed(0)
    config = ClapConfig(
        text_config={
            "vocab_size": 400, "hidden_size": 16, "num_hidden_layers": 1,
            "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 100,
            "hidden_dropout_prob": 0.0,
        },
        audio_config={
            "hidden_size": 32, "patch_embeds_hidden_size": 16, "depths": [1, 1],
            "num_attention_heads": [2, 2], "num_mel_bins": 64, "spec_size": 256, **audio,
        },
        projection_dim=24,
    )  # fmt: skip
    model = ClapModel(config)
    for part in (model.text_model, model.text_projection):
        for weight in part.parameters():
            if weight.ndim == 2:
                nn.init.normal_(weight, std=spread)
    model.save_pretrained(folder)
    ClapFeatureExtractor(frequency_min=50, frequency_max=14_000).save_pretrained(folder)
    bpe = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    bpe.train_from_iterator(UNRELATED, vocab_size=400, special_tokens=special)
    bpe.save_model(str(folder))
    RobertaTokenizerFast.from_pretrained(folder).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def laion(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TextEmbedder]:
    folder = tiny_clap(tmp_path_factory.mktemp("clap"))
    return folder, load_text_embedder(str(folder), device="cpu")


@torch.no_grad()
def test_laion_clap_embeds_fixed_windows_as_transformers_would(
    laion: tuple[Path, TextEmbedder],
) -> None:
    folder, embedder = laion
    model = ClapModel.from_pretrained(folder).eval()
    extractor = ClapFeatureExtractor.from_pretrained(folder)
    clip = noise(23.0, 48_000)
    windows = [clip.cropped(start, start + 10).samples[0] for start in (0, 10, 13)]
    features = extractor(
        windows, sampling_rate=48_000, truncation="rand_trunc", return_tensors="pt"
    )
    assert features["input_features"].shape == (3, 1, 1001, 64)
    expected = model.get_audio_features(**features).pooler_output.numpy()
    found = embedder.embed(clip)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    np.random.seed(3)
    np.testing.assert_array_equal(embedder.embed(clip), found)


def test_laion_clap_repeats_short_clips(laion: tuple[Path, TextEmbedder]) -> None:
    _, embedder = laion
    clip = noise(4.0, 48_000)
    twice = np.concatenate([clip.samples, clip.samples, np.zeros((1, 96_000), np.float32)], axis=1)
    np.testing.assert_allclose(embedder.embed(clip), embedder.embed(Clip(twice, 48_000)), atol=1e-6)


@torch.no_grad()
def test_laion_clap_reads_texts_as_transformers_would(laion: tuple[Path, TextEmbedder]) -> None:
    folder, embedder = laion
    texts = [*UNRELATED, "slow " * 200]
    model = ClapModel.from_pretrained(folder).eval()
    tokenizer = RobertaTokenizerFast.from_pretrained(folder)
    for text, found in zip(texts, embedder.embed_texts(texts), strict=True):
        tokens = tokenizer(text, truncation=True, max_length=77, return_tensors="pt")
        expected = model.get_text_features(**tokens).pooler_output[0].numpy()
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_clap_whose_texts_are_all_alike_is_refused(tmp_path: Path) -> None:
    """As some published conversions are: a text tower that never learnt, near zero."""
    folder = tiny_clap(tmp_path / "clap", spread=1e-4)
    with pytest.raises(EmbeddingError, match=r"alike \(cosine .*badly converted"):
        load_embedder(str(folder), device="cpu")


def test_clap_with_fusion_is_refused(tmp_path: Path) -> None:
    folder = tiny_clap(tmp_path / "clap", enable_fusion=True)
    with pytest.raises(EmbeddingError, match="crops long clips at random"):
        load_embedder(str(folder), device="cpu")


# CLAP-nano, the real one


@pytest.fixture(scope="module")
def clap_nano() -> TextEmbedder:
    return load_text_embedder("clap-nano", device="cpu")


def test_clap_nano_agrees_with_the_listener(clap_nano: TextEmbedder) -> None:
    """The listener was written apart from it: a clip of one window, and texts."""
    listener = load_listener()
    clip = noise(10.0, 44_100, channels=2)
    np.testing.assert_allclose(
        clap_nano.embed(clip), listener.hear(clip).embedding[None], atol=1e-5
    )
    np.testing.assert_allclose(
        clap_nano.embed_texts(UNRELATED), listener.embed_text(UNRELATED), atol=1e-5
    )


def test_clap_nano_covers_the_whole_clip(clap_nano: TextEmbedder) -> None:
    clip = noise(25.0, 32_000)
    windows = [clip.cropped(start, start + 10) for start in (0, 10, 15)]
    expected = np.concatenate([clap_nano.embed(window) for window in windows])
    np.testing.assert_allclose(clap_nano.embed(clip), expected, atol=1e-5)
    assert clap_nano.embed(noise(0.05, 32_000)).shape == (1, 256)
    with pytest.raises(EmbeddingError, match="no sound"):
        clap_nano.embed(Clip(np.zeros((1, 0), np.float32), 32_000))


def test_clap_nano_says_where_it_is_from(clap_nano: TextEmbedder) -> None:
    origin = clap_nano.origin
    assert (origin.embedding, origin.rate) == ("clap-nano", 32_000)
    assert (origin.window_seconds, origin.hop_seconds) == (10.0, 10.0)
    assert len(origin.revision) == 64
    as_protocol: Embedder = clap_nano
    assert as_protocol.dimensions == 256


def test_a_copy_of_clap_nano_can_be_given_as_a_folder(
    clap_nano: TextEmbedder, tmp_path: Path
) -> None:
    source = models.folders(models.CATALOGUE["clap-nano"])["clap-nano"]
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((source / name).read_bytes())
    copy = load_embedder(str(tmp_path), device="cpu")
    clip = noise(3.0, 32_000)
    np.testing.assert_array_equal(copy.embed(clip), clap_nano.embed(clip))
    assert copy.name == "clap-nano"
    assert copy.revision != clap_nano.revision


# names


def test_every_name_is_in_the_catalogue_but_vggish() -> None:
    known = {alias for card in models.CATALOGUE.values() for alias in (card.name, *card.aliases)}
    assert set(NAMES) - known == {"vggish"}
    for name in set(NAMES) & known:
        card = models.find(name)
        assert card.stage == "embed"
        if isinstance(card.source, Hub):
            assert not any(pattern.endswith(".py") for pattern in card.source.patterns)


@pytest.mark.parametrize("name", ["minilm", "musicgen-nano"])
def test_what_cannot_embed_sound_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="can't embed sound"):
        load_embedder(name)


def test_unknown_names_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="known are clap-nano"):
        load_embedder("no-such-model")
    save_file({"x": torch.zeros(1)}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UsageError, match='model_type "bert"'):
        load_embedder(str(tmp_path))


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("clap-nano", "vggish")])
def test_published_weights_load_and_embed(name: str) -> None:
    """Needs the hub, and some gigabytes."""
    embedder = load_embedder(name, device="cpu")
    clip = noise(11.0, 44_100)
    found = embedder.embed(clip)
    assert found.shape[1] == embedder.dimensions
    np.testing.assert_array_equal(embedder.embed(clip), found)
