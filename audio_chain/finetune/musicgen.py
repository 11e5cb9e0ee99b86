"""MusicGen, large and nano, as a `Trainee`: transformers' own classes, so that peft fits them."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor

from audio_chain import devices, models
from audio_chain.clip import Clip
from audio_chain.errors import UsageError
from audio_chain.finetune.adapting import unadapted
from audio_chain.finetune.precision import kept_in, mixed
from audio_chain.finetune.trainee import Piece
from audio_chain.generate.musicgen.checkpoint import (
    DIGIT_BY_DIGIT,
    LONGEST_TEXT,
    NANO_TEXT,
    is_whole,
)
from audio_chain.generate.musicgen.codec_blocks import encode
from audio_chain.generate.musicgen.decoder import Decoder, DecoderShape
from audio_chain.generate.musicgen.decoding import decode
from audio_chain.generate.musicgen.delay import delays
from audio_chain.generate.musicgen.matrices import choose
from audio_chain.generate.musicgen.sampling import Sampling
from audio_chain.lora.choosing import weights_digest
from audio_chain.nano.digits import spaced
from audio_chain.progress import Progress, silent
from audio_chain.weights.mapped import MappedTensors

if TYPE_CHECKING:
    from pathlib import Path

    from audio_chain.models import ModelCard

IGNORED: Final = -100

ATTENTION: Final = ("q_proj", "k_proj", "v_proj", "out_proj")
TARGETS: Final = {"all": (*ATTENTION, "fc1", "fc2"), "attention": ATTENTION}
"""Layers of the decoder; text encoders and codecs have none of these names."""

_WIDE, _NARROW = 24, 7
"""Tensors of the decoder's width, and of its feed-forward's, that a layer keeps for going back."""


class MusicgenCoder:
    """The codec of a MusicGen: codes int16 (codebooks, frames), a stereo model's interleaved."""

    def __init__(self, name: str, codec: Any, channels: int) -> None:
        self.name = name
        self.rate: int = codec.config.sampling_rate
        self.channels = channels
        self._codec = codec

    def encode(self, clip: Clip) -> Tensor:
        """Codes of a clip of its rate and channels, on the CPU."""
        sound = torch.from_numpy(clip.samples.copy()).to(self._codec.device)
        sides = [encode(self._codec, side) for side in sound]
        return torch.stack(sides, 1).flatten(0, 1).short().cpu()

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Clip:
        """What is left of a clip."""
        tokens = codes.long().to(self._codec.device)
        sides = [
            self._codec.decode(tokens[side :: self.channels][None, None], [None]).audio_values[0]
            for side in range(self.channels)
        ]
        return Clip(torch.cat(sides).float().cpu().numpy(), self.rate)


class MusicgenTrainee:
    """A MusicGen to fine-tune; see `audio_chain.finetune.trainee.Trainee`.

    Parameters
    ----------
    card : ModelCard
    model : object
        transformers' `MusicgenForConditionalGeneration`.
    tokenizer : object
        Of its text encoder.
    coder_name : str
        Identifies the codec's weights.
    words : int
        Tokens of a caption that are read.
    digit_by_digit : bool
        Whether numbers are said to the model with their digits parted.
    """

    targets = TARGETS

    def __init__(
        self,
        card: ModelCard,
        model: Any,
        tokenizer: Any,
        coder_name: str,
        *,
        words: int = LONGEST_TEXT,
        digit_by_digit: bool = False,
    ) -> None:
        config = model.config.decoder
        self.card = card
        self.network = model.requires_grad_(False).eval()
        self.coder = MusicgenCoder(coder_name, model.audio_encoder, config.audio_channels)
        self._tokenizer = tokenizer
        self._most_words = min(words, tokenizer.model_max_length)
        self._said: Callable[[str], str] = spaced if digit_by_digit else str
        self._config = config
        self._lags = delays(config.num_codebooks, config.audio_channels)
        self._frame_rate: int = model.audio_encoder.config.frame_rate
        limit = model.generation_config.max_length or config.max_position_embeddings
        self.most_seconds = limit / self._frame_rate
        self._states = lru_cache(4096)(self._read)

    def loss(self, pieces: Sequence[Piece], kept: Tensor) -> Tensor:
        """Mean cross-entropy of the codebooks, in nats, over what the pieces hold."""
        return self.losses(pieces, kept).mean()

    def losses(self, pieces: Sequence[Piece], kept: Tensor) -> Tensor:
        """Cross-entropy of each codebook in nats, (codebooks,).

        The delay pattern is that of MusicGen (Copet et al. 2023): codebook k begins ``lags[k]``
        steps late. A dropped caption is all zeros, as in transformers' unconditional half.
        """
        tokens = self._tokens(pieces)
        logits = self._logits(tokens, pieces, kept)
        pad = self._config.pad_token_id
        wanted = tokens[..., 1:].masked_fill(tokens[..., 1:] == pad, IGNORED)
        return torch.stack(
            [
                F.cross_entropy(logits[:, book].flatten(0, 1).float(), wanted[:, book].flatten())
                for book in range(tokens.shape[1])
            ]
        )

    def drift(self, pieces: Sequence[Piece], kept: Tensor) -> Tensor:
        """Mean Kullback-Leibler divergence of the adapted network's answers from the base's.

        Both are asked with the same dropout, so that it is zero before anything is learnt.
        """
        tokens = self._tokens(pieces)
        device = self.network.device
        chance = torch.random.fork_rng([device] if device.type == "cuda" else [])
        with torch.no_grad(), unadapted(self.network), chance:
            before = self._logits(tokens, pieces, kept)
        after = self._logits(tokens, pieces, kept)
        heard = tokens[..., 1:] != self._config.pad_token_id
        apart = [
            F.kl_div(
                after[:, book][heard[:, book]].float().log_softmax(-1),
                before[:, book][heard[:, book]].float().log_softmax(-1),
                reduction="batchmean",
                log_target=True,
            )
            for book in range(tokens.shape[1])
        ]
        return torch.stack(apart).mean()

    def _tokens(self, pieces: Sequence[Piece]) -> Tensor:
        codes = [piece.codes.long() for piece in pieces]
        return delayed(codes, self._lags, self._config.pad_token_id).to(self.network.device)

    def _logits(self, tokens: Tensor, pieces: Sequence[Piece], kept: Tensor) -> Tensor:
        """What follows each column but the last, (pieces, codebooks, columns - 1, tokens)."""
        batch, books, columns = tokens.shape
        text, mask = self._texts([piece.caption for piece in pieces])
        heard = (mask * kept.to(mask)[:, None])[..., None]
        with self._half():
            states = self.network.enc_to_dec_proj(text) if self._projects else text
            logits: Tensor = self.network.decoder(
                input_ids=tokens[..., :-1].reshape(batch * books, columns - 1),
                encoder_hidden_states=states * heard,
                encoder_attention_mask=mask,
                use_cache=False,
            ).logits
        return logits.view(batch, books, columns - 1, -1)

    def use_checkpointing(self) -> None:
        """Keep fewer activations and compute them again on the way back."""
        self.network.decoder.gradient_checkpointing_enable({"use_reentrant": False})

    def footprint(self, frames: int, batch: int, *, checkpointing: bool) -> int:
        """Bytes that the activations of a step take, about."""
        config = self._config
        item = 2 if self.network.device.type == "cuda" else 4
        cells = batch * (frames + max(self._lags))
        layer = item * cells * (_WIDE * config.hidden_size + _NARROW * config.ffn_dim)
        kept = item * cells * config.hidden_size
        layers = layer + kept * config.num_hidden_layers
        if not checkpointing:
            layers = layer * config.num_hidden_layers
        # logits, their float32 copy, what comes back through both, and the base model's answer
        heads = cells * config.num_codebooks * config.vocab_size * (3 * item + 8)
        return int(layers + heads)

    @torch.no_grad()
    def compose(self, prompts: Sequence[str], seconds: float, seed: int) -> list[Tensor]:
        """Codes of pieces that the network plays as it is, before an adapter is put into it."""
        device = self.network.device
        precision = choose("auto", device)
        weights = self.network.decoder.state_dict()
        decoder = Decoder(DecoderShape.of(self._config), weights, device, precision)
        text, mask = self._texts(prompts)
        with self._half():
            states = self.network.enc_to_dec_proj(text) if self._projects else text
        states = (states * mask[..., None]).to(decoder.dtype)
        frames = round(seconds * self._frame_rate)
        seeds = tuple(seed * 1_000_003 + number for number in range(len(prompts)))
        codes = decode(decoder, states, mask.bool(), frames, seeds, Sampling())
        found = list(codes.short().cpu())
        del decoder
        gc.collect()  # a loop that is captured holds itself, and the decoder with it
        return found

    @torch.no_grad()
    def play(self, prompt: str, seconds: float, seed: int) -> Clip:
        """A sample of what the network plays now."""
        words = self._words(prompt)
        torch.manual_seed(seed)
        was_training = self.network.training
        self.network.eval()
        with self._half():
            sound = self.network.generate(
                input_ids=words["input_ids"],
                attention_mask=words["attention_mask"],
                do_sample=True,
                guidance_scale=3.0,
                top_k=250,
                max_new_tokens=round(seconds * self._frame_rate) + max(self._lags),
            )
        self.network.train(was_training)
        return Clip(sound[0].float().cpu().numpy(), self.coder.rate)

    @property
    def _projects(self) -> bool:
        return hasattr(self.network, "enc_to_dec_proj")

    def _read(self, caption: str) -> Tensor:
        """States of a caption's words, (words, width of the text encoder)."""
        words = self._words(caption)
        encoder = self.network.text_encoder.eval()  # without dropout, whatever the rest does
        with torch.no_grad():
            states: Tensor = encoder(
                input_ids=words["input_ids"], attention_mask=words["attention_mask"]
            ).last_hidden_state[0]
        return states

    def _words(self, caption: str) -> Any:
        return self._tokenizer(
            [self._said(caption)],
            truncation=True,
            max_length=self._most_words,
            return_tensors="pt",
        ).to(self.network.device)

    def _half(self) -> torch.autocast:
        return mixed(self.network.decoder.lm_heads[0].weight)

    def _texts(self, captions: Sequence[str]) -> tuple[Tensor, Tensor]:
        """States (captions, words, width), zero where a caption has ended, and the mask."""
        states = [self._states(caption) for caption in captions]
        mask = [torch.ones(len(state), dtype=torch.long, device=state.device) for state in states]
        pad = torch.nn.utils.rnn.pad_sequence
        return pad(states, batch_first=True), pad(mask, batch_first=True)


def delayed(codes: Sequence[Tensor], lags: Sequence[int], pad: int) -> Tensor:
    """Pieces of codes in the delay pattern, after a column of `pad`, padded to one length.

    Parameters
    ----------
    codes : sequence of Tensor
        (codebooks, frames) each.
    lags : sequence of int
        Columns by which each codebook is late.
    pad : int
        What stands where a codebook has nothing.

    Returns
    -------
    Tensor
        (pieces, codebooks, 1 + longest + largest lag).
    """
    longest = max(piece.shape[-1] for piece in codes)
    tokens = torch.full((len(codes), len(lags), 1 + longest + max(lags)), pad)
    for row, piece in enumerate(codes):
        for book, lag in enumerate(lags):
            tokens[row, book, 1 + lag : 1 + lag + piece.shape[-1]] = piece[book]
    return tokens


def load_trainee(
    card: ModelCard, *, device: str = "auto", offline: bool = False, progress: Progress = silent
) -> MusicgenTrainee:
    """Load a MusicGen in transformers' class, whole or nano."""
    where = torch.device(devices.pick(device))
    folders = models.folders(card, offline=offline, progress=progress)
    folder = folders[card.name]
    reading: dict[str, Any] = {}
    if is_whole(folder):
        model, tokenizer = _whole(card, folder)
        coder_name = f"encodec-{weights_digest(card)[:16]}"
    else:
        codec = models.CATALOGUE["spectral-codec-nano"]
        shared = models.folders(models.CATALOGUE["musicgen-nano"], offline=offline)
        model, tokenizer = assembled(folder, shared["minilm"], shared[codec.name])
        coder_name = f"{codec.name}-{weights_digest(codec)[:16]}"
        limits = json.loads((folder / "generation_config.json").read_text())
        reading = {"words": NANO_TEXT, "digit_by_digit": limits.get(DIGIT_BY_DIGIT, False)}
    model.decoder.to(kept_in(where))
    return MusicgenTrainee(card, model.to(where), tokenizer, coder_name, **reading)


def _whole(card: ModelCard, folder: Path) -> tuple[Any, Any]:
    from transformers import AutoConfig, AutoTokenizer, MusicgenForConditionalGeneration

    if AutoConfig.from_pretrained(folder).model_type != "musicgen":
        raise UsageError(f"{card.name} reads melodies: only models of words alone can be tuned")
    model = MusicgenForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    return model, AutoTokenizer.from_pretrained(folder)


def assembled(folder: Path, text: Path, codec: Path) -> tuple[Any, Any]:
    """The nano model in transformers' `MusicgenForConditionalGeneration`, and its tokenizer."""
    from transformers import (
        AutoConfig,
        AutoModel,
        AutoTokenizer,
        MusicgenForCausalLM,
        MusicgenForConditionalGeneration,
    )

    from audio_chain.nano.codec import SpectralCodecModel

    config = AutoConfig.from_pretrained(folder)
    model = MusicgenForConditionalGeneration(
        config,
        text_encoder=AutoModel.from_pretrained(text, dtype=torch.float32),
        audio_encoder=SpectralCodecModel.from_pretrained(codec, dtype=torch.float32),
        decoder=MusicgenForCausalLM(config.decoder),
    )
    model.load_state_dict({k: v.float() for k, v in MappedTensors(folder).items()}, strict=False)
    limits = model.generation_config
    for field in ("decoder_start_token_id", "pad_token_id", "bos_token_id"):
        setattr(limits, field, config.decoder.pad_token_id)
    limits.max_length = json.loads((folder / "generation_config.json").read_text())["max_length"]
    return model, AutoTokenizer.from_pretrained(text)
