"""Variations, inpainting and continuing: what they must keep, and what they must not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from stable_audio_models import HOP, RATE, player, saved, tiny

from audio_chain.audio import Clip
from audio_chain.errors import UsageError
from audio_chain.generate import GenerationRequest
from audio_chain.generate.stable_audio.editing import FADE_S, spliced
from audio_chain.generate.stable_audio.generator import StableAudioGenerator

SECONDS = 0.5


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> StableAudioGenerator:
    return player(saved(tiny(), tmp_path_factory.mktemp("tiny") / "pipeline"))


@pytest.fixture(scope="module")
def clip() -> Clip:
    noise = np.random.default_rng(0).standard_normal((2, round(SECONDS * RATE)))
    return Clip((0.2 * noise).astype(np.float32), RATE)


@pytest.fixture(scope="module")
def coded(generator: StableAudioGenerator, clip: Clip) -> np.ndarray:
    """The clip after the autoencoder, in diffusers' own words."""
    window = generator._parts.denoiser.window * HOP
    padded = np.pad(clip.samples, ((0, 0), (0, window - clip.frames)))
    vae = generator._parts.autoencoder._vae  # type: ignore[attr-defined]
    with torch.inference_mode():
        latents = vae.encode(torch.from_numpy(padded)[None]).latent_dist.mode()
        sound = vae.decode(latents).sample[0, :, : clip.frames]
    return np.asarray(sound.numpy())


def play(generator: StableAudioGenerator, **more: Any) -> np.ndarray:
    request = GenerationRequest(("sad piano",), SECONDS, (1,), steps=8, guidance=3.0, **more)
    (made,) = generator.generate(request)
    return made.samples


def away(sound: np.ndarray, coded: np.ndarray) -> float:
    return float(np.abs(sound - coded).max())


@pytest.mark.parametrize("sampler", ["dpmpp-2m-sde", "dpmpp-2m", "euler", "pingpong"])
def test_strength_goes_from_the_recording_to_noise_alone(
    sampler: str, generator: StableAudioGenerator, clip: Clip, coded: np.ndarray
) -> None:
    fresh = play(generator, sampler=sampler)
    strengths = (0.001, 0.1, 0.5, 0.9)
    sounds = [play(generator, sampler=sampler, source=clip, strength=value) for value in strengths]
    distances = [away(sound, coded) for sound in sounds]
    assert distances[0] < 0.01
    assert distances[0] < distances[1] < distances[2]
    assert distances[3] > 0.1
    np.testing.assert_array_equal(
        play(generator, sampler=sampler, source=clip, strength=1.0), fresh
    )


@pytest.mark.parametrize("strength", [None, 0.5, 1.0])
@pytest.mark.parametrize("span", [(0.2, 0.3), (0.0, 0.15), (0.35, 0.5), (0.203, 0.2985)])
def test_outside_a_part_nothing_changes(
    span: tuple[float, float],
    strength: float | None,
    generator: StableAudioGenerator,
    clip: Clip,
    coded: np.ndarray,
) -> None:
    sound = play(generator, source=clip, inpaint=span, strength=strength)
    time = np.arange(clip.frames) / RATE
    inside = (time >= span[0]) & (time < span[1])
    np.testing.assert_allclose(sound[:, ~inside], coded[:, ~inside], atol=1e-6)
    assert away(sound[:, inside], coded[:, inside]) > 0.01


def test_continuing_keeps_the_beginning(
    generator: StableAudioGenerator, clip: Clip, coded: np.ndarray
) -> None:
    begun = clip.cropped(0.0, 0.25)
    sound = play(generator, beginning=begun)
    assert sound.shape == (2, 500)
    np.testing.assert_allclose(sound[:, :80], coded[:, :80], atol=1e-5)
    # near its end the autoencoder hears what follows: the beginning again, backwards, and so not
    # the end of all sound
    assert away(sound[:, :250], coded[:, :250]) < 0.05
    other = play(generator, beginning=Clip(-begun.samples, RATE))
    assert away(sound[:, 260:], other[:, 260:]) > 1e-3
    with pytest.raises(UsageError, match=r"is 0\.5 s long already: --seconds is the length"):
        play(generator, beginning=clip)


def test_what_is_made_anew_hears_what_stays(generator: StableAudioGenerator, clip: Clip) -> None:
    louder = Clip(4 * clip.samples, RATE)
    sounds = [play(generator, source=each, inpaint=(0.2, 0.3)) for each in (clip, louder)]
    assert away(sounds[0][:, 220:280], sounds[1][:, 220:280]) > 1e-3


def test_pieces_and_lengths_share_a_source(generator: StableAudioGenerator, clip: Clip) -> None:
    request = GenerationRequest(
        ("sad", "fast"), SECONDS, (1, 2), steps=3, source=clip, strength=0.5, lengths=(0.5, 0.3)
    )
    both = [made.samples for made in generator.generate(request)]
    assert [sound.shape[1] for sound in both] == [500, 300]


def test_splicing_has_no_step_larger_than_its_parts() -> None:
    """Between two constants it is a straight line, as long as a fade, on either side."""
    fresh, kept = np.ones((1, 1000), np.float32), np.zeros((1, 1000), np.float32)
    joined = spliced(fresh, kept, (0.2, 0.6), 1000)[0]
    assert not joined[:200].any()
    assert not joined[600:].any()
    fade = round(FADE_S * 1000)
    assert (joined[200 + fade : 600 - fade] == 1).all()
    assert np.abs(np.diff(joined)).max() == pytest.approx(1 / fade, rel=1e-4)
    assert spliced(fresh, kept, (0.0, 0.5), 1000)[0, 0] == 1
    assert spliced(fresh, kept, (0.5, 1.0), 1000)[0, -1] == 1


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"strength": 0.0}, "a strength above 0 and up to 1"),
        ({"strength": 1.5}, "a strength above 0 and up to 1"),
        ({"inpaint": (0.3, 0.2)}, "begins before it ends"),
        ({"inpaint": (0.3, 0.6)}, "inside every piece"),
        ({"beginning": True}, "either something to vary or something to continue"),
    ],
)
def test_impossible_edits(more: dict[str, Any], said: str, clip: Clip) -> None:
    if "beginning" in more:
        more = {"beginning": clip}
    with pytest.raises(UsageError, match=said):
        GenerationRequest(("sad",), SECONDS, (1,), source=clip, **more)
