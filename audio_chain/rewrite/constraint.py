"""The answer's schema as a constraint on the next token, by llguidance.

The grammar knows at each point which tokens may follow, and often which must: most of the JSON
around the model's few choices is forced.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from audio_chain.errors import ChainError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase


class SchemaConstraint:
    """Follows one answer after another through a JSON schema.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        A fast one: its vocabulary is read from the tokenizers library.
    schema : dict
        JSON schema; the answer is compact JSON with the keys in the schema's order.
    vocabulary : int
        Width of the model's logits; it can exceed the tokenizer's vocabulary.

    Raises
    ------
    ChainError
        If the tokenizer isn't a fast one.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, schema: dict[str, Any], vocabulary: int
    ) -> None:
        import llguidance.hf
        from transformers import PreTrainedTokenizerFast

        if not isinstance(tokenizer, PreTrainedTokenizerFast):
            raise ChainError(
                "the language model has no fast tokenizer (tokenizer.json), which constrained "
                "decoding needs: choose another with --llm"
            )
        grammar = llguidance.LLMatcher.grammar_from_json_schema(
            json.dumps(schema), overrides={"whitespace_flexible": False}
        )
        self._tokens = llguidance.hf.from_tokenizer(tokenizer, n_vocab=vocabulary)
        self._matcher = llguidance.LLMatcher(self._tokens, grammar)
        self._check()

    def restart(self) -> None:
        """Begin a new answer."""
        self._matcher.reset()

    @property
    def finished(self) -> bool:
        """Whether the answer is complete, so that nothing but the end may follow."""
        return bool(self._matcher.is_stopped())

    def forced(self) -> list[int]:
        """Tokens that must come next; they count as taken. Empty where there is a choice."""
        tokens: list[int] = self._matcher.compute_ff_tokens()
        for token in tokens:
            self.take(token)
        return tokens

    def take(self, token: int) -> None:
        """Go on with a token that `allowed` allows."""
        self._matcher.consume_token(token)
        self._check()

    def allowed(self) -> torch.Tensor:
        """Which tokens may come next.

        Returns
        -------
        torch.Tensor
            Bool, shape (vocabulary,), on the CPU.
        """
        import torch

        # one byte a token: 0 for forbidden, 200 for allowed
        bias = torch.frombuffer(bytearray(self._matcher.compute_logit_bias()), dtype=torch.uint8)
        self._check()
        return bias > 0

    def text(self, tokens: list[int]) -> str:
        """The text of an answer's tokens, byte for byte."""
        return str(self._tokens.decode_str(tokens))

    def _check(self) -> None:
        if self._matcher.is_error():
            raise ChainError(f"constrained decoding failed: {self._matcher.get_error()}")
