"""The nano diffusion transformer and what it learns: v-prediction on a cosine path.

The transformer and the projection of its conditions are diffusers' `StableAudioDiTModel` and
`StableAudioProjectionModel` (Evans et al. 2024), called as its `StableAudioPipeline` calls them, so
that a checkpoint loads there. Latents x at a time t in (0, 1) become ``cos(t pi/2) x + sin(t pi/2)
n``, and the transformer is to tell ``v = cos(t pi/2) n - sin(t pi/2) x`` (Salimans and Ho 2022).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final, cast

import torch
from diffusers.models.embeddings import get_1d_rotary_pos_embed
from diffusers.models.transformers.stable_audio_transformer import StableAudioDiTModel
from diffusers.pipelines.stable_audio.modeling_stable_audio import StableAudioProjectionModel
from diffusers.schedulers.scheduling_cosine_dpmsolver_multistep import (
    CosineDPMSolverMultistepScheduler,
)
from torch import Tensor, nn

from audio_chain.errors import UsageError

HEAD: Final = 64
SECONDS: Final = 10
"""Length of the pieces that it is trained on, and the most that it makes at once."""

TIME_MEAN: Final = 0.5
TIME_SPREAD: Final = 1.25


def transformer(channels: int, frames: int, text_width: int, width: int, layers: int) -> Any:
    """Make an untrained `StableAudioDiTModel` for latents (channels, frames); it predicts zero."""
    model: Any = StableAudioDiTModel(
        sample_size=frames,
        in_channels=channels,
        out_channels=channels,
        num_layers=layers,
        attention_head_dim=HEAD,
        num_attention_heads=width // HEAD,
        num_key_value_attention_heads=width // HEAD // 2,
        cross_attention_dim=width,
        cross_attention_input_dim=text_width,
        global_states_input_dim=2 * text_width,
    )
    for last in (model.preprocess_conv, model.postprocess_conv, model.proj_out):
        nn.init.zeros_(last.weight)
    return model


def projection(text_width: int) -> Any:
    """Make an untrained `StableAudioProjectionModel`, which leaves text states as they are."""
    return StableAudioProjectionModel(text_width, text_width, 0, SECONDS)


def scheduler() -> Any:
    """A `CosineDPMSolverMultistepScheduler` with the noise levels to sample with."""
    return CosineDPMSolverMultistepScheduler(
        sigma_min=0.05, sigma_max=80.0, sigma_data=1.0, prediction_type="v_prediction"
    )


class ConditionedTransformer(nn.Module):
    """The transformer and its projection, trained together."""

    cosines: Tensor
    sines: Tensor

    def __init__(self, body: Any, conditions: Any) -> None:
        super().__init__()
        self.transformer = body
        self.projection_model = conditions
        positions = 1 + body.config.sample_size  # the first is that of time and seconds
        rotary = get_1d_rotary_pos_embed(
            HEAD // 2, positions, use_real=True, repeat_interleave_real=False
        )
        for name, part in zip(("cosines", "sines"), rotary, strict=True):
            self.register_buffer(name, part, persistent=False)

    def forward(
        self, noisy: Tensor, time: Tensor, states: Tensor, kept: Tensor, seconds: Tensor
    ) -> Tensor:
        """Tell v, (batch, channels, frames).

        Parameters
        ----------
        noisy : Tensor
            (batch, channels, frames).
        time : Tensor
            (batch,), in (0, 1).
        states : Tensor
            Token states (batch, words, text_width), zero where there is no word.
        kept : Tensor
            (batch,), 0 where the caption is dropped: all that is cross-attended to is zero then, as
            in the pipeline's unconditional half.
        seconds : Tensor
            (batch, 2), where in its piece the clip starts and ends.
        """
        parts = self.projection_model(states, seconds[:, 0], seconds[:, 1])
        start, end = parts.seconds_start_hidden_states, parts.seconds_end_hidden_states
        crossed = torch.cat([parts.text_hidden_states, start, end], 1) * kept[:, None, None]
        length = 1 + noisy.shape[-1]
        output = self.transformer(
            noisy,
            time,
            encoder_hidden_states=crossed,
            global_hidden_states=torch.cat([start, end], 2),
            rotary_embedding=(self.cosines[:length], self.sines[:length]),
            return_dict=False,
        )
        return cast(Tensor, output[0])


def load_exported(model: ConditionedTransformer, folder: Path) -> None:
    """Give a model the weights that `training.export` wrote to a folder.

    Raises
    ------
    UsageError
        The folder has none, or they are of another shape.
    """
    kinds = {"transformer": StableAudioDiTModel, "projection_model": StableAudioProjectionModel}
    for name, kind in kinds.items():
        wanted = getattr(model, name)
        try:
            found = kind.from_pretrained(folder / name, torch_dtype=torch.float32)
            wanted.load_state_dict(found.state_dict())
        except (OSError, RuntimeError) as error:
            raise UsageError(
                f"{folder} doesn't hold an exported pipeline of this shape ({name})"
            ) from error


def draw_times(uniform: Tensor) -> Tensor:
    """Times to train at: normal in the logit (Esser et al. 2024), leaning towards noise.

    Parameters
    ----------
    uniform : Tensor
        (batch,) in (0, 1).
    """
    return torch.sigmoid(TIME_MEAN + TIME_SPREAD * torch.special.ndtri(uniform))


def spread(batch: int, device: torch.device | str) -> Tensor:
    """Uniform numbers (batch,) in (0, 1), one in each of as many equal parts: less chance."""
    return (torch.arange(batch, device=device) + torch.rand(batch, device=device)) / batch


def losses(
    model: nn.Module,
    latents: Tensor,
    noise: Tensor,
    time: Tensor,
    states: Tensor,
    kept: Tensor,
    seconds: Tensor,
) -> Tensor:
    """Mean squared error of v, (batch,)."""
    angle = (time * math.pi / 2)[:, None, None]
    noisy = angle.cos() * latents + angle.sin() * noise
    target = angle.cos() * noise - angle.sin() * latents
    told: Tensor = model(noisy, time, states, kept, seconds)
    return (told.float() - target).square().mean((1, 2))
