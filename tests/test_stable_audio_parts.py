"""The parts of Stable Audio one by one: schedules, samplers, noise, autoencoders in blocks."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderOobleck,
    CosineDPMSolverMultistepScheduler,
    EDMDPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
)
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from audio_chain.errors import UsageError
from audio_chain.generate.seeds import mixed
from audio_chain.generate.stable_audio.autoencoders import Oobleck, in_blocks, surroundings
from audio_chain.generate.stable_audio.noise import noise
from audio_chain.generate.stable_audio.paths import Circle, Line, Path, path_of
from audio_chain.generate.stable_audio.samplers import SAMPLERS
from audio_chain.generate.stable_audio.sampling import sample

CIRCLE = Circle(least=0.3, most=500.0)
LINE = Line(ticks=1000)


def config_of(scheduler: Any) -> dict[str, Any]:
    return {"_class_name": type(scheduler).__name__, **scheduler.config}


@pytest.mark.parametrize("schedule", ["exponential", "karras"])
@pytest.mark.parametrize("steps", [2, 7, 100])
def test_levels_as_diffusers(schedule: str, steps: int) -> None:
    theirs = CosineDPMSolverMultistepScheduler(sigma_schedule=schedule)
    theirs.set_timesteps(steps)
    path, _ = path_of(config_of(theirs), "here")
    ours = path.levels(steps)
    np.testing.assert_allclose(ours, theirs.sigmas.numpy(), rtol=1e-4)
    times = [path.time(level) for level in ours[:-1]]
    np.testing.assert_allclose(times, theirs.timesteps.numpy(), rtol=1e-5)


@pytest.mark.parametrize("shift", [1.0, 3.0])
@pytest.mark.parametrize("steps", [2, 8, 50])
def test_levels_of_a_flow_as_diffusers(shift: float, steps: int) -> None:
    theirs = FlowMatchEulerDiscreteScheduler(shift=shift)
    theirs.set_timesteps(steps)
    path, sampler = path_of(config_of(theirs), "here")
    assert sampler == "euler"
    np.testing.assert_allclose(path.levels(steps), theirs.sigmas.numpy(), rtol=1e-4)
    times = [path.time(level) for level in path.levels(steps)[:-1]]
    np.testing.assert_allclose(times, theirs.timesteps.numpy(), rtol=1e-4)


@pytest.mark.parametrize("path", [CIRCLE, Circle(0.1, 80.0, bend=7.0), LINE, Line(1000, 3.0)])
@given(
    strength=st.floats(1e-4, 1.0, exclude_min=True),
    steps=st.integers(1, 60),
)
def test_strength_is_the_time_to_begin_at(path: Path, strength: float, steps: int) -> None:
    levels = path.levels(steps, strength)
    assert all(before > after for before, after in itertools.pairwise(levels))
    assert levels[-1] == 0
    assert 2 <= len(levels) <= steps + 1
    top = path.time(path.levels(1)[0])
    begun = path.time(levels[0])
    share = strength * (1000 if isinstance(path, Line) else 1)
    assert begun == pytest.approx(min(share, top), rel=1e-6)


PATHS = [CIRCLE, Circle(0.1, 80.0, bend=7.0, data=0.5), LINE, Line(1000, 3.0)]


@pytest.mark.parametrize("path", PATHS)
@given(way=st.floats(0.0, 1.0))
def test_what_is_to_be_learnt_leads_to_the_clean_latents(path: Path, way: float) -> None:
    """Read back as sampling reads the network, it is what the noise was put on."""
    level = path.level(way)
    clean, drawn = torch.randn(2, 3, 4, dtype=torch.float64)
    noisy = path.keep(level) * clean + level * drawn
    told = path.target(clean, drawn, level)
    torch.testing.assert_close(path.clean(noisy, told, level), clean, atol=1e-7, rtol=1e-7)


def test_velocity_by_its_definition() -> None:
    """v of Salimans and Ho (2022) at the angle that the network is told."""
    clean, drawn = torch.randn(2, 3, 4)
    level = CIRCLE.level(0.6)
    angle = math.pi / 2 * CIRCLE.time(level)
    wanted = math.cos(angle) * drawn - math.sin(angle) * clean
    torch.testing.assert_close(CIRCLE.target(clean, drawn, level), wanted)


@pytest.mark.parametrize("path", PATHS)
def test_levels_on_the_way(path: Path) -> None:
    *levels, last = path.levels(9)
    assert last == 0
    np.testing.assert_allclose([path.level(index / 8) for index in range(9)], levels)


class Gaussian:
    """The ideal network where clean latents are normal with a mean and a deviation."""

    def __init__(self, path: Path, mean: float, deviation: float) -> None:
        self._path, self._mean, self._deviation = path, mean, deviation

    def __call__(self, latents: torch.Tensor, time: float, guidance: float) -> torch.Tensor:
        path = self._path
        if isinstance(path, Circle):
            level = math.tan(time * math.pi / 2)
            latents = latents / path.scale(level)
        else:
            level = time / 1000
        keep, variance = path.keep(level), self._deviation**2
        gain = keep * variance / (keep**2 * variance + level**2)
        clean = self._mean + gain * (latents - keep * self._mean)
        if isinstance(path, Line):
            return (latents - clean) / level
        scale = path.scale(level)  # cosine; the velocity is cosine * noise - sine * clean
        noises = (latents - clean) / level
        return scale * noises - level * scale * clean


@pytest.mark.parametrize("path", [CIRCLE, LINE], ids=["circle", "line"])
@pytest.mark.parametrize("name", list(SAMPLERS))
def test_samplers_end_in_the_distribution(name: str, path: Path) -> None:
    """With the network that knows the answer: its mean and deviation, whatever the sampler."""
    if name == "pingpong":
        pytest.skip("for networks that answer with one clean piece, not with the mean of many")
    if isinstance(path, Circle):
        path = Circle(least=0.002, most=500.0)  # the last step is of first order
    network = Gaussian(path, mean=0.7, deviation=0.5)
    levels = path.levels(200)
    (made,) = sample(network, path, SAMPLERS[name], levels, (1,), (8, 4096), guidance=1.0)
    assert made.mean() == pytest.approx(0.7, abs=0.02)
    assert made.std() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("path", [CIRCLE, LINE], ids=["circle", "line"])
@pytest.mark.parametrize("name", list(SAMPLERS))
def test_samplers_find_a_single_piece_in_one_step(name: str, path: Path) -> None:
    network = Gaussian(path, mean=0.7, deviation=1e-9)
    for steps in (1, 2, 9):
        (made,) = sample(
            network, path, SAMPLERS[name], path.levels(steps), (1,), (2, 64), guidance=1.0
        )
        torch.testing.assert_close(made, torch.full_like(made, 0.7), atol=2e-3, rtol=0)


def test_second_order_needs_fewer_steps_than_first() -> None:
    """DPM-Solver++ 2M against Euler, at the end of the deterministic path."""
    network = Gaussian(CIRCLE, mean=0.7, deviation=0.5)

    def end(name: str, steps: int) -> torch.Tensor:
        levels = CIRCLE.levels(steps)
        return sample(network, CIRCLE, SAMPLERS[name], levels, (1,), (2, 64), guidance=1.0)

    exact = end("euler", 4000)
    assert (end("dpmpp-2m", 24) - exact).abs().max() < 0.5 * (end("euler", 24) - exact).abs().max()


def test_deterministic_solver_as_diffusers() -> None:
    """2M in EDM's form is diffusers' EDMDPMSolverMultistepScheduler, where that is first order
    at the ends too."""
    theirs = EDMDPMSolverMultistepScheduler(
        sigma_min=0.3, sigma_max=500, sigma_data=1.0, prediction_type="v_prediction",
        sigma_schedule="exponential", final_sigmas_type="zero",
    )  # fmt: skip
    theirs.set_timesteps(12)
    levels = CIRCLE.levels(12)
    np.testing.assert_allclose(levels, theirs.sigmas.numpy(), rtol=1e-4)
    network = Gaussian(CIRCLE, mean=0.7, deviation=0.5)
    latents = CIRCLE.deviation(levels[0]) * noise(1, 0, (2, 64))[None]
    for level, time in zip(levels, theirs.timesteps, strict=False):
        scaled = theirs.scale_model_input(latents, time)
        velocity = network(scaled, CIRCLE.time(level), 1.0)
        latents = theirs.step(velocity, time, latents).prev_sample
    ours = sample(network, CIRCLE, SAMPLERS["dpmpp-2m"], levels, (1,), (2, 64), guidance=1.0)
    torch.testing.assert_close(ours, latents, atol=2e-4, rtol=1e-3)


def test_flow_euler_as_diffusers() -> None:
    theirs = FlowMatchEulerDiscreteScheduler(shift=3.0)
    theirs.set_timesteps(9)
    path, _ = path_of(config_of(theirs), "here")
    network = Gaussian(path, mean=0.7, deviation=0.5)
    latents = noise(1, 0, (2, 64))[None]
    for time in theirs.timesteps:
        velocity = network(latents, float(time), 1.0)
        latents = theirs.step(velocity, time, latents).prev_sample
    ours = sample(network, path, SAMPLERS["euler"], path.levels(9), (1,), (2, 64), guidance=1.0)
    torch.testing.assert_close(ours, latents, atol=1e-4, rtol=1e-4)


def test_other_schedulers_are_refused() -> None:
    flow = {"_class_name": "FlowMatchEulerDiscreteScheduler"}
    with pytest.raises(UsageError, match="here: use_dynamic_shifting is True; only False"):
        path_of({**flow, "use_dynamic_shifting": True}, "here")
    assert path_of({**flow, "stochastic_sampling": True}, "here")[1] == "pingpong"


def test_noise_is_normal_and_of_its_own() -> None:
    assert torch.equal(noise(5, 3, (2, 3)), noise(5, 3, (2, 3)))
    drawn = noise(2**63, 1, (100, 1000))
    assert stats.kstest(drawn.flatten().numpy(), "norm").pvalue > 1e-3
    seeds = {mixed(seed, step) & 0xFFFFFFFF for seed in range(100) for step in range(100)}
    assert len(seeds) > 9_995  # of 10,000 below 2**32: 0.01 collisions are to be expected
    together = np.corrcoef([noise(1, step, (4096,)).numpy() for step in range(6)])
    assert np.abs(together - np.eye(6)).max() < 0.08


@pytest.fixture(scope="module")
def oobleck() -> AutoencoderOobleck:
    torch.manual_seed(0)
    return AutoencoderOobleck(
        encoder_hidden_size=8,
        downsampling_ratios=[2, 4, 8],
        channel_multiples=[1, 2, 2],
        decoder_channels=8,
        decoder_input_channels=4,
        audio_channels=2,
        sampling_rate=1000,
    ).eval()


def test_blocks_sound_as_the_whole(oobleck: AutoencoderOobleck) -> None:
    ours = Oobleck(oobleck)
    assert ours.hop == 64
    latents = noise(1, 0, (1, 4, 300))
    samples = noise(2, 0, (1, 2, 300 * 64))
    with torch.inference_mode():
        sound = oobleck.decode(latents).sample
        means = oobleck.encode(samples).latent_dist.mean
    torch.testing.assert_close(ours.decode(latents), sound, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(ours.encode(samples), means, atol=1e-5, rtol=1e-4)


def test_surroundings_are_enough_and_not_far_too_many(oobleck: AutoencoderOobleck) -> None:
    """How far a latent and a sample are heard, by their gradient."""
    around = surroundings([2, 4, 8])
    latents = noise(1, 0, (1, 4, 101)).requires_grad_()
    oobleck.decode(latents).sample[..., 50 * 64 : 51 * 64].square().sum().backward()
    assert latents.grad is not None
    heard = latents.grad.abs().sum((0, 1)).nonzero().flatten() - 50
    assert heard.abs().max() <= around < 2 * heard.abs().max()
    samples = noise(2, 0, (1, 2, 101 * 64)).requires_grad_()
    oobleck.encode(samples).latent_dist.mean[..., 50].square().sum().backward()
    assert samples.grad is not None
    heard = samples.grad.abs().sum((0, 1)).nonzero().flatten() // 64 - 50
    assert heard.abs().max() <= around


def test_memory_is_that_of_a_block() -> None:
    seen: list[int] = []

    def watch(signal: torch.Tensor) -> torch.Tensor:
        seen.append(signal.shape[-1])
        return signal

    signal = torch.arange(1000.0)[None, None]
    assert torch.equal(in_blocks(watch, signal, 1, 1, around=5, block=128), signal)
    assert max(seen) == 138
