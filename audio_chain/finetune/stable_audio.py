"""Stable Audio, large and nano, as a `Trainee`: diffusers' own transformer, so that peft fits it.

It learns what its scheduler says it was trained to tell: the velocity of Salimans and Ho (2022), or
that of rectified flow. The levels of noise that it learns at are those that sampling passes
through, spread over the scheduler's own schedule, since a network is asked nowhere else.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from audio_chain import devices, models
from audio_chain.clip import Clip
from audio_chain.finetune.adapting import unadapted
from audio_chain.finetune.precision import kept_in, mixed
from audio_chain.finetune.trainee import Piece
from audio_chain.generate.stable_audio.conditions import Conditions, read_conditions
from audio_chain.generate.stable_audio.editing import sound
from audio_chain.generate.stable_audio.generator import load_parts
from audio_chain.generate.stable_audio.noise import noise
from audio_chain.generate.stable_audio.samplers import sampler_of
from audio_chain.generate.stable_audio.sampling import sample
from audio_chain.lora.choosing import weights_digest
from audio_chain.progress import Progress, silent

if TYPE_CHECKING:
    from audio_chain.generate.stable_audio.autoencoders import Autoencoder
    from audio_chain.generate.stable_audio.checkpoint import Parts
    from audio_chain.models import ModelCard

ATTENTION: Final = ("to_q", "to_k", "to_v", "to_out.0")
TARGETS: Final = {"all": (*ATTENTION, "ff.net.0.proj", "ff.net.2"), "attention": ATTENTION}
"""Layers of the transformer's blocks, those that read the words among them."""

LOOKS: Final = 4
"""Levels of noise that a piece is validated at, always the same: a quarter of the schedule each."""

_KEPT: Final = 31
"""Tensors of the transformer's width that a block keeps for going back, counted on diffusers'."""

_BETWEEN: Final = 1.2
"""Those between two blocks, where the rest is computed again: the states, and the words'."""

_BACK: Final = 12
"""Those that there are at once on the way back through a block."""


class LatentCoder:
    """An autoencoder as a `Coder`: latents float16 (channels, frames).

    Parameters
    ----------
    name : str
        Identifies the autoencoder's weights.
    autoencoder : Autoencoder
    device : torch.device
        Of its weights.
    window : int
        Frames that every piece is filled up to with silence; 0 for none, and then what is left of
        a piece after its last whole frame is left out.
    """

    def __init__(
        self, name: str, autoencoder: Autoencoder, device: torch.device, window: int = 0
    ) -> None:
        self.name = f"{name}-{window}" if window else name
        self.rate, self.channels = autoencoder.rate, autoencoder.channels
        self._autoencoder, self._device, self._window = autoencoder, device, window

    def encode(self, clip: Clip) -> Tensor:
        """Latents of a clip of its rate and channels, on the CPU."""
        hop = self._autoencoder.hop
        frames = self._window or max(1, clip.frames // hop)
        samples = torch.from_numpy(clip.samples.copy())[None, :, : frames * hop]
        filled = F.pad(samples, (0, frames * hop - samples.shape[-1]))
        return _kept(self._autoencoder.encode(filled.to(self._device))[0])

    def decode(self, codes: Tensor) -> Clip:
        """What is left of a clip."""
        return Clip(sound(self._autoencoder, codes.float().to(self._device)), self.rate)


@dataclass(frozen=True, eq=False)
class _Look:
    """A piece at a level of noise."""

    piece: Piece
    level: float
    noise: Tensor

    @property
    def clean(self) -> Tensor:
        return self.piece.codes.float()


class StableAudioTrainee:
    """A Stable Audio to fine-tune; see `audio_chain.finetune.trainee.Trainee`.

    Parameters
    ----------
    card : ModelCard
    parts : Parts
        Its transformer is the network, which must not have been made ready to sample from.
    coder_name : str
        Identifies the autoencoder's weights.
    """

    targets = TARGETS

    def __init__(self, card: ModelCard, parts: Parts, coder_name: str) -> None:
        from diffusers.models.embeddings import get_1d_rotary_pos_embed

        self.card = card
        self.network = parts.transformer.requires_grad_(False).eval()
        self._parts = parts
        self._config = config = parts.transformer.config
        self._weight: Tensor = parts.transformer.proj_in.weight
        autoencoder = parts.autoencoder
        window = 0 if parts.any_length else config.sample_size
        self.coder = LatentCoder(coder_name, autoencoder, self.network.device, window)
        self._frame_rate = autoencoder.rate / autoencoder.hop
        self.most_seconds = config.sample_size / self._frame_rate
        self._turns = get_1d_rotary_pos_embed(
            config.attention_head_dim // 2,
            config.sample_size + 1,  # timing goes before the frames
            use_real=True,
            repeat_interleave_real=False,
        )
        self._told = lru_cache(1024)(self._read)

    def loss(self, pieces: Sequence[Piece], kept: Tensor) -> Tensor:
        """Mean squared error of what the network tells, over what the pieces hold.

        While the network learns, levels and noise are drawn. Else they are a piece's own, so that
        losses can be compared.
        """
        looks = self._looks(pieces)
        told, heard = self._answers(looks, kept)
        path = self._parts.path
        wanted = [path.target(look.clean, look.noise, look.level) for look in looks]
        return (told - _padded(wanted).to(told)).square().mean(1)[heard].mean()

    def drift(self, pieces: Sequence[Piece], kept: Tensor) -> Tensor:
        """Mean square of how far what the adapted network tells is from what the base tells."""
        looks = self._looks(pieces)
        with torch.no_grad(), unadapted(self.network):
            before, _ = self._answers(looks, kept)
        after, heard = self._answers(looks, kept)
        return (after - before).square().mean(1)[heard].mean()

    def use_checkpointing(self) -> None:
        """Keep fewer activations and compute them again on the way back."""
        self.network.enable_gradient_checkpointing()

    def footprint(self, frames: int, batch: int, *, checkpointing: bool) -> int:
        """Bytes that the activations of a step take, about."""
        config = self._config
        item = 2 if self.network.device.type == "cuda" else 4
        width = config.num_attention_heads * config.attention_head_dim
        state = item * batch * (frames + 1) * width
        kept = state * config.num_layers * (_BETWEEN if checkpointing else _KEPT)
        return int(kept + state * (_BACK + checkpointing * _KEPT))

    @torch.no_grad()
    def compose(self, prompts: Sequence[str], seconds: float, seed: int) -> list[Tensor]:
        """Latents of pieces that the network plays as it is, before an adapter is put into it."""
        seeds = range(seed * 1_000_003, seed * 1_000_003 + len(prompts))
        found = [
            self._sampled(prompt, seconds, chance)
            for prompt, chance in zip(prompts, seeds, strict=True)
        ]
        return [_kept(latents) for latents in found]

    @torch.no_grad()
    def play(self, prompt: str, seconds: float, seed: int) -> Clip:
        """A sample of what the network plays now."""
        was_training = self.network.training
        self.network.eval()
        latents = self._sampled(prompt, seconds, seed)
        self.network.train(was_training)
        return self.coder.decode(latents).cropped(0.0, seconds)

    def _sampled(self, prompt: str, seconds: float, seed: int) -> Tensor:
        """Latents of a piece, sampled as the checkpoint says, (channels, frames)."""
        parts, device = self._parts, self.network.device
        guides = parts.guidance != 1
        told = read_conditions(parts.reader, parts.projection, prompt, end=seconds, guides=guides)

        def network(latents: Tensor, time: float, guidance: float) -> Tensor:
            rows = latents.expand(len(told.states), -1, -1)
            times = torch.full((len(rows),), time, device=device)
            away, *wanted = self._forward(rows, times, told.states, told.timing)[:, None]
            return away + guidance * (wanted[0] - away) if wanted else cast(Tensor, away)

        frames = self._config.sample_size
        if parts.any_length:
            frames = min(frames, max(1, math.ceil(round(seconds * self._frame_rate, 6))))
        return sample(
            network,
            parts.path,
            sampler_of(parts.sampler),
            parts.path.levels(parts.steps),
            (seed,),
            (self._config.in_channels, frames),
            guidance=parts.guidance,
            device=device,
        )[0]

    def _looks(self, pieces: Sequence[Piece]) -> list[_Look]:
        return list(self._drawn(pieces) if self.network.training else self._fixed(pieces))

    def _drawn(self, pieces: Sequence[Piece]) -> Iterator[_Look]:
        """Each piece at a level of its own: one in each of as many equal parts of the schedule."""
        ways = (torch.randperm(len(pieces)) + torch.rand(len(pieces))) / len(pieces)
        for piece, way in zip(pieces, ways.tolist(), strict=True):
            level = self._parts.path.level(way)
            yield _Look(piece, level, torch.randn(piece.codes.shape))

    def _fixed(self, pieces: Sequence[Piece]) -> Iterator[_Look]:
        """Each piece at `LOOKS` levels, by a chance that hangs on the piece alone."""
        for piece in pieces:
            name = f"{piece.file} {piece.begin_s!r}".encode("utf-8", "surrogateescape")
            seed = int.from_bytes(hashlib.sha256(name).digest()[:8])
            drawn = torch.rand(LOOKS, generator=torch.Generator().manual_seed(seed)).tolist()
            for look, chance in enumerate(drawn):
                level = self._parts.path.level((look + chance) / LOOKS)
                yield _Look(piece, level, noise(seed, look, piece.codes.shape))

    def _answers(self, looks: Sequence[_Look], kept: Tensor) -> tuple[Tensor, Tensor]:
        """What the network tells of each look, (looks, channels, frames), and where sound is."""
        path, device = self._parts.path, self.network.device
        noisy = [
            path.scale(look.level) * (path.keep(look.level) * look.clean + look.level * look.noise)
            for look in looks
        ]
        heard = _padded([torch.ones(each.shape[1], dtype=torch.bool) for each in noisy])
        times = torch.tensor([path.time(look.level) for look in looks], device=device)
        told = [self._told(look.piece.caption, look.piece.seconds) for look in looks]
        states = torch.cat([each.states for each in told])
        keeps = kept.repeat_interleave(len(looks) // len(kept)).to(states)
        answers = self._forward(
            _padded(noisy).to(device),
            times,
            states * keeps[:, None, None],
            torch.cat([each.timing for each in told]),
            None if heard.all() else heard.to(device),
        )
        return answers, heard.to(device)

    def _read(self, caption: str, seconds: float) -> Conditions:
        """What is told of a piece, in tensors that gradients can pass by."""
        parts = self._parts
        told = read_conditions(parts.reader, parts.projection, caption, end=seconds, guides=False)
        return Conditions(told.states.clone(), told.timing.clone())

    def _forward(
        self,
        noisy: Tensor,
        times: Tensor,
        states: Tensor,
        timing: Tensor,
        heard: Tensor | None = None,
    ) -> Tensor:
        """What the network tells of (rows, channels, frames), filled up where not `heard`."""
        turns = [table[: noisy.shape[-1] + 1].to(noisy.device) for table in self._turns]
        with mixed(self._weight):
            told = self.network(
                noisy,
                times,
                encoder_hidden_states=states,
                global_hidden_states=timing,
                rotary_embedding=turns,
                attention_mask=heard,
                return_dict=False,
            )[0]
        return cast(Tensor, told.float())


def _kept(latents: Tensor) -> Tensor:
    """Latents as a coder gives them."""
    return latents.half().cpu().clone(memory_format=torch.contiguous_format)


def _padded(rows: Sequence[Tensor]) -> Tensor:
    """Rows (..., frames) in one tensor, filled up with zeros."""
    longest = max(row.shape[-1] for row in rows)
    return torch.stack([F.pad(row, (0, longest - row.shape[-1])) for row in rows])


def load_trainee(
    card: ModelCard, *, device: str = "auto", offline: bool = False, progress: Progress = silent
) -> StableAudioTrainee:
    """Load a checkpoint in diffusers' format, whole or nano."""
    where = torch.device(devices.pick(device))
    parts = load_parts(card, where, kept_in(where), offline=offline, progress=progress)
    coded_by = [card]
    if card.family == "stable-audio-nano":
        coded_by.append(models.CATALOGUE["spectral-codec-nano"])
    digests = [weights_digest(one)[:12] for one in coded_by]
    return StableAudioTrainee(card, parts, "-".join(["latents", *digests]))
