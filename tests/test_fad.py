"""FAD over files: intervals, extrapolation, kernel distances, and the command, on known answers."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from audio_chain.audio import encode
from audio_chain.clip import Clip
from audio_chain.errors import ChainError, UsageError
from eval import fad_command, kernel
from eval.collection import Collection, Collector
from eval.embedders import Embedder, load_embedder
from eval.fad import fad, fad_infinity, song_distance
from eval.frechet import ReferenceSide, frechet_distance
from eval.gaussian import Gaussian, Origin, StatisticsError
from eval.kernel import KAD_SCALE, kernel_distance, median_distance
from eval.sides import saved_side

ORIGIN = Origin("an-embedder", "0123abcd", 32_000, 10.0, 5.0)

Array = NDArray[np.float64]


def collect(files: list[NDArray[Any]], **options: Any) -> Collection:
    collector = Collector(files[0].shape[1], **options)
    for windows in files:
        collector.add(windows)
    return collector.finish(ORIGIN)


class Population:
    """Normal embeddings with a known distance to a standard normal reference."""

    def __init__(self, dimensions: int) -> None:
        self.reference = Gaussian(np.zeros(dimensions), np.eye(dimensions), 10**9, ORIGIN)
        self.deviations = np.linspace(0.5, 1.5, dimensions)
        self.mean = np.full(dimensions, 0.1)
        self.distance = float(np.square(self.deviations - 1).sum() + 0.01 * dimensions)

    def draw(self, files: int, seed: int, windows: int = 1, alike: float = 0.0) -> Collection:
        """Files whose windows share `alike` of their variance."""
        generator = np.random.default_rng(seed)
        size = (files, windows, len(self.mean))
        shared = generator.standard_normal((files, 1, len(self.mean)))
        own = generator.standard_normal(size)
        values = np.sqrt(alike) * shared + np.sqrt(1 - alike) * own
        return collect(list(values * self.deviations + self.mean))


# Collections


def test_a_collection_keeps_all_of_a_usual_set() -> None:
    files = [np.random.default_rng(i).standard_normal((i % 3 + 1, 4)) for i in range(20)]
    found = collect(files)
    np.testing.assert_array_equal(found.windows, np.concatenate(files).astype(np.float32))
    assert found.sampled_files == found.files == 20
    assert np.bincount(found.labels).tolist() == [len(file) for file in files]


def test_a_large_collection_keeps_a_fair_sample_and_all_statistics() -> None:
    files = [np.full((2, 4), number, np.float64) for number in range(500)]
    kept = np.zeros(500)
    for seed in range(100):
        found = collect(files, most_values=4 * 100, seed=seed)
        assert len(found.windows) == 100
        assert found.sampled_files == 50
        assert found.files == 500
        assert np.all(np.diff(found.windows[::2, 0]) > 0)  # in their order
        assert found.gaussian.mean[0] == pytest.approx(249.5)
        kept[found.windows[::2, 0].astype(int)] += 1
    thirds = [part.mean() for part in np.split(kept[:498], 3)]
    assert thirds == pytest.approx([10, 10, 10], abs=0.8)  # of 100, each file one in ten


# Intervals


@pytest.mark.parametrize(("windows", "alike"), [(1, 0.0), (4, 0.5)])
@pytest.mark.parametrize("files", [60, 300])
def test_intervals_are_as_wide_as_chance(files: int, windows: int, alike: float) -> None:
    """Between the deviation over many sets and 1.6 of it, for few and many files alike."""
    population = Population(48)
    found = [
        fad(population.reference, population.draw(files, seed, windows, alike), resamples=60)
        for seed in range(40)
    ]
    values = np.array([one.estimate.value for one in found])
    wide = np.mean([one.deviation for one in found]) / values.std(ddof=1)
    assert 0.8 < wide < 1.6
    held = [one.estimate.low <= values.mean() <= one.estimate.high for one in found]
    assert np.mean(held) >= 0.85


def test_the_interval_is_around_the_value_and_repeatable() -> None:
    population = Population(8)
    sound = population.draw(50, 0)
    found = fad(population.reference, sound, seed=3)
    assert found == fad(population.reference, sound, seed=3)
    assert found.deviation != fad(population.reference, sound, seed=4).deviation
    estimate = found.estimate
    assert estimate.value == frechet_distance(population.reference, sound.gaussian).value
    assert estimate.high - estimate.value == pytest.approx(1.96 * found.deviation)
    assert 0 <= estimate.low < estimate.value


def test_an_interval_of_a_sample_is_as_of_all_files() -> None:
    population = Population(8)
    values = np.split(population.draw(800, 0).windows, 800)
    whole, part = (
        fad(population.reference, collect(values, most_values=most), resamples=100)
        for most in (None, 8 * 200)
    )
    assert part.estimate.value == whole.estimate.value
    assert part.deviation == pytest.approx(whole.deviation, rel=0.35)


@pytest.mark.parametrize("files", [1, 3])
def test_too_few_files_have_no_interval(files: int) -> None:
    population = Population(4)
    sound = population.draw(files, 0, windows=3)
    assert np.isnan(fad(population.reference, sound).estimate.low)
    with pytest.raises(UsageError, match="at least 8 files"):
        fad_infinity(population.reference, sound, fad(population.reference, sound))
    assert np.isnan(fad(population.reference, sound.gaussian).estimate.low)


# FAD-infinity


def test_fad_infinity_is_the_true_distance_and_fad_is_not() -> None:
    population = Population(24)
    limits, values = [], []
    for seed in range(12):
        sound = population.draw(300, seed)
        measured = fad(population.reference, sound, resamples=60)
        found = fad_infinity(population.reference, sound, measured, seed=seed)
        assert found.points[-1][0] == 300
        assert found.points[-1][1] == pytest.approx(measured.estimate.value, rel=1e-6)
        assert found.warning == ""
        assert found.r2 > 0.3
        assert found.estimate.low < found.estimate.value < found.estimate.high
        limits.append(found.estimate.value)
        values.append(measured.estimate.value)
    error = np.std(limits, ddof=1) / np.sqrt(len(limits))
    assert np.mean(limits) == pytest.approx(population.distance, abs=3 * error)
    assert np.mean(values) > population.distance + 6 * error


def test_fad_infinity_counts_files_not_windows() -> None:
    """Repeating every window tells nothing new, and changes nothing but rounding."""
    population = Population(6)
    once = population.draw(200, 0)
    twice = collect([np.repeat(windows[np.newaxis], 2, axis=0) for windows in once.windows])
    one, two = (
        fad_infinity(population.reference, sound, fad(population.reference, sound), seed=1)
        for sound in (once, twice)
    )
    assert two.estimate.value == pytest.approx(one.estimate.value, abs=0.02)
    assert [size for size, _ in two.points] == [size for size, _ in one.points]


def test_fad_infinity_warns_where_there_is_no_line() -> None:
    population = Population(32)
    sound = population.draw(100, 0)
    found = fad_infinity(population.reference, sound, fad(population.reference, sound))
    assert "4 windows a dimension" in found.warning


def test_songs_are_ranked_by_how_far_they_are() -> None:
    population = Population(8)
    side = ReferenceSide(population.reference)
    generator = np.random.default_rng(0)
    near, far = (generator.standard_normal((30, 8)) + shift for shift in (0, 2))
    distances = [song_distance(side, windows) for windows in (near, far)]
    assert distances[0] is not None
    assert distances[1] is not None
    assert distances[1] - distances[0] == pytest.approx(4 * 8, rel=0.2)
    assert song_distance(side, near[:1]) is None


# Kernel distances


def by_definition(x: Array, y: Array, bandwidth: float | None) -> float:
    """Gretton et al. 2012, equation 3, pair by pair."""

    def value(a: Array, b: Array) -> float:
        if bandwidth is None:
            return float((a @ b / len(a) + 1) ** 3)
        return float(np.exp(-np.square(a - b).sum() / (2 * bandwidth**2)))

    def within(rows: Array) -> float:
        pairs = [(i, j) for i in range(len(rows)) for j in range(len(rows)) if i != j]
        return float(np.mean([value(rows[i], rows[j]) for i, j in pairs]))

    between = float(np.mean([value(a, b) for a in x for b in y]))
    scale = 1.0 if bandwidth is None else KAD_SCALE
    return scale * (within(x) + within(y) - 2 * between)


@settings(max_examples=20)
@given(
    st.integers(2, 15), st.integers(2, 15), st.integers(1, 4), st.integers(1, 7), st.integers(0, 99)
)
def test_kernel_distances_are_their_definition_in_blocks_of_any_size(
    first: int, second: int, dimensions: int, block: int, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    x, y = (generator.standard_normal((count, dimensions)) for count in (first, second))
    before, kernel._BLOCK = kernel._BLOCK, block  # type: ignore[misc]
    try:
        kad = kernel_distance(x, y)
        kid = kernel_distance(x, y, kernel="cubic")
    finally:
        kernel._BLOCK = before  # type: ignore[misc]
    every = [np.linalg.norm(x[i] - x[j]) for i in range(first) for j in range(i)]
    assert kad.bandwidth == pytest.approx(np.sqrt(np.median(np.square(every))))
    assert kad.estimate.value == pytest.approx(by_definition(x, y, kad.bandwidth), abs=1e-9)
    assert kid.estimate.value == pytest.approx(by_definition(x, y, None), rel=1e-9, abs=1e-9)
    assert (kad.reference_windows, kad.estimate.count) == (first, second)


def test_the_kernel_jackknife_is_leaving_out_each_file() -> None:
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((2, 40, 5))
    files = generator.integers(0, 9, 40)
    found = kernel_distance(x, y, files=files, bandwidth=2.0)
    without = np.array(
        [kernel_distance(x, y[files != one], bandwidth=2.0).estimate.value for one in range(9)]
    )
    reach = 1.96 * np.sqrt(8 / 9 * np.square(without - without.mean()).sum())
    assert found.estimate.low == pytest.approx(found.estimate.value - reach)
    assert found.estimate.high == pytest.approx(found.estimate.value + reach)


def test_kernel_distances_are_unbiased_for_few_windows() -> None:
    """Zero on average between sets of the same kind, where FAD is far above zero."""
    generator = np.random.default_rng(0)
    values = [
        kernel_distance(*generator.standard_normal((2, 10, 4)), bandwidth=2.0).estimate.value
        for _ in range(300)
    ]
    error = np.std(values) / np.sqrt(len(values))
    assert np.mean(values) == pytest.approx(0, abs=3 * error)
    assert min(values) < 0


def test_the_median_of_many_windows_is_that_of_drawn_pairs() -> None:
    windows = np.random.default_rng(0).standard_normal((2000, 3))
    few = median_distance(windows[:1000])
    assert median_distance(windows, seed=1) == median_distance(windows, seed=1)
    assert median_distance(windows) == pytest.approx(few, rel=0.03)
    with pytest.raises(StatisticsError, match="equal"):
        median_distance(np.zeros((5, 2)))


# The command


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return load_embedder("clap-nano", device="cpu")


@pytest.fixture(scope="module")
def tunes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders of beeps of 2 s, low and high ones, and one file that is none."""
    folder = tmp_path_factory.mktemp("tunes")
    seconds = np.arange(2 * 16_000) / 16_000
    for name, lowest in (("low", 110.0), ("high", 880.0)):
        (folder / name).mkdir()
        for number in range(6):
            pitch = lowest * 2 ** (number / 12)
            beep = 0.3 * np.sin(2 * np.pi * pitch * seconds).astype(np.float32)
            encode(Clip(beep[np.newaxis], 16_000), folder / name / f"{number}.wav")
    (folder / "high" / "none.mp3").write_bytes(b"this is no sound")
    return folder


def arguments(*words: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    fad_command.add(parser.add_subparsers())
    return parser.parse_args(["fad", *map(str, words)])


def test_the_command_says_all_that_a_number_needs(
    tunes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved, kept = tmp_path / "high.npz", tmp_path / "low.npz"
    words = ["--json", "--kernel", "--per-song", "--save-statistics", saved]
    given = arguments(tunes / "low", tunes / "high", *words, "--save-reference", kept)
    assert given.command(given) == 0
    said = capsys.readouterr()
    result = json.loads(said.out)
    assert said.err.count("left out") == 1
    assert "none.mp3" in said.err
    assert result["value"] > 0
    assert result["interval"][0] <= result["value"] <= result["interval"][1]
    assert result["embedding"]["embedding"] == "clap-nano"
    assert len(result["embedding"]["revision"]) == 64
    assert result["generated"]["files"] == result["generated"]["windows"] == 6
    assert [one["file"] for one in result["generated"]["left_out"]] == [
        str(tunes / "high" / "none.mp3")
    ]
    assert result["reference"]["name"] == str(tunes / "low")
    assert "6 reference windows and 6 generated windows" in result["warning"]
    assert result["kad"]["value"] > 0
    assert result["kid"]["bandwidth"] is None
    assert len(result["songs"]) == 6
    assert result["songs"][0] == {**result["songs"][0], "value": None, "windows": 1}

    given = arguments(kept, saved)  # from the statistics alone
    assert given.command(given) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"FAD           {result['value']:.4g}"
    assert any(line.startswith("interval      none: saved statistics") for line in lines)
    assert any("revision" in line and "clap-nano" in line for line in lines)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["factory", "nowhere"], "nowhere"),
        (["factory", "{folder}"], "no audio files"),
        (["{npz}", "{npz}", "--infinity"], "it.npz' is saved statistics"),
        (["{npz}", "{npz}", "--per-song"], "is saved statistics"),
        (["{npz}", "{folder}", "--kernel"], "is saved statistics"),
        (["{npz}", "factory"], "can't be compared"),
        (["{npz}", "{npz}", "--save-statistics", "it.txt"], "it.txt"),
        (["{npz}", "{npz}", "--save-reference", "{folder}/no/it.npz"], "no folder"),
        (["{npz}", "{npz}", "--seed", "-1"], "--seed"),
        (["{text}", "{npz}"], "it.wav.npz"),
    ],
)
def test_what_cannot_be_is_one_line_before_any_model_is_loaded(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eval.embedders.load_embedder", lambda *_, **__: pytest.fail("loaded"))
    places = {"folder": tmp_path / "empty", "npz": tmp_path / "it.npz"}
    places["folder"].mkdir()
    Population(3).draw(5, 0).gaussian.save(places["npz"])
    places["text"] = tmp_path / "it.wav.npz"
    places["text"].write_text("hello")
    given = arguments(*(word.format(**places) for word in words))
    with pytest.raises(ChainError, match=said) as caught:
        given.command(given)
    assert "\n" not in str(caught.value)


def test_statistics_of_another_embedder_are_refused_before_the_work(
    tunes: Path, tmp_path: Path
) -> None:
    path = tmp_path / "it.npz"
    Population(256).draw(5, 0).gaussian.save(path)
    given = arguments(path, tunes / "low", "--embedder", "clap-nano")
    with pytest.raises(UsageError, match="embedding an-embedder and clap-nano"):
        given.command(given)


def test_the_factory_reference_is_what_the_shipped_embedder_hears(embedder: Embedder) -> None:
    """If this fails, CLAP-nano has changed: run ``python -m training.reference``."""
    side = saved_side("factory")
    assert side is not None
    assert side.gaussian.origin == embedder.origin
    assert side.gaussian.dimensions == embedder.dimensions
    assert side.gaussian.count >= 500
    assert "data factory" in side.gaussian.note
    itself = frechet_distance(side.gaussian, side.gaussian)
    assert 0 <= itself.value < 1e-13
    assert itself.warning == ""


@pytest.mark.network  # unless the soundfont is installed
def test_the_factory_reference_can_be_made_again(tmp_path: Path) -> None:
    pytest.importorskip("tinysoundfont")
    from training import reference

    path = tmp_path / "it.npz"
    assert reference.main(["--pieces", "3", "--output", str(path)]) == 0
    found, shipped = Gaussian.load(path), saved_side("factory")
    assert shipped is not None
    assert found.origin == shipped.gaussian.origin
    assert found.count == 3
    assert reference.main(["--pieces", "1", "--output", str(path)]) == 2


# torcheval's reference values


def sines(count: int, deviation: float | None) -> Array:
    """As torcheval's test makes them: sine waves of 6 s at 16 kHz with noise, in 16 bits."""
    time = np.linspace(0, 6, 6 * 16_000)
    waves = []
    for pitch in np.linspace(100, 1000, count):
        wave = np.sin(2 * np.pi * time * pitch)
        if deviation:
            wave = wave + np.random.normal(0, deviation, len(wave)) * np.abs(wave).max()
        waves.append(np.trunc(2**15 * np.clip(wave, -1, 0.999999)))
    return np.array(waves)


@pytest.mark.network
def test_vggish_gives_torchevals_values() -> None:
    """tests/metrics/audio/test_fad.py of torcheval, with VGGish from a folder of its weights."""
    folder = os.environ.get("AUDIO_CHAIN_VGGISH")
    if not folder:
        pytest.skip("AUDIO_CHAIN_VGGISH names no folder of VGGish's weights")
    embedder = load_embedder(folder, device="cpu")
    np.random.seed(23487621)
    sounds = [sines(10, None), sines(5, 0.0001), sines(5, 0.00001)]
    collections = []
    for waves in sounds:
        collector = Collector(embedder.dimensions)
        for wave in waves:
            wave = (wave / np.abs(wave).max()).astype(np.float32)
            for start in range(0, len(wave) - 16_000 + 1, 8_000):
                piece = wave[np.newaxis, start : start + 16_000]
                collector.add(embedder.embed(Clip(piece, 16_000)))
        collections.append(collector.finish(embedder.origin))
    background, first, second = (one.gaussian for one in collections)
    assert frechet_distance(background, first).value == pytest.approx(2.784474, abs=0.05)
    assert frechet_distance(background, second).value == pytest.approx(1.324203, abs=0.05)
