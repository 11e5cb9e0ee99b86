"""Our sampling of Stable Audio against diffusers' pipeline, on tiny random weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableAudioPipeline
from diffusers.schedulers import scheduling_cosine_dpmsolver_multistep as cosine
from stable_audio_models import CHANNELS, RATE, WINDOW, of_any_length, player, saved, tiny

from audio_chain.audio import Clip
from audio_chain.errors import ChainError, UsageError
from audio_chain.generate import GenerationRequest
from audio_chain.generate.stable_audio.conditions import read_conditions
from audio_chain.generate.stable_audio.generator import StableAudioGenerator
from audio_chain.generate.stable_audio.noise import noise
from audio_chain.generate.stable_audio.samplers import SAMPLERS
from audio_chain.generate.stable_audio.sampling import sample

STEPS = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tiny(), tmp_path_factory.mktemp("tiny") / "pipeline")


@pytest.fixture(scope="module")
def generator(folder: Path) -> StableAudioGenerator:
    return player(folder)


def ask(*prompts: str, seconds: float = 0.4, **more: Any) -> GenerationRequest:
    prompts = prompts or ("sad piano",)
    more.setdefault("seeds", tuple(range(1, 1 + len(prompts))))
    return GenerationRequest(prompts, seconds, steps=more.pop("steps", STEPS), **more)


def made(generator: StableAudioGenerator, request: GenerationRequest) -> list[np.ndarray]:
    return [clip.samples for clip in generator.generate(request)]


def theirs(
    pipeline: StableAudioPipeline,
    prompts: list[str],
    seeds: tuple[int, ...],
    monkeypatch: pytest.MonkeyPatch,
    **more: Any,
) -> np.ndarray:
    """What diffusers makes of the noise that we draw."""
    shape = (CHANNELS, WINDOW)

    class OurNoise:
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self._step = 0

        def __call__(self, *sigmas: Any) -> torch.Tensor:
            self._step += 1
            return torch.stack([noise(seed, self._step, shape) for seed in seeds])

    monkeypatch.setattr(cosine, "BrownianTreeNoiseSampler", OurNoise)
    latents = torch.stack([noise(seed, 0, shape) for seed in seeds])
    more = {"num_inference_steps": STEPS, "audio_end_in_s": 0.4, **more}
    audios = pipeline(prompts, latents=latents, **{"output_type": "np", **more}).audios
    return np.asarray(audios)


@pytest.mark.parametrize("guidance", [1.0, 3.0, 7.0])
@pytest.mark.parametrize("negative", ["", "fast drums"])
@pytest.mark.parametrize(
    "scheduler", [{}, {"solver_type": "heun"}, {"sigma_schedule": "karras"}], ids=str
)
def test_sounds_as_diffusers(
    scheduler: dict[str, Any],
    negative: str,
    guidance: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipeline = tiny(**scheduler)
    prompts, seeds = ["sad piano", "a waltz of strings"], (3, 2**40)
    expected = theirs(
        pipeline,
        prompts,
        seeds,
        monkeypatch,
        guidance_scale=guidance,
        negative_prompt=[negative] * 2 if negative else None,
    )
    request = ask(*prompts, seeds=seeds, guidance=guidance, negative=negative)
    ours = made(player(saved(pipeline, tmp_path)), request)
    assert expected.std() > 0.01
    np.testing.assert_allclose(np.stack(ours), expected, atol=1e-4)


@pytest.mark.parametrize("steps", [2, 20])
def test_any_number_of_steps(
    steps: int, folder: Path, generator: StableAudioGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = StableAudioPipeline.from_pretrained(folder)
    (expected,) = theirs(pipeline, ["sad"], (1,), monkeypatch, num_inference_steps=steps)
    (ours,) = made(generator, ask("sad", guidance=7.0, steps=steps))
    np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_timing_as_diffusers(
    folder: Path, generator: StableAudioGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A piece that begins later in its recording, and one that ends earlier."""
    pipeline = StableAudioPipeline.from_pretrained(folder)
    times = {"audio_start_in_s": 0.1, "audio_end_in_s": 0.3}
    (expected,) = theirs(pipeline, ["sad"], (1,), monkeypatch, output_type="latent", **times)
    parts = generator._parts

    def latents(begin: float, end: float) -> np.ndarray:
        told = read_conditions(
            parts.reader, parts.projection, "sad", begin=begin, end=end, guides=True
        )
        parts.denoiser.read([told], WINDOW)
        shape, levels = (CHANNELS, WINDOW), parts.path.levels(STEPS)
        sampler = SAMPLERS[parts.sampler]
        sampled = sample(parts.denoiser, parts.path, sampler, levels, (1,), shape, guidance=7.0)
        return sampled[0].numpy()

    np.testing.assert_allclose(latents(0.1, 0.3), expected, atol=1e-4)
    for begin, end in ((0.0, 0.3), (0.1, 0.5)):
        assert np.abs(latents(begin, end) - expected).max() > 1e-3


def test_hears_words_negative_guidance_and_seed(generator: StableAudioGenerator) -> None:
    """What the comparisons above rest on: each of them changes the sound by more than 1e-3."""
    base = ask("sad piano", guidance=7.0)
    (sound,) = made(generator, base)
    for other in (
        ask("fast drums", guidance=7.0),
        ask("sad piano", guidance=7.0, negative="fast drums"),
        ask("sad piano", guidance=2.0),
        ask("sad piano", guidance=7.0, seeds=(2,)),
        ask("sad piano", guidance=7.0, steps=6),
        *(ask("sad piano", guidance=7.0, sampler=name) for name in ("euler", "dpmpp-2m")),
    ):
        (heard,) = made(generator, other)
        assert np.abs(sound - heard).max() > 1e-3
    np.testing.assert_array_equal(sound, made(generator, base)[0])


def test_a_piece_is_the_same_alone_and_in_company(generator: StableAudioGenerator) -> None:
    prompts, seeds = ("sad piano", "fast drums", "a waltz"), (5, 3, 2**33 + 5)
    lengths = (0.4, 0.4, 0.2)
    together = made(generator, ask(*prompts, seeds=seeds, lengths=lengths, negative="strings"))
    for prompt, seed, length, piece in zip(prompts, seeds, lengths, together, strict=True):
        (alone,) = made(generator, ask(prompt, seeds=(seed,), seconds=length, negative="strings"))
        np.testing.assert_array_equal(piece, alone)
    rows = torch.stack([noise(5, 0, (3, 4)), noise(2**33 + 5, 0, (3, 4)), noise(5, 1, (3, 4))])
    assert len(torch.unique(rows)) == rows.numel()


def test_sampled_together_is_sampled_alone(generator: StableAudioGenerator) -> None:
    """What a GPU does: rows of several pieces in one batch, guided in pairs."""
    parts = generator._parts
    told = [
        read_conditions(parts.reader, parts.projection, prompt, end=0.4, guides=True)
        for prompt in ("sad piano", "fast drums", "a waltz")
    ]

    def plain(count: int) -> torch.Tensor:
        """As many rows as with guidance, of as many pieces."""
        one = read_conditions(parts.reader, parts.projection, "a waltz", end=0.4, guides=False)
        parts.denoiser.read([one] * count, WINDOW)
        drawn = torch.stack([noise(number, 0, (CHANNELS, WINDOW)) for number in range(count)])
        return parts.denoiser(drawn, 0.5, 1.0).clone()

    def latents(numbers: list[int]) -> torch.Tensor:
        parts.denoiser.read([told[number] for number in numbers], WINDOW)
        return sample(
            parts.denoiser,
            parts.path,
            SAMPLERS["dpmpp-2m-sde"],
            parts.path.levels(STEPS),
            numbers,
            (CHANNELS, WINDOW),
            guidance=7.0,
        )

    together = latents([0, 1, 2])
    for number in range(3):
        torch.testing.assert_close(together[number], latents([number])[0], atol=1e-4, rtol=1e-4)
    assert len(latents([0])) == 1
    assert plain(2).shape == (2, CHANNELS, WINDOW)
    torch.testing.assert_close(plain(2)[1], plain(3)[1], atol=1e-5, rtol=1e-4)


def test_length_rate_channels_and_progress(generator: StableAudioGenerator) -> None:
    assert (generator.rate, generator.max_seconds) == (RATE, 0.512)
    assert generator.least_seconds == 0.512
    seen: list[tuple[float, float]] = []
    request = ask("a", "b", seconds=0.3, lengths=(0.3, 0.2))
    clips = list(generator.generate(request, progress=lambda *step: seen.append(step)))
    assert [(clip.frames, clip.channels, clip.rate) for clip in clips] == [
        (300, 2, RATE),
        (200, 2, RATE),
    ]
    assert seen == [(done, 2 * STEPS) for done in range(1, 2 * STEPS + 1)]
    with pytest.raises(UsageError, match=r"up to 0\.512 s, not 1: lower"):
        made(generator, ask(seconds=1.0))


def test_stops_between_steps(generator: StableAudioGenerator) -> None:
    calls: list[float] = []

    def stop(done: float, total: float) -> None:
        calls.append(done)
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        next(generator.generate(ask(), progress=stop))
    assert calls == [1, 2]


def test_pieces_of_any_length(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a checkpoint says so, a short piece is sampled at its own length, and costs less."""
    generator = player(of_any_length(shutil.copytree(folder, tmp_path / "mine")))
    assert generator.least_seconds == 0.0
    frames: list[int] = []
    denoiser = generator._parts.denoiser
    original = denoiser.read

    def watched(conditions: Any, count: int) -> None:
        frames.append(count)
        original(conditions, count)

    monkeypatch.setattr(denoiser, "read", watched)
    (clip,) = generator.generate(GenerationRequest(("sad",), 0.1, (1,)))
    assert clip.frames == 100
    assert frames == [13]  # 12.5 frames of 8 samples
    (told,) = generator.generate(
        GenerationRequest(("sad",), 0.1, (1,), steps=3, guidance=2.0, sampler="euler")
    )
    np.testing.assert_array_equal(clip.samples, told.samples)


@pytest.mark.parametrize("stereo", [True, False])
def test_sides_of_what_is_given(stereo: bool, tmp_path: Path) -> None:
    generator = player(saved(tiny(stereo=stereo), tmp_path))
    rng = np.random.default_rng(0)
    for sides in (1, 2):
        clip = Clip(0.1 * rng.standard_normal((sides, 2000)).astype(np.float32), 4000)
        (sound,) = made(generator, ask(source=clip))
        assert sound.shape == (2 if stereo else 1, 400)


def broken(folder: Path, tmp_path: Path, file: str, change: Any) -> Path:
    """A copy of a pipeline with one JSON file changed, or with one file gone."""
    copy = shutil.copytree(folder, tmp_path / "broken")
    if change is None:
        (copy / file).unlink()
    elif isinstance(change, bytes):
        (copy / file).write_bytes(change)
    else:
        document = json.loads((copy / file).read_text())
        (copy / file).write_text(json.dumps(document | change))
    return copy


WEIGHTS = "transformer/diffusion_pytorch_model.safetensors"


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("model_index.json", {"_class_name": "FluxPipeline"}, "is a FluxPipeline of diffusers"),
        ("model_index.json", {"transformer": ["my_code", "Evil"]}, "the transformer is Evil"),
        ("model_index.json", {"vae": None}, "the vae is None"),
        ("model_index.json", {"text_encoder": ["audio_chain", "MiniLM"]}, "shares parts"),
        ("model_index.json", {"sampler": "magic"}, "no sampler 'magic'; choose one of dpmpp"),
        ("model_index.json", b"[]", "is not a JSON object"),
        ("scheduler/scheduler_config.json", {"_class_name": "DDIM"}, "no scheduler 'DDIM' here"),
        ("scheduler/scheduler_config.json", {"prediction_type": "epsilon"}, "prediction_type is"),
        ("transformer/config.json", {"num_layers": 3}, "are not the model's"),
        ("transformer/config.json", {"nonsense": 3}, "makes no model"),
        (WEIGHTS, None, "lacks diffusion_pytorch_model.safetensors; only safetensors are read"),
        (WEIGHTS, b"\x80\x04pickle", "is damaged"),
        ("projection_model/config.json", None, "there is no file"),
    ],
)
def test_broken_checkpoints_are_one_line(
    file: str, change: Any, said: str, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(ChainError, match=said) as raised:
        player(broken(folder, tmp_path, file, change))
    assert "\n" not in str(raised.value)


def test_shards_are_read(folder: Path, generator: StableAudioGenerator, tmp_path: Path) -> None:
    pipeline = tiny()
    saved(pipeline, tmp_path)
    shutil.rmtree(tmp_path / "transformer")
    pipeline.transformer.half().save_pretrained(tmp_path / "transformer", max_shard_size="40KB")
    assert len(list((tmp_path / "transformer").glob("*.safetensors"))) > 2
    (ours,) = made(player(tmp_path), ask())
    np.testing.assert_allclose(ours, made(generator, ask())[0], atol=0.05)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"steps": 0}, "at least one step"),
        ({"sampler": "magic"}, "no sampler 'magic'"),
        ({"guidance_end": 1.0}, "one guidance for the whole piece"),
        ({"strength": 0.5}, "something to vary"),
        ({"inpaint": (0.1, 0.2)}, "something to vary"),
    ],
)
def test_impossible_requests(
    more: dict[str, Any], said: str, generator: StableAudioGenerator
) -> None:
    with pytest.raises(UsageError, match=said):
        made(generator, ask(**more))
