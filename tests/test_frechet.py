"""Gaussian statistics and the Fréchet distance: closed forms, other methods, hostile files."""

from __future__ import annotations

import io
import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import linalg

from audio_chain.errors import ChainError, UsageError
from eval.frechet import ReferenceSide, frechet_distance
from eval.gaussian import Accumulator, Gaussian, Origin, StatisticsError

ORIGIN = Origin("an-embedder", "0123abcd", 32_000, 10.0, 5.0)

Array = NDArray[np.float64]
sizes = st.tuples(st.integers(2, 40), st.integers(2, 40), st.integers(1, 12))
seeds = st.integers(0, 2**32 - 1)


def gaussian(windows: Any, origin: Origin = ORIGIN) -> Gaussian:
    accumulator = Accumulator(np.shape(windows)[1])
    accumulator.add(windows)
    return accumulator.finish(origin)


def known(mean: Any, covariance: Any, count: int = 10**6) -> Gaussian:
    mean = np.asarray(mean, np.float64)
    return Gaussian(mean, np.asarray(covariance, np.float64), count, ORIGIN)


def rotation(dimensions: int, seed: int = 0) -> Array:
    square = np.random.default_rng(seed).standard_normal((dimensions, dimensions))
    return np.asarray(np.linalg.qr(square)[0])


def mixed(count: int, dimensions: int, seed: int, spread: float = 1.0) -> Array:
    """Windows whose dimensions depend on each other, as embeddings' do."""
    generator = np.random.default_rng(seed)
    scales = np.logspace(0, -spread, dimensions)
    plain = generator.standard_normal((count, dimensions)) * scales
    return plain @ rotation(dimensions, seed + 1) + generator.standard_normal(dimensions)


# Statistics


@given(sizes, seeds, st.integers(1, 5))
def test_statistics_are_numpys_however_windows_come(
    size: tuple[int, int, int], seed: int, workers: int
) -> None:
    count, _, dimensions = size
    windows = mixed(count, dimensions, seed)
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(windows)
    cuts = np.sort(generator.integers(0, count + 1, workers - 1))
    total = Accumulator(dimensions)
    for part in np.split(shuffled, cuts):  # some are empty
        worker = Accumulator(dimensions)
        worker.add(part)
        total.merge(worker)
    for found in (total.finish(ORIGIN), gaussian(windows)):
        np.testing.assert_allclose(found.mean, windows.mean(axis=0), rtol=1e-12, atol=1e-12)
        expected = np.cov(windows, rowvar=False).reshape(dimensions, dimensions)
        np.testing.assert_allclose(found.covariance, expected, rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(found.covariance, found.covariance.T)
        assert found.count == count


def test_many_blocks_far_from_zero_do_not_cancel() -> None:
    """A mean of 10^6 times the deviation costs no digits of the covariance."""
    windows = np.random.default_rng(0).standard_normal((5000, 3)) + np.array([1e6, -1e6, 0])
    accumulator = Accumulator(3)
    for part in np.array_split(windows, 77):
        accumulator.add(part)
    exact = windows.astype(np.longdouble)
    exact -= exact.mean(axis=0)
    expected = (exact.T @ exact / (len(exact) - 1)).astype(np.float64)
    np.testing.assert_allclose(accumulator.finish(ORIGIN).covariance, expected, atol=1e-10)


def test_memory_does_not_grow_with_the_windows() -> None:
    def peak(blocks: int) -> int:
        tracemalloc.start()
        try:
            generator, accumulator = np.random.default_rng(0), Accumulator(64)
            for _ in range(blocks):
                accumulator.add(generator.standard_normal((256, 64)))
            accumulator.finish(ORIGIN)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(500) < 1.2 * peak(5)


def test_float32_windows_are_summed_in_float64() -> None:
    windows = np.full((200_000, 1), 0.1, np.float32)
    windows[::2] = 0.3
    found = gaussian(windows)
    assert found.mean[0] == pytest.approx(windows.astype(np.float64).mean(), rel=1e-13)
    assert found.covariance[0, 0] == pytest.approx(0.01, rel=1e-5)


def test_an_accumulator_goes_on_after_it_was_asked() -> None:
    windows = mixed(30, 4, 0)
    accumulator = Accumulator(4)
    accumulator.add(windows[:10])
    first = accumulator.finish(ORIGIN)
    accumulator.add(windows[10:])
    np.testing.assert_allclose(first.mean, windows[:10].mean(axis=0))
    np.testing.assert_allclose(accumulator.finish(ORIGIN).mean, windows.mean(axis=0))
    assert accumulator.count == 30


@pytest.mark.parametrize(
    "windows",
    [np.zeros(3), np.zeros((4, 2)), np.full((4, 3), np.nan), np.array([[1, np.inf, 0.0]]),
     np.zeros((4, 3), complex)],
)  # fmt: skip
def test_windows_that_have_no_statistics_are_refused(windows: NDArray[Any]) -> None:
    accumulator = Accumulator(3)
    with pytest.raises(StatisticsError):
        accumulator.add(windows)
    assert accumulator.count == 0


def test_one_window_has_no_covariance() -> None:
    with pytest.raises(StatisticsError, match="takes two windows, here is 1"):
        gaussian(np.zeros((1, 3)))


# Closed forms


@pytest.mark.parametrize("dimensions", [1, 2, 17, 128, 512])
def test_equal_sets_are_no_distance_apart(dimensions: int) -> None:
    one = gaussian(mixed(2 * dimensions + 2, dimensions, 0, spread=3))
    found = frechet_distance(one, one)
    assert 0 <= found.value <= 1e-13 * np.trace(one.covariance)
    assert found.warning == ""


@pytest.mark.parametrize("shift", [1e-3, 1.0, 1e3])
def test_a_shifted_mean_counts_squared(shift: float) -> None:
    one = gaussian(mixed(400, 64, 1, spread=2))
    step = np.random.default_rng(2).standard_normal(64) * shift
    found = frechet_distance(one, known(one.mean + step, one.covariance))
    rounding = 1e-14 * np.trace(one.covariance)
    assert found.value == pytest.approx(step @ step, rel=1e-12, abs=rounding)
    assert found.mean_term == pytest.approx(step @ step, rel=1e-12)


@given(seeds, st.integers(1, 30), st.floats(0, 6))
def test_diagonal_covariances(seed: int, dimensions: int, orders: float) -> None:
    generator = np.random.default_rng(seed)
    first, second = 10 ** generator.uniform(-orders, orders, (2, dimensions))
    means = generator.standard_normal((2, dimensions))
    expected = np.square(np.sqrt(first) - np.sqrt(second)).sum()
    expected += np.square(means[0] - means[1]).sum()
    found = frechet_distance(known(means[0], np.diag(first)), known(means[1], np.diag(second)))
    assert found.value == pytest.approx(expected, rel=1e-12, abs=1e-14 * (first + second).sum())


def test_rotated_and_scaled_covariances() -> None:
    """Where they commute: sum of (root a - root b)^2; where one is c^2 the other, (1 - c)^2 tr."""
    turn = rotation(100)
    first, second = np.random.default_rng(3).uniform(0.1, 10, (2, 100))
    a, b = (known(np.zeros(100), (turn * values) @ turn.T) for values in (first, second))
    expected = np.square(np.sqrt(first) - np.sqrt(second)).sum()
    assert frechet_distance(a, b).value == pytest.approx(expected, rel=1e-12)
    scaled = known(np.zeros(100), 1.21 * a.covariance)
    expected = 0.01 * np.trace(a.covariance)
    assert frechet_distance(a, scaled).value == pytest.approx(expected, rel=1e-10)


# Other ways to compute it


def by_sqrtm(a: Gaussian, b: Gaussian) -> float:
    """The formula as frechet-audio-distance 0.3.4 has it."""
    apart = a.mean - b.mean
    root = linalg.sqrtm((a.covariance @ b.covariance).astype(complex))
    traces = np.trace(a.covariance) + np.trace(b.covariance) - 2 * np.trace(root.real)
    return float(apart @ apart + traces)


def by_eigenvectors(a: Gaussian, b: Gaussian) -> float:
    """The formula as fadtk 1.1.0 has it."""
    apart = a.mean - b.mean
    values, vectors = linalg.eig(a.covariance @ b.covariance)
    root = (vectors * np.sqrt(values.astype(complex))) @ linalg.inv(vectors)
    traces = np.trace(a.covariance) + np.trace(b.covariance) - 2 * np.trace(root).real
    return float(apart @ apart + traces)


@pytest.mark.parametrize("dimensions", [1, 8, 128])
@pytest.mark.parametrize("other", [by_sqrtm, by_eigenvectors])
def test_other_methods_agree_where_they_are_well_conditioned(
    dimensions: int, other: Callable[[Gaussian, Gaussian], float]
) -> None:
    a, b = (gaussian(mixed(8 * dimensions, dimensions, seed)) for seed in (0, 5))
    assert frechet_distance(a, b).value == pytest.approx(other(a, b), rel=1e-10)


@pytest.mark.parametrize("orders", [0, 6, 12])
def test_60_digits_agree_however_ill_conditioned(orders: float) -> None:
    mpmath = pytest.importorskip("mpmath")
    mpmath.mp.dps = 60
    a, b = (gaussian(mixed(60, 10, seed, spread=orders / 2)) for seed in (0, 5))
    first, second = (mpmath.matrix(one.covariance.tolist()) for one in (a, b))
    values, vectors = mpmath.eigsy(first)
    root = vectors * mpmath.diag([mpmath.sqrt(value) for value in values]) * vectors.T
    product = mpmath.eigsy(root * second * root, eigvals_only=True)
    traces = float(sum(first[i, i] + second[i, i] for i in range(10)))
    term = traces - 2 * sum(mpmath.sqrt(value) for value in product)
    found = frechet_distance(a, b)
    assert abs(found.covariance_term - term) < 5e-14 * traces  # BLAS of all processors


# Fewer windows than dimensions


@pytest.mark.parametrize("counts", [(5, 7), (5, 200), (200, 5), (2, 2), (30, 31)])
def test_too_few_windows_are_exact_and_said(counts: tuple[int, int]) -> None:
    """Then the sum of the singular values is that of the windows' own cross products."""
    x, y = (mixed(count, 30, seed) for seed, count in enumerate(counts))
    found = frechet_distance(gaussian(x), gaussian(y))
    parts = [(rows - rows.mean(axis=0)) / np.sqrt(len(rows) - 1) for rows in (x, y)]
    shared = np.linalg.svd(parts[0] @ parts[1].T, compute_uv=False).sum()
    total = sum(np.square(part).sum() for part in parts)
    assert found.covariance_term == pytest.approx(total - 2 * shared, rel=1e-9)
    assert found.ranks == tuple(min(count - 1, 30) for count in counts)
    said = " and ".join(
        f"{count} {name} windows"
        for count, name in zip(counts, ("reference", "generated"), strict=True)
        if count <= 30
    )
    assert found.warning.startswith(f"{said} for 30 dimensions")


def test_sets_with_nothing_in_common_are_as_far_as_they_are_wide() -> None:
    a, b = (np.zeros((50, 8)) for _ in range(2))
    a[:, :4], b[:, 4:] = mixed(50, 4, 0), mixed(50, 4, 1)
    one, two = gaussian(a), gaussian(b)
    found = frechet_distance(one, two)
    expected = np.trace(one.covariance) + np.trace(two.covariance)
    assert found.covariance_term == pytest.approx(expected, rel=1e-12)
    assert found.ranks == (4, 4)


def test_dimensions_that_repeat_others_count_for_what_they_are() -> None:
    """Enough windows, but no full rank: each dimension thrice is three times the distance."""
    x, y = mixed(400, 20, 0), mixed(400, 20, 5)
    once = frechet_distance(gaussian(x), gaussian(y))
    thrice = frechet_distance(gaussian(np.tile(x, 3)), gaussian(np.tile(y, 3)))
    assert thrice.value == pytest.approx(3 * once.value, rel=1e-12)
    assert thrice.ranks == (20, 20)
    mixed_up = frechet_distance(gaussian(np.tile(x, 3)), gaussian(mixed(400, 60, 7)))
    assert mixed_up.ranks == (20, 60)


def test_sets_without_any_spread() -> None:
    still, moving = np.ones((5, 3)), mixed(50, 3, 0)
    assert frechet_distance(gaussian(still), gaussian(still + 2)).value == 12
    found = frechet_distance(gaussian(moving), gaussian(still))
    assert found.covariance_term == pytest.approx(np.trace(np.cov(moving, rowvar=False)))


# Properties


@given(sizes, seeds)
def test_symmetric_and_never_negative(size: tuple[int, int, int], seed: int) -> None:
    first, second, dimensions = size
    a, b = gaussian(mixed(first, dimensions, seed)), gaussian(mixed(second, dimensions, seed + 9))
    there, back = frechet_distance(a, b), frechet_distance(b, a)
    rounding = 1e-12 * (np.trace(a.covariance) + np.trace(b.covariance))
    assert there.value >= 0
    assert there.value == pytest.approx(back.value, rel=1e-9, abs=rounding)
    assert there.ranks == back.ranks[::-1]


@settings(max_examples=50)
@given(sizes, seeds, st.floats(0.01, 100))
def test_turning_moving_and_scaling_both(
    size: tuple[int, int, int], seed: int, scale: float
) -> None:
    first, second, dimensions = size
    x, y = mixed(first, dimensions, seed), mixed(second, dimensions, seed + 9)
    turn = rotation(dimensions, seed + 3)
    before = frechet_distance(gaussian(x), gaussian(y))
    after = frechet_distance(gaussian(scale * (x @ turn) + 1.5), gaussian(scale * (y @ turn) + 1.5))
    rounding = 1e-9 * scale**2 * (x.var() + y.var() + 1)
    assert after.value == pytest.approx(scale**2 * before.value, rel=1e-6, abs=rounding)


@given(sizes, seeds)
def test_windows_seen_from_the_reference(size: tuple[int, int, int], seed: int) -> None:
    """The quick way for many small sets is the same distance."""
    first, second, dimensions = size
    reference, windows = mixed(first, dimensions, seed), mixed(second, dimensions, seed + 9)
    side = ReferenceSide(gaussian(reference))
    expected = frechet_distance(gaussian(reference), gaussian(windows))
    rounding = 1e-6 * (reference.var() + windows.var()) * dimensions
    assert side.distance(windows) == pytest.approx(expected.value, rel=1e-6, abs=rounding)
    times = np.random.default_rng(seed).integers(0, 3, len(windows))
    if times.sum() >= 2:
        again = frechet_distance(gaussian(reference), gaussian(np.repeat(windows, times, axis=0)))
        found = side.windows(windows).distance(times)
        assert found == pytest.approx(again.value, rel=1e-6, abs=rounding)


# Origins and files


def test_distances_between_origins_are_refused() -> None:
    windows = mixed(10, 3, 0)
    other = Origin("an-embedder", "another", 32_000, 10.0, 2.5)
    with pytest.raises(
        UsageError, match=r"revision 0123abcd and another, hop seconds 5\.0 and 2\.5"
    ):
        frechet_distance(gaussian(windows), gaussian(windows, other))


def test_statistics_survive_a_file(tmp_path: Path) -> None:
    one = gaussian(mixed(40, 12, 0))
    path = Gaussian(one.mean, one.covariance, 40, ORIGIN, "some Ragas\n").save(tmp_path / "a.npz")
    found = Gaussian.load(path)
    np.testing.assert_array_equal(found.mean, one.mean)
    np.testing.assert_array_equal(found.covariance, one.covariance)
    assert (found.count, found.origin, found.note) == (40, ORIGIN, "some Ragas\n")
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]


def test_statistics_are_saved_whole_or_not_at_all(tmp_path: Path) -> None:
    one = gaussian(mixed(40, 12, 0))
    for name in ("a.npy", "missing/a.npz"):
        with pytest.raises(UsageError):
            one.save(tmp_path / name)
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(UsageError, match="folder"):
        one.save(tmp_path / "folder.npz")
    assert [file.name for file in tmp_path.iterdir()] == ["folder.npz"]


class Trap:
    """Unpickling it would be noticed."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("something was unpickled",))


def contents(**changes: Any) -> bytes:
    """What a good file holds, with changes; None leaves an array out."""
    arrays = {
        "layout": 1, "mean": np.zeros(3), "covariance": np.eye(3), "count": 10, "note": "",
        "embedding": "e", "revision": "r", "rate": 1, "window_seconds": 1.0, "hop_seconds": 1.0,
        **changes,
    }  # fmt: skip
    file = io.BytesIO()
    kept: dict[str, Any] = {key: value for key, value in arrays.items() if value is not None}
    np.savez_compressed(file, allow_pickle=True, **kept)
    return file.getvalue()


def with_header(header: bytes) -> bytes:
    """A good file whose covariance says of itself what `header` says."""
    file = io.BytesIO(contents(covariance=None))
    with zipfile.ZipFile(file, "a") as archive:
        start = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little")
        archive.writestr("covariance.npy", start + header + bytes(72))
    return file.getvalue()


GOOD = contents()
HOSTILE: dict[str, bytes] = {
    "empty": b"",
    "text": b"these are no statistics",
    "an empty zip": b"PK\x05\x06" + bytes(18),
    "truncated": GOOD[: len(GOOD) // 2],
    "without its end": GOOD[:-30],
    "damaged": GOOD[:200] + bytes(40) + GOOD[240:],
    "no covariance": contents(covariance=None),
    "no count": contents(count=None),
    "newer": contents(layout=2),
    "not a number": contents(mean=np.array([0, np.nan, 0])),
    "infinite": contents(covariance=np.diag([1, np.inf, 1])),
    "pickled": contents(mean=np.array([Trap(), 1, 2], dtype=object)),
    "pickled scalar": contents(note=np.array(Trap(), dtype=object)),
    "other shapes": contents(covariance=np.eye(4)),
    "a flat covariance": contents(covariance=np.zeros(9)),
    "integers": contents(covariance=np.eye(3, dtype=int)),
    "a negative variance": contents(covariance=np.diag([1.0, -1, 1])),
    "not symmetric": contents(covariance=np.eye(3) + np.triu(np.full((3, 3), 0.1), 1)),
    "beyond its variances": contents(covariance=7 - 6 * np.eye(3)),
    "not positive": contents(covariance=1.9 * np.eye(3) - 0.9),
    "one window": contents(count=1),
    "a count of text": contents(count="many"),
    "an endless rate": contents(window_seconds=np.nan),
    "a long name": contents(embedding="x" * 100_000),
    "a bomb": with_header(b"{'descr': '<f8', 'fortran_order': False, 'shape': (999999, 999999)}"),
    "a program": with_header(b"{'descr': __import__('os').getcwd(), 'shape': (3, 3)}"),
    "a structure": with_header(
        b"{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (3, 3)}"
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_one_clear_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / "it.npz"
    path.write_bytes(HOSTILE[name])
    with pytest.raises(ChainError) as caught:
        Gaussian.load(path)
    message = str(caught.value)
    assert "it.npz" in message
    assert "\n" not in message
    assert len(message) < 500


def test_a_good_file_is_good(tmp_path: Path) -> None:
    """So that the hostile ones are refused for what is wrong with them."""
    path = tmp_path / "it.npz"
    path.write_bytes(GOOD)
    assert Gaussian.load(path).count == 10


@settings(max_examples=60)
@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_any_changed_byte_is_refused_or_harmless(place: int, change: int) -> None:
    damaged = bytearray(GOOD)
    damaged[place] ^= change
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "it.npz")
        path.write_bytes(bytes(damaged))
        try:
            found = Gaussian.load(path)
        except ChainError:
            return
    assert found.count == 10
    np.testing.assert_array_equal(found.covariance, np.eye(3))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        Gaussian.load(tmp_path / "nowhere.npz")
    with pytest.raises(UsageError, match="folder"):
        Gaussian.load(tmp_path)
