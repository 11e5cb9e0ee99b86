"""Stable Audio 3 and ACE-Step through diffusers' pipelines, on tiny random weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    AceStepConditionEncoder,
    AceStepPipeline,
    AceStepTransformer1DModel,
    AutoencoderOobleck,
    AutoencoderSAME,
    FlowMatchEulerDiscreteScheduler,
    StableAudio3DiTModel,
    StableAudio3DurationEmbedder,
    StableAudio3Pipeline,
)
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers import models as tokenizer_models
from transformers import (
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3Model,
    T5GemmaConfig,
    T5GemmaEncoderModel,
    T5GemmaModuleConfig,
)

from audio_chain import models
from audio_chain.audio import Clip
from audio_chain.errors import UsageError
from audio_chain.generate import GenerationRequest, load_generator
from audio_chain.generate.pipelines import PipelineGenerator

RATE = 8000

FAMILIES = ("stable-audio-3", "ace-step")


def tokenizer() -> PreTrainedTokenizerFast:
    known = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "sad", "piano", "fast"])}
    words = Tokenizer(tokenizer_models.WordLevel(known, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]", model_max_length=16
    )


def loud(model: Any) -> Any:
    """The same model with noise where it begins at zero, so that everything is heard."""
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return model.eval()


def stable_audio_3() -> StableAudio3Pipeline:
    sizes = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 8,
        "vocab_size": 32,
    }
    module = T5GemmaModuleConfig(**sizes)
    return StableAudio3Pipeline(
        vae=loud(
            AutoencoderSAME(
                patch_size=16,
                encoder_channels=8,
                encoder_c_mults=[2],
                encoder_strides=[4],
                encoder_transformer_depths=[1],
                latent_dim=8,
                dim_heads=8,
                sampling_rate=RATE,
            )
        ),
        text_encoder=T5GemmaEncoderModel(
            T5GemmaConfig(encoder=module, decoder=module, is_encoder_decoder=False)
        ),
        tokenizer=tokenizer(),
        duration_embedder=StableAudio3DurationEmbedder(output_dim=16, fourier_dim=8, max_val=2.0),
        transformer=loud(
            StableAudio3DiTModel(
                io_channels=8,
                embed_dim=32,
                depth=1,
                num_heads=2,
                cond_token_dim=16,
                global_cond_dim=16,
                local_add_cond_dim=9,
                timestep_features_dim=8,
                num_memory_tokens=2,
            )
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(stochastic_sampling=True),
    )


def ace_step() -> AceStepPipeline:
    sizes = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 8,
    }
    return AceStepPipeline(
        vae=AutoencoderOobleck(
            encoder_hidden_size=16,
            downsampling_ratios=[4, 8, 8],
            channel_multiples=[1, 2, 2],
            decoder_channels=8,
            decoder_input_channels=8,
            sampling_rate=RATE,
        ),
        text_encoder=Qwen3Model(Qwen3Config(**sizes, vocab_size=32, num_hidden_layers=1)),
        tokenizer=tokenizer(),
        transformer=loud(
            AceStepTransformer1DModel(
                **sizes, num_hidden_layers=1, in_channels=24, audio_acoustic_hidden_dim=8
            )
        ),
        condition_encoder=loud(
            AceStepConditionEncoder(
                **sizes,
                text_hidden_dim=16,
                timbre_hidden_dim=8,
                num_lyric_encoder_hidden_layers=1,
                num_timbre_encoder_hidden_layers=1,
            )
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1),
    )


@pytest.fixture(scope="module", params=FAMILIES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp(request.param) / "pipeline"
    {"stable-audio-3": stable_audio_3, "ace-step": ace_step}[request.param]().save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def generator(folder: Path) -> PipelineGenerator:
    generator = load_generator(models.resolve(str(folder), "generate"), device="cpu")
    assert isinstance(generator, PipelineGenerator)
    return generator


def made(generator: PipelineGenerator, *prompts: str, **more: Any) -> list[np.ndarray]:
    more = {"seconds": 0.5, "seeds": tuple(range(1, 1 + len(prompts))), "steps": 3, **more}
    return [clip.samples for clip in generator.generate(GenerationRequest(prompts, **more))]


def test_length_progress_and_what_a_piece_depends_on(generator: PipelineGenerator) -> None:
    assert generator.rate == RATE
    seen: list[tuple[float, float]] = []
    request = GenerationRequest(("sad piano", "fast"), 0.5, (3, 4), steps=3, lengths=(0.5, 0.3))
    clips = list(generator.generate(request, progress=lambda *step: seen.append(step)))
    assert [clip.samples.shape for clip in clips] == [(2, 4000), (2, 2400)]
    assert seen == [(done, 6) for done in range(1, 7)]
    (alone,) = made(generator, "fast", seeds=(4,), seconds=0.3)
    np.testing.assert_array_equal(clips[1].samples, alone)
    for other in ({"seeds": (5,)}, {"steps": 4}):
        assert not np.array_equal(alone, made(generator, "fast", seconds=0.3, **other)[0])
    assert not np.array_equal(alone, made(generator, "sad piano", seeds=(4,), seconds=0.3)[0])


def test_a_part_made_anew(generator: PipelineGenerator) -> None:
    clip = Clip(0.3 * np.random.default_rng(0).standard_normal((1, 4000)).astype("f"), RATE)
    (sound,) = made(generator, "sad", source=clip, inpaint=(0.2, 0.3))
    (other,) = made(generator, "fast", source=clip, inpaint=(0.2, 0.3))
    assert sound.shape == (2, 4000)
    assert not np.allclose(sound[:, 1700:2300], other[:, 1700:2300])
    if generator.family == "stable-audio-3":  # ACE-Step sets its level anew
        np.testing.assert_allclose(sound[:, :1600], other[:, :1600])
        np.testing.assert_allclose(sound[:, 2400:], other[:, 2400:])
        (varied,) = made(generator, "sad", source=clip, strength=0.5)
        assert not np.array_equal(varied, made(generator, "sad", source=clip)[0])
    (longer,) = made(generator, "sad", beginning=clip.cropped(0.0, 0.25))
    assert longer.shape == (2, 4000)


def test_refuses_what_it_cannot(generator: PipelineGenerator) -> None:
    clip = Clip(np.ones((1, 4000), np.float32), RATE)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"sampler": "euler"}, "can't use --sampler"),
        ({"seconds": 1000.0}, "makes pieces of up to"),
        ({"beginning": clip}, "is 0.5 s long already"),
    ]
    if generator.family == "stable-audio-3":
        cases.append(({"source": clip, "guidance": 3.0}, "can't use --guidance with a recording"))
    else:
        cases.append(({"source": clip}, "can't use --variation-of without --inpaint"))
    for more, said in cases:
        with pytest.raises(UsageError, match=said):
            made(generator, "sad", **more)


def test_code_of_a_checkpoint_is_not_run(folder: Path, tmp_path: Path) -> None:
    mine = shutil.copytree(folder, tmp_path / "mine")
    index = json.loads((mine / "model_index.json").read_text())
    index["transformer"] = ["evil", "Evil"]
    (mine / "model_index.json").write_text(json.dumps(index))
    (mine / "evil.py").write_text("raise SystemExit('ran')")
    with pytest.raises(UsageError, match="the transformer is code of the checkpoint's own"):
        load_generator(models.resolve(str(mine), "generate"), device="cpu")
