"""The nano MusicGen decoder as it is trained: on whole pieces at once.

It is transformers' `MusicgenForCausalLM` with the delay pattern of MusicGen (Copet et al. 2023).
Text comes as the token states of a frozen sentence encoder, through one trained projection.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import MusicgenForCausalLM
from transformers.models.musicgen.configuration_musicgen import MusicgenDecoderConfig

from audio_chain.errors import UsageError
from audio_chain.weights.mapped import MappedTensors


def decoder_config(codebook_size: int, codebooks: int) -> MusicgenDecoderConfig:
    """Shape of the nano decoder, 13 million parameters."""
    return MusicgenDecoderConfig(
        vocab_size=codebook_size,
        num_codebooks=codebooks,
        hidden_size=320,
        num_hidden_layers=8,
        num_attention_heads=5,
        ffn_dim=768,
        max_position_embeddings=2048,
        dropout=0.0,
        pad_token_id=codebook_size,
        bos_token_id=codebook_size,
        audio_channels=1,
        attn_implementation="sdpa",  # type: ignore[call-arg]
    )


class ConditionedDecoder(nn.Module):
    """The decoder and the projection of text states to its width."""

    def __init__(self, config: MusicgenDecoderConfig, text_width: int) -> None:
        super().__init__()
        self.decoder = MusicgenForCausalLM(config)
        self.enc_to_dec_proj = nn.Linear(text_width, config.hidden_size)
        # transformers' own output_hidden_states would break torch.compile's graph at every layer
        half = self.decoder.model.decoder.layers[config.num_hidden_layers // 2 - 1]
        half.register_forward_hook(self._keep)

    def _keep(self, layer: nn.Module, given: object, states: Tensor | tuple[Tensor, ...]) -> None:
        self._middle = states[0] if isinstance(states, tuple) else states

    def forward(
        self, tokens: Tensor, text: Tensor, mask: Tensor, kept: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logits (batch, codebooks, frames, codebook_size), and what the middle layer thinks.

        The latter, (batch, frames, hidden_size), are the states that leave its first half.

        Parameters
        ----------
        tokens : Tensor
            (batch, codebooks, frames), delayed.
        text, mask : Tensor
            Token states (batch, words, text_width) and which of them are words (batch, words).
        kept : Tensor
            (batch,), 0 where the caption is dropped. A dropped caption is all zeros, as in
            `MusicgenForConditionalGeneration`'s unconditional half.
        """
        batch, books, frames = tokens.shape
        states = self.enc_to_dec_proj(text) * (mask * kept[:, None])[..., None]
        output = self.decoder(
            input_ids=tokens.reshape(batch * books, frames),
            encoder_hidden_states=states,
            encoder_attention_mask=mask,
            use_cache=False,
        )
        logits: Tensor = output.logits
        return logits.view(batch, books, frames, -1), self._middle


@torch.no_grad()
def text_states(encoder: nn.Module, words: Tensor) -> tuple[Tensor, Tensor]:
    """States (batch, words, width) of the frozen encoder, and the mask of real words."""
    mask = (words != 0).long()
    return encoder(input_ids=words.long(), attention_mask=mask).last_hidden_state, mask


def load_exported(model: ConditionedDecoder, folder: Path) -> None:
    """Give a model the weights that `training.export` wrote to a folder.

    Raises
    ------
    UsageError
        The folder has none, or they are of another shape.
    """
    tensors = MappedTensors(folder)
    wanted = {name: value.shape for name, value in model.state_dict().items()}
    if {name: value.shape for name, value in tensors.items()} != wanted:
        raise UsageError(f"{folder} doesn't hold an exported decoder of this shape")
    model.load_state_dict(tensors)


def delayed(codes: Tensor, pad: int) -> Tensor:
    """Delay pattern: codebook k of (batch, books, frames) starts k + 1 frames late."""
    batch, books, frames = codes.shape
    tokens = codes.new_full((batch, books, frames + books), pad)
    for book in range(books):
        tokens[:, book, book + 1 : book + 1 + frames] = codes[:, book]
    return tokens


def surprise(
    model: ConditionedDecoder,
    codes: Tensor,
    text: Tensor,
    mask: Tensor,
    kept: Tensor,
    begin: Tensor,
    pad: int,
) -> tuple[Tensor, Tensor]:
    """Cross-entropy in nats of each code, (batch, codebooks, frames).

    With it come the middle layer's states at each frame, (batch, frames, hidden_size). They have
    heard the frames before.

    `codes` before a piece's frame in `begin`, (batch,), are not shown to the model: it reads there
    what it reads before any piece.
    """
    _, books, frames = codes.shape
    unseen = torch.arange(frames, device=codes.device) < begin[:, None]
    seen = codes.long().masked_fill(unseen[:, None], pad)
    logits, middle = model(delayed(seen, pad)[..., :-1], text, mask, kept)
    targets = delayed(codes.long(), pad)[..., 1:]
    by_column = F.cross_entropy(
        logits.flatten(0, 2).float(), targets.flatten(), ignore_index=pad, reduction="none"
    ).view(targets.shape)
    nats = [by_column[:, book, book : book + frames] for book in range(books)]
    return torch.stack(nats, 1), middle[:, :frames]
