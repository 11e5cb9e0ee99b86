"""Finding audio files, and embedding them once each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from audio_files import sine
from numpy.typing import NDArray

from audio_chain.audio import Clip, encode
from audio_chain.audio_files import audio_files
from audio_chain.errors import ChainError, UsageError
from audio_chain.nano.clap import ClapNanoConfig, ClapNanoModel
from eval.embedders.clap_nano import ClapNanoEmbedder
from eval.embedding import Broken, Embedded, embed_files

RATE = 16_000


def tiny(revision: str = "a", seed: int = 0) -> ClapNanoEmbedder:
    """A CLAP-nano of a few thousand random weights, for sound only."""
    torch.manual_seed(seed)
    config = ClapNanoConfig(
        sampling_rate=RATE, n_fft=512, hop_length=320, mel_bins=16, widths=(4, 8),
        embedding_width=12,
    )  # fmt: skip
    model = ClapNanoModel(config)
    model.train(False)
    return ClapNanoEmbedder("tiny", revision, model, None, torch.nn.Identity(), "cpu")


def noise(seconds: float, rate: int = RATE, channels: int = 1, seed: int = 0) -> Clip:
    shape = (channels, round(seconds * rate))
    return Clip(0.1 * np.random.default_rng(seed).standard_normal(shape, np.float32), rate)


def one(embedder: ClapNanoEmbedder, path: Path, cache: Path) -> NDArray[np.float32]:
    (found,) = embed_files(embedder, [path], cache=cache)
    assert isinstance(found, Embedded), found
    return found.windows


# which files


def test_a_folder_is_searched_deep_and_sorted(tmp_path: Path) -> None:
    names = ["b.wav", "a/z.FLAC", "a/b/c.mp3", "c.ogg"]
    others = ["a/notes.txt", "run.json", ".hidden.wav", ".cache/x.wav", "r.partial/t.wav", "x.png"]
    for name in [*names, *others]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    found = [path.relative_to(tmp_path).as_posix() for path in audio_files(tmp_path)]
    assert found == ["a/b/c.mp3", "a/z.FLAC", "b.wav", "c.ogg"]


def test_a_list_names_files_from_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("b.wav\n\n sub/a.wav \n/abs/c.mp3\n", encoding="utf-8-sig")
    found = audio_files(tmp_path / "list.txt")
    assert found == [tmp_path / "b.wav", tmp_path / "sub/a.wav", Path("/abs/c.mp3")]


def test_one_file_is_itself_whatever_its_name(tmp_path: Path) -> None:
    path = encode(sine(), tmp_path / "a.wav")
    assert audio_files(path) == [path]
    bare = path.rename(tmp_path / "no-suffix")
    assert audio_files(bare) == [bare]


def test_nothing_to_find_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no audio files in .*\.wav"):
        audio_files(tmp_path)
    with pytest.raises(UsageError, match="no file or folder"):
        audio_files(tmp_path / "gone")
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(UsageError, match="is empty"):
        audio_files(tmp_path / "empty.txt")


# embedding them


def test_files_are_embedded_as_their_sound_is(tmp_path: Path) -> None:
    embedder, clip = tiny(), noise(25.0, rate=44_100, channels=2)
    path = encode(clip, tmp_path / "a.wav")
    found = one(embedder, path, tmp_path / "cache")
    assert found.shape == (3, 12)
    # 16 bits, and blocks of 30 s resampled without a seam
    np.testing.assert_allclose(found, embedder.embed(clip), atol=2e-3)


def test_a_long_file_in_blocks_is_the_same_as_in_one_piece(tmp_path: Path) -> None:
    embedder, clip = tiny(), noise(75.0)
    path = encode(clip, tmp_path / "a.wav")
    found = one(embedder, path, tmp_path / "cache")
    assert found.shape == (8, 12)
    np.testing.assert_allclose(found, embedder.embed(clip), atol=1e-4)


def test_a_file_is_known_by_its_content(tmp_path: Path) -> None:
    """What is kept is found under any name, and not for other content, weights or models."""
    embedder, cache = tiny(), tmp_path / "cache"
    path = encode(noise(2.0), tmp_path / "a.wav")
    first = one(embedder, path, cache)
    (kept,) = cache.rglob("*.npy")
    marked = first + 1
    np.save(kept, marked)
    moved = path.rename(tmp_path / "b.wav")
    np.testing.assert_array_equal(one(embedder, moved, cache), marked)
    np.testing.assert_array_equal(one(tiny(revision="b"), moved, cache), first)
    encode(noise(2.0, seed=1), moved)
    assert np.abs(one(embedder, moved, cache) - marked).max() > 0.1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["b.wav", "cache"]


@pytest.mark.parametrize("damage", ["cut", "empty", "shape", "type", "nan", "pickle"])
def test_damaged_embeddings_are_made_anew(tmp_path: Path, damage: str) -> None:
    embedder, cache = tiny(), tmp_path / "cache"
    path = encode(noise(2.0), tmp_path / "a.wav")
    first = one(embedder, path, cache)
    (kept,) = cache.rglob("*.npy")
    if damage == "cut":
        kept.write_bytes(kept.read_bytes()[:-7])
    elif damage == "empty":
        kept.write_bytes(b"")
    elif damage == "pickle":
        pickled: NDArray[Any] = np.array([{"a": 1}], dtype=object)
        np.save(kept, pickled, allow_pickle=True)
    else:
        replaced: dict[str, NDArray[Any]] = {
            "shape": first[:, :5],
            "type": first.astype(np.float64),
            "nan": np.full_like(first, np.nan),
        }
        np.save(kept, replaced[damage])
    np.testing.assert_array_equal(one(embedder, path, cache), first)
    np.testing.assert_array_equal(np.load(kept), first)
    assert not list(cache.rglob("*.part"))


def test_the_cache_folder_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIO_CHAIN_CACHE", str(tmp_path / "here"))
    path = encode(noise(1.0), tmp_path / "a.wav")
    list(embed_files(tiny(), [path]))
    assert len(list((tmp_path / "here" / "embeddings").rglob("*.npy"))) == 1


def test_broken_files_are_reported_and_the_rest_goes_on(tmp_path: Path) -> None:
    good = encode(noise(1.0), tmp_path / "good.wav")
    silent = encode(Clip(np.zeros((1, RATE), np.float32), RATE), tmp_path / "silent.wav")
    files = {
        "silent.wav": (silent.read_bytes(), "is silent"),
        "empty.wav": (b"", "is empty"),
        "text.wav": (b"not audio at all " * 50, "text.wav"),
        "gone.wav": (None, "there is no file"),
        "hollow.wav": (good.read_bytes()[:44], "hollow.wav"),
    }
    for name, (content, _) in files.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
    paths = [*(tmp_path / name for name in files), good, tmp_path]
    told: list[tuple[float, float]] = []
    found = list(
        embed_files(
            tiny(), paths, cache=tmp_path / "cache", progress=lambda *done: told.append(done)
        )
    )
    assert [item.path for item in found] == paths
    for item, (_, reason) in zip(found, files.values(), strict=False):
        assert isinstance(item, Broken)
        assert reason in item.reason
        assert "\n" not in item.reason
    assert isinstance(found[-2], Embedded)
    assert isinstance(found[-1], Broken)
    assert told == [(number, len(paths)) for number in range(len(paths) + 1)]


def test_quiet_is_not_silent(tmp_path: Path) -> None:
    quiet = Clip(noise(1.0).samples * 0.005, RATE)
    (found,) = embed_files(tiny(), [encode(quiet, tmp_path / "a.wav")], cache=tmp_path / "cache")
    assert isinstance(found, Embedded)


def test_a_cache_that_cannot_be_written_stops_the_work(tmp_path: Path) -> None:
    path = encode(noise(1.0), tmp_path / "a.wav")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ChainError, match=r"can't keep embeddings .* AUDIO_CHAIN_CACHE"):
        list(embed_files(tiny(), [path], cache=tmp_path / "file"))
