"""Noise out of counters: the published words, and what follows from being a function."""

from __future__ import annotations

import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from audio_chain.generate.musicgen.noise import gumbel, philox

ONES = 0xFFFFFFFF

# of Random123's kat_vectors, philox4x32 with 10 rounds: counter, key, words
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES,) * 4, (ONES,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def word(value: int) -> torch.Tensor:
    return torch.tensor([value])


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_words_are_the_published_ones(
    counter: tuple[int, ...], key: tuple[int, int], words: tuple[int, ...]
) -> None:
    first, second = (word(value) for value in key)
    found = philox(tuple(word(value) for value in counter), (first, second))
    assert tuple(value.item() for value in found) == words


@given(
    seeds=st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=4),
    step=st.integers(0, 2**31),
    books=st.integers(1, 9),
    tokens=st.integers(1, 50),
)
def test_noise_depends_on_its_own_seed_and_step_only(
    seeds: list[int], step: int, books: int, tokens: int
) -> None:
    together = gumbel(torch.tensor(seeds), word(step), (books, tokens))
    assert together.shape == (len(seeds), books, tokens)
    assert together.isfinite().all()
    more = gumbel(torch.tensor(seeds[-1:]), word(step), (books + 3, tokens + 7))
    assert torch.equal(more[0, :books, :tokens], together[-1])


def test_noise_is_gumbel_and_independent() -> None:
    """Kolmogorov-Smirnov against the distribution; neighbours of every kind are uncorrelated."""
    noise = gumbel(torch.arange(20), word(3), (8, 300))
    assert scipy.stats.kstest(noise.flatten().numpy(), "gumbel_r").pvalue > 1e-4
    later = gumbel(torch.arange(20), word(4), (8, 300))
    count = noise.numel()
    centred, after = noise - noise.mean(), later - later.mean()
    for one, other in (
        (centred, after),
        (centred[1:], centred[:-1]),
        (centred[:, 1:], centred[:, :-1]),
        (centred[:, 4:], centred[:, :-4]),
        (centred[..., 1:], centred[..., :-1]),
    ):
        correlation = (one * other).mean() / noise.var()
        assert correlation.abs() < 5 / count**0.5
