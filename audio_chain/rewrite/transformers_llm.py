"""Rewriting with an instruct model through transformers, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from audio_chain.brief import Brief
from audio_chain.devices import pick
from audio_chain.errors import ChainError, UsageError
from audio_chain.progress import Progress, silent
from audio_chain.rewrite.assemble import assemble
from audio_chain.rewrite.checkpoint import open_checkpoint
from audio_chain.rewrite.constraint import SchemaConstraint
from audio_chain.rewrite.decoding import Decoded, decode
from audio_chain.rewrite.prefix import fixed_prefix
from audio_chain.rewrite.prompt import PromptEncoder
from audio_chain.rewrite.schema import Answer, answer_schema, parse_answer
from prompts import rewriter_prompt

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SMALL: Final = 500_000_000
"""Parameters up to which float32 is used on a CPU.

There a small model is bound by the overhead of its many operations and float32 runs no slower;
above it the bytes of the weights count, and bfloat16 has half of them.
"""


class TransformersRewriter:
    """A causal language model that answers in the brief's schema.

    Parameters
    ----------
    name : str
        As the user knows it.
    model : PreTrainedModel
    tokenizer : PreTrainedTokenizerBase
    prompt : str
        Name of a prompt in `prompts`: ``tuned`` or ``few-shot``.

    Attributes
    ----------
    last : Decoded or None
        How the latest answer was decoded, for measurements.
    """

    def __init__(
        self,
        name: str,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        prompt: str,
    ) -> None:
        self.name = name
        self.last: Decoded | None = None
        self._model = model
        self._encoder = PromptEncoder(tokenizer, rewriter_prompt(prompt))
        width = model.get_output_embeddings().weight.shape[0]
        self._constraint = SchemaConstraint(tokenizer, answer_schema(), width)
        self._prefix = fixed_prefix(model, self._encoder.prefix)

    def answer(self, text: str, *, progress: Progress = silent) -> Answer:
        """The model's own answer to a transcript, before stated facts overrule it."""
        continuation = self._encoder.continuation(text)
        self.last = decode(
            self._model,
            self._constraint,
            self._encoder.prefix,
            continuation,
            computed=self._prefix,
            progress=progress,
        )
        return parse_answer(self.last.text)

    def rewrite(self, text: str, *, seconds: float, progress: Progress = silent) -> Brief:
        """Turn a transcript into a brief; see `audio_chain.rewrite.Rewriter`."""
        if not text.strip():
            raise UsageError("there is no text to make music from: the memo is empty")
        return assemble(self.answer(text, progress=progress), text, seconds)


def load(name: str, where: Path, prompt: str, device: str) -> TransformersRewriter:
    """Open a folder or a GGUF file as a rewriter.

    Parameters
    ----------
    name : str
        For messages and records.
    where : Path
        A transformers folder or a ``.gguf`` file.
    prompt : str
        ``tuned`` or ``few-shot``.
    device : str
        ``auto``, ``cpu``, ``cuda``, ``mps`` ...

    Returns
    -------
    TransformersRewriter

    Raises
    ------
    ChainError
        If it isn't a causal language model that transformers can open.
    """
    import torch

    target = torch.device(pick(device))
    try:
        options: dict[str, Any] = {"local_files_only": True}
        model, tokenizer = open_checkpoint(where, dtype=torch.bfloat16, **options)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise ChainError(f"cannot open the language model {name} ({where}): {reason}") from error
    if target.type == "cpu" and model.num_parameters() <= SMALL:
        model = model.float()
    torch.nn.Module.to(model, target)
    return TransformersRewriter(name, model, tokenizer, prompt)
