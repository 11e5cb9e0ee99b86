"""frechet-audio-distance against ours, on the same embeddings and on the same files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from audio_chain.audio import encode
from audio_chain.backends.environments import install
from audio_chain.backends.recipes import recipe
from audio_chain.backends.worker import BackendError
from audio_chain.clip import Clip
from audio_chain.errors import UsageError
from eval.engines import PEER, close_peer, peer_frechet, peer_score, timed_peer_frechet
from eval.frechet import frechet_distance
from eval.gaussian import Accumulator, Gaussian, Origin

ORIGIN = Origin(embedding="test", revision="1", rate=16_000, window_seconds=1.0, hop_seconds=1.0)

Embeddings = NDArray[Any]


def gaussian(embeddings: Embeddings) -> Gaussian:
    accumulator = Accumulator(embeddings.shape[1])
    accumulator.add(embeddings)
    return accumulator.finish(ORIGIN)


def ours(reference: Embeddings, generated: Embeddings) -> float:
    return frechet_distance(gaussian(reference), gaussian(generated)).value


def correlated(windows: int, dimensions: int, seed: int, shift: float = 0.0) -> Embeddings:
    """Embeddings whose dimensions depend on each other, as those of music do."""
    random = np.random.default_rng(seed)
    mixing = random.standard_normal((dimensions, dimensions)) / np.sqrt(dimensions)
    embeddings: Embeddings = random.standard_normal((windows, dimensions)) @ mixing + shift
    return embeddings


@pytest.mark.parametrize(
    ("reference", "generated", "said"),
    [
        (np.zeros((5, 3)), np.zeros((5, 4)), "3 and 4 dimensions"),
        (np.zeros(15), np.zeros((5, 3)), r"reference embeddings must be .* not \(15,\)"),
        (np.zeros((5, 3)), np.zeros((1, 3)), r"generated embeddings must be at least two rows"),
        (np.zeros((5, 3)), np.full((5, 3), np.nan), "generated embeddings must be"),
    ],
)
def test_what_cannot_be_compared(reference: Embeddings, generated: Embeddings, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        peer_frechet(reference, generated)


def test_without_the_package_the_message_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close_peer()
    monkeypatch.setenv("AUDIO_CHAIN_CACHE", str(tmp_path))
    with pytest.raises(BackendError, match=f"run `audio-chain backends install {PEER}`"):
        peer_frechet(np.eye(3), np.eye(3))
    with pytest.raises(UsageError, match="there is no folder"):
        peer_score(tmp_path / "nowhere", tmp_path)


@pytest.mark.network
@pytest.mark.slow
class TestPeer:
    """With the package, installed in the user's cache once a machine."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _installed(cls) -> Iterator[None]:
        install(recipe(PEER))
        yield
        close_peer()

    @pytest.mark.parametrize(
        ("dimensions", "windows"), [(2, 50), (16, 300), (128, 1000), (512, 3000)]
    )
    def test_agrees_with_ours(self, dimensions: int, windows: int) -> None:
        reference = correlated(windows, dimensions, seed=1)
        generated = correlated(windows // 2, dimensions, seed=2, shift=0.2)
        expected = ours(reference, generated)
        assert peer_frechet(reference, generated) == pytest.approx(expected, rel=1e-6)

    def test_agrees_on_a_shift_alone(self) -> None:
        sample = correlated(400, 32, seed=3)
        value = peer_frechet(sample, sample + 0.5)
        assert value == pytest.approx(32 * 0.25, rel=1e-6)
        assert value == pytest.approx(ours(sample, sample + 0.5), rel=1e-6)

    def test_single_precision_embeddings(self) -> None:
        """Its statistics of float32 embeddings are of float32, the means at least."""
        pair = [correlated(500, 64, seed).astype(np.float32) for seed in (4, 5)]
        assert peer_frechet(*pair) == pytest.approx(ours(*pair), rel=1e-4)

    def test_seconds_are_of_the_distance_alone(self) -> None:
        pair = [correlated(400, 64, seed) for seed in (6, 7)]
        value, seconds = timed_peer_frechet(*pair)
        assert value == peer_frechet(*pair)
        assert 0 < seconds < 5

    @pytest.fixture
    def folders(self, tmp_path: Path) -> tuple[Path, Path]:
        """Two folders of noisy chords at CLAP-nano's own rate."""
        random = np.random.default_rng(8)
        time = np.arange(32_000 * 12) / 32_000
        for name, pitch in (("reference", 110.0), ("generated", 440.0)):
            (tmp_path / name).mkdir()
            for piece in range(3):
                tone = 0.2 * np.sin(2 * np.pi * pitch * (1 + piece / 4) * time)
                tone += 0.02 * random.standard_normal(len(time))
                clip = Clip(tone.astype(np.float32)[np.newaxis], 32_000)
                encode(clip, tmp_path / name / f"{piece}.flac")
        return tmp_path / "reference", tmp_path / "generated"

    def test_whole_run_agrees_with_ours(self, folders: tuple[Path, Path]) -> None:
        from audio_chain.audio import decode
        from eval.embedders import load_embedder

        seen: list[tuple[float, float]] = []
        found = peer_score(*folders, progress=lambda *step: seen.append(step))
        assert found.files == 6
        assert found.seconds > 0
        assert (6.0, 6.0) in seen
        embedder = load_embedder("clap-nano", device="cpu")
        embeddings = [
            np.concatenate([embedder.embed(decode(path)) for path in sorted(folder.iterdir())])
            for folder in folders
        ]
        # fewer windows than dimensions: rounding in its square root shows
        assert found.value == pytest.approx(ours(*embeddings), rel=1e-2)

    def test_its_minus_one_is_an_error(self, folders: tuple[Path, Path]) -> None:
        shutil.rmtree(folders[1])
        folders[1].mkdir()
        with pytest.raises(BackendError, match=r"failed|need at least one array|empty"):
            peer_score(*folders)

    def test_a_broken_file_is_an_error(self, folders: tuple[Path, Path]) -> None:
        (folders[1] / "broken.wav").write_bytes(b"no sound at all")
        with pytest.raises(BackendError, match=r"broken\.wav"):
            peer_score(*folders)

    def test_a_file_that_cannot_be_embedded_is_an_error(self, folders: tuple[Path, Path]) -> None:
        """The package would go on with the files before it."""
        moment = Clip(np.full((1, 1), np.nan, np.float32), 32_000)
        import soundfile as sf

        sf.write(folders[1] / "9.wav", moment.samples.T, 32_000, subtype="FLOAT")
        with pytest.raises((BackendError, UsageError)):
            peer_score(*folders)
