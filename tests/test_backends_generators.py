"""audiocraft and stable-audio-tools, really installed, with tiny random checkpoints."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio_chain import models, weights
from audio_chain.audio import Clip
from audio_chain.backends.environments import folder_of, install, python_of
from audio_chain.backends.recipes import recipe
from audio_chain.backends.tasks.standins import stand_in_for_xformers
from audio_chain.backends.worker import BackendError, Worker
from audio_chain.errors import UsageError
from audio_chain.generate import GenerationRequest
from audio_chain.generate.audiocraft import load_audiocraft
from audio_chain.generate.stable_audio_tools import load_stable_audio_tools
from audio_chain.generate.worked import WorkedGenerator, sampling_of
from audio_chain.models import ModelCard
from audio_chain.weights import Delegated, Shipped

TESTS = Path(__file__).parent

real = [pytest.mark.network, pytest.mark.slow]


def card_of(source: Any, family: str = "audiocraft") -> ModelCard:
    return ModelCard(
        name="tiny",
        stage="generate",
        family=family,
        title="tiny",
        parameters=0,
        licence="none",
        free=True,
        objective="nothing",
        source=source,
        description="",
        url="",
        size_mb=0,
    )


def ask(prompt: str = "slow sad piano", **changes: Any) -> GenerationRequest:
    settings: dict[str, Any] = {"prompts": (prompt,), "seconds": 0.5, "seeds": (3,), **changes}
    return GenerationRequest(**settings)


def samples(generator: WorkedGenerator, request: GenerationRequest) -> list[np.ndarray[Any, Any]]:
    return [clip.samples for clip in generator.generate(request)]


def test_only_settings_that_were_chosen_count_as_such() -> None:
    assert sampling_of(ask()) == {}
    assert sampling_of(ask(temperature=0.5, top_k=0)) == {"temperature": 0.5, "top_k": 0}
    assert sampling_of(ask(top_p=0.0, guidance=3.0, steps=4)) == {"guidance": 3.0, "steps": 4}


def test_without_the_backend_the_message_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIO_CHAIN_CACHE", str(tmp_path))
    with pytest.raises(BackendError, match="run `audio-chain backends install audiocraft`"):
        load_audiocraft(card_of(Delegated("audiocraft", "facebook/audiogen-medium")))
    with pytest.raises(BackendError, match="install stable-audio-tools`"):
        load_stable_audio_tools(card_of(Delegated("stable-audio-tools", str(tmp_path))))
    with pytest.raises(UsageError, match="is no model of audiocraft"):
        load_audiocraft(card_of(Shipped("musicgen-nano")))


@pytest.mark.parametrize("mask", ["none", "bias", "causal"])
def test_attention_in_the_place_of_xformers(mask: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against its definition; tensors are (batch, time, heads, channels)."""
    import torch

    for name in ("xformers", "xformers.ops"):
        monkeypatch.setitem(sys.modules, name, None)
    stand_in_for_xformers()
    ops = sys.modules["xformers.ops"]
    random = torch.Generator().manual_seed(0)
    query, key, value = torch.randn(3, 2, 6, 4, 8, generator=random).double()
    bias = torch.zeros(6, 6, dtype=torch.double)
    if mask == "bias":
        bias = torch.randn(2, 4, 6, 6, generator=random).double()
        bias[:, :, :, 4] = -torch.inf
    if mask == "causal":
        bias = torch.full((6, 6), -torch.inf, dtype=torch.double).triu(1)
    given = {"none": None, "bias": bias, "causal": ops.LowerTriangularMask()}[mask]
    scores = torch.einsum("bqhc,bkhc->bhqk", query, key) / 8**0.5 + bias
    expected = torch.einsum("bhqk,bkhc->bqhc", scores.softmax(-1), value)
    torch.testing.assert_close(ops.memory_efficient_attention(query, key, value, given), expected)


Write = Callable[..., Path]


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Write]:
    """Write a checkpoint in a backend's environment, which is installed first."""
    workers: dict[str, Worker] = {}
    log = tmp_path_factory.mktemp("log") / "log"

    def write_one(backend: str, task: str, **values: Any) -> Path:
        if backend not in workers:
            install(recipe(backend))
            python = python_of(folder_of(recipe(backend)))
            workers[backend] = Worker(
                backend, python, "worker_checkpoints", log=log, folders=(TESTS,)
            )
        folder = tmp_path_factory.mktemp(task)
        workers[backend].call(task, {"folder": str(folder), **values})
        return folder

    yield write_one
    for worker in workers.values():
        worker.close()


@pytest.fixture(scope="module", params=["musicgen", "audiogen", "magnet"])
def kind(request: pytest.FixtureRequest) -> str:
    """A kind of model that audiocraft has."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def audiocraft(kind: str, write: Write) -> Iterator[WorkedGenerator]:
    """One of that kind, tiny."""
    folder = write("audiocraft", "audiocraft", kind=kind)
    loaded = load_audiocraft(
        card_of(Delegated("audiocraft", str(folder))), device="cpu", offline=True
    )
    yield loaded
    loaded.close()


@pytest.fixture(scope="module", params=["v", "rectified_flow", "rf_denoiser"])
def diffusion(request: pytest.FixtureRequest, write: Write) -> Iterator[WorkedGenerator]:
    """A tiny diffusion model of each objective."""
    folder = write("stable-audio-tools", "stable-audio", objective=request.param)
    loaded = load_stable_audio_tools(
        card_of(Delegated("stable-audio-tools", str(folder))), device="cpu", offline=True
    )
    yield loaded
    loaded.close()


class TestAudiocraft:
    """MusicGen, AudioGen and MAGNeT from their own files."""

    pytestmark = real

    def test_makes_sound_of_the_length_that_is_asked(
        self, kind: str, audiocraft: WorkedGenerator
    ) -> None:
        assert audiocraft.rate == (16_000 if kind == "audiogen" else 32_000)
        assert audiocraft.max_seconds == (2 if kind == "magnet" else 600)
        seen: list[tuple[float, float]] = []
        request = ask(prompts=("slow sad piano", "loud drums"), seeds=(3, 4), seconds=0.7)
        clips = list(audiocraft.generate(request, progress=lambda *step: seen.append(step)))
        for clip in clips:
            assert (clip.rate, clip.channels) == (audiocraft.rate, 1)
            assert clip.frames == round(0.7 * audiocraft.rate)
            assert np.isfinite(clip.samples).all()
            assert clip.samples.std() > 0
        assert seen[-1][0] == seen[-1][1]
        assert seen == sorted(seen)

    def test_depends_on_seed_words_guidance_and_what_to_avoid(
        self, audiocraft: WorkedGenerator
    ) -> None:
        (sound,) = samples(audiocraft, ask())
        two = samples(audiocraft, ask(prompts=("loud drums", "slow sad piano"), seeds=(5, 3)))
        np.testing.assert_array_equal(sound, two[1])
        for other in (
            ask(seeds=(4,)),
            ask("loud drums"),
            ask(guidance=1.0),
            ask(temperature=0.3),
            ask(negative="loud drums"),
        ):
            assert not np.array_equal(sound, samples(audiocraft, other)[0])

    def test_longer_than_its_window(self, kind: str, audiocraft: WorkedGenerator) -> None:
        if kind == "magnet":
            with pytest.raises(UsageError, match="makes pieces of up to 2 s, not 3"):
                samples(audiocraft, ask(seconds=3.0))
        elif kind == "audiogen":  # a window of 10 s
            (sound,) = samples(audiocraft, ask(seconds=11.0))
            assert sound.shape == (1, 11 * 16_000)

    def test_what_is_not_its_checkpoint(self, write: Write, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"lacks state_dict\.bin"):
            load_audiocraft(card_of(Delegated("audiocraft", str(tmp_path))), device="cpu")

    def test_objects_in_a_checkpoint_are_never_made(self, write: Write) -> None:
        folder = write("audiocraft", "audiocraft", kind="musicgen", extra="object")
        with pytest.raises(BackendError, match="Python objects besides tensors"):
            load_audiocraft(card_of(Delegated("audiocraft", str(folder))), device="cpu")
        assert not (folder / "opened").exists()

    def test_offline_the_hub_is_not_asked(self, tmp_path: Path) -> None:
        source = Delegated("audiocraft", "facebook/audiogen-medium")
        with pytest.raises(BackendError, match=r"audiogen-medium is not in the hub's cache"):
            load_audiocraft(card_of(source), device="cpu", offline=True)


class TestStableAudioTools:
    """A diffusion model from a configuration and safetensors."""

    pytestmark = real

    def test_makes_sound_of_the_length_that_is_asked(self, diffusion: WorkedGenerator) -> None:
        assert (diffusion.rate, diffusion.max_seconds) == (16_000, 0.5)
        seen: list[tuple[float, float]] = []
        request = ask(seconds=0.3)
        (clip,) = diffusion.generate(request, progress=lambda *step: seen.append(step))
        assert (clip.rate, clip.channels, clip.frames) == (16_000, 1, 4800)
        assert np.isfinite(clip.samples).all()
        assert clip.samples.std() > 0
        assert seen[-1][0] == seen[-1][1]
        with pytest.raises(UsageError, match=r"up to 0\.5 s, not 1"):
            samples(diffusion, ask(seconds=1.0))

    def test_depends_on_seed_words_guidance_and_what_to_avoid(
        self, diffusion: WorkedGenerator
    ) -> None:
        (sound,) = samples(diffusion, ask())
        two = samples(diffusion, ask(prompts=("loud drums", "slow sad piano"), seeds=(5, 3)))
        np.testing.assert_array_equal(sound, two[1])
        for other in (
            ask(seeds=(4,)),
            ask("loud drums"),
            ask(guidance=2.5),
            ask(negative="loud drums"),
        ):
            assert not np.array_equal(sound, samples(diffusion, other)[0])

    def test_settings_of_a_diffusion_and_sound_to_vary(self, diffusion: WorkedGenerator) -> None:
        defaults = dict(diffusion.defaults)
        (sound,) = samples(diffusion, ask(steps=4))
        assert not np.array_equal(sound, samples(diffusion, ask(steps=5))[0])
        (told,) = samples(diffusion, ask(**{**defaults, "steps": 4}))
        np.testing.assert_array_equal(sound, told)
        with pytest.raises(UsageError, match="no sampler 'magic'; choose one of"):
            samples(diffusion, ask(sampler="magic"))
        clip = Clip(0.1 * np.ones((1, 8000), np.float32), 16_000)
        near, far = (
            samples(diffusion, ask(source=clip, strength=strength, steps=4))[0]
            for strength in (0.01, 0.9)
        )
        assert not np.array_equal(near, far)
        with pytest.raises(UsageError, match="not made to fill in parts"):
            samples(diffusion, ask(source=clip, inpaint=(0.1, 0.2), steps=4))

    def test_what_is_not_its_checkpoint(self, write: Write, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"lacks model_config\.json"):
            load_stable_audio_tools(
                card_of(Delegated("stable-audio-tools", str(tmp_path))), device="cpu"
            )
        (tmp_path / "model.safetensors").write_bytes(b"")
        (tmp_path / "model_config.json").write_text(
            '{"model_type": "autoencoder", "sample_rate": 8000, "sample_size": 8000}'
        )
        with pytest.raises(UsageError, match="of type 'autoencoder'"):
            load_stable_audio_tools(
                card_of(Delegated("stable-audio-tools", str(tmp_path))), device="cpu"
            )


@pytest.mark.network
@pytest.mark.slow
class TestProgram:
    """The whole program with a model of a backend."""

    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        install(recipe("audiocraft"))

    def test_generates_and_repeats(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        import cli

        command = ["generate", "a sad piano", "--model", "audiocraft:debug", "--device", "cpu"]
        more = ["--seconds", "1", "--seed", "3", "-o", str(tmp_path / "run")]
        assert cli.main([*command, *more]) == 0
        facts = json.loads((tmp_path / "run" / "run.json").read_text())
        assert "audiocraft" in json.dumps(facts)
        assert cli.main(["rerun", str(tmp_path / "run"), "-o", str(tmp_path / "again")]) == 0
        assert "identical" in capsys.readouterr().out


def test_models_of_backends_by_name(tmp_path: Path) -> None:
    card = models.resolve(f"audiocraft:{tmp_path}", "generate")
    assert (card.family, card.free) == ("audiocraft", True)
    assert card.source == Delegated("audiocraft", str(tmp_path))
    assert weights.is_cached(card.source)
    card = models.resolve("stable-audio-tools:stabilityai/stable-audio-open-small", "generate")
    assert (card.family, card.licence) == ("stable-audio-tools", "unknown")
    for name, said in {
        "audiocraft:nowhere": "there is no folder 'nowhere'",
        "frechet-audio-distance:org/x": "has no generate models",
    }.items():
        with pytest.raises(UsageError, match=said):
            models.resolve(name, "generate")
    with pytest.raises(UsageError, match="has no transcribe models"):
        models.resolve("audiocraft:org/x", "transcribe")
