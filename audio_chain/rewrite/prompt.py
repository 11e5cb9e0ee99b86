"""The prompt as tokens: a fixed part to be computed once, and the memo's part.

The transcript is data. It goes into the user's message between delimiters, shortened, and
stripped of the characters that chat control tokens are written with.
"""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING, Any, Final

from audio_chain.vocabulary import GENRES, MOODS, TEMPOS
from prompts import RewriterPrompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MAX_CHARACTERS: Final = 1500
"""Longer transcripts keep their beginning and their end, where people say what they want."""

_NOT_SPEECH: Final = str.maketrans(dict.fromkeys("<>|{}[]\\`", " "))
_GAP: Final = " ... "
_MEMO_MARK: Final = "MEMO-GOES-HERE"


def memo_text(transcript: str, limit: int = MAX_CHARACTERS) -> str:
    """Make a transcript safe and short enough to be quoted in a prompt.

    Every chat format writes its control tokens with brackets or bars (``<|im_end|>``, ``[INST]``,
    ``<start_of_turn>``), and no speech recogniser does, so those characters become spaces.

    Parameters
    ----------
    transcript : str
        What the person said.
    limit : int
        Most characters to keep.

    Returns
    -------
    str
        One line, at most `limit` characters.
    """
    printable = "".join(
        " " if unicodedata.category(char)[0] in "CZ" else char
        for char in transcript.translate(_NOT_SPEECH)
    )
    words = " ".join(printable.split())
    if len(words) <= limit:
        return words
    half = (limit - len(_GAP)) // 2
    return words[:half].rstrip() + _GAP + words[-half:].lstrip()


def messages(prompt: RewriterPrompt, memo: str) -> list[dict[str, str]]:
    """Chat messages that ask for the answer to one memo (already through `memo_text`)."""
    system = prompt.system.format(
        genres=", ".join(GENRES), moods=", ".join(MOODS), tempos=", ".join(TEMPOS)
    )
    chat = [{"role": "system", "content": system}]
    for example in prompt.examples:
        answer = json.dumps(example.answer, separators=(",", ":"))
        chat.append({"role": "user", "content": prompt.user.format(memo=example.memo)})
        chat.append({"role": "assistant", "content": answer})
    chat.append({"role": "user", "content": prompt.user.format(memo=memo)})
    return chat


class PromptEncoder:
    """Turns memos into token ids for one tokenizer and one prompt.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
    prompt : RewriterPrompt

    Attributes
    ----------
    prefix : list of int
        Tokens before the memo, the same for every memo.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, prompt: RewriterPrompt) -> None:
        self._tokenizer = tokenizer
        before, _, after = _chat_text(tokenizer, messages(prompt, _MEMO_MARK)).partition(_MEMO_MARK)
        self.prefix = self._encode(before)
        self._after = self._encode(after)
        self._control = frozenset(tokenizer.added_tokens_decoder)

    def continuation(self, transcript: str) -> list[int]:
        """Tokens that follow `prefix`: the memo, and the start of the model's turn."""
        memo = self._encode(memo_text(transcript))
        return [token for token in memo if token not in self._control] + self._after

    def _encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False))


def _chat_text(tokenizer: PreTrainedTokenizerBase, chat: list[dict[str, str]]) -> str:
    """The conversation in the model's own chat format, up to where its answer starts."""
    from jinja2.exceptions import TemplateError

    if tokenizer.chat_template is None:
        turns = [message["content"] for message in chat]
        return "\n\n".join(turns) + "\n\n"
    options: dict[str, Any] = {"tokenize": False, "add_generation_prompt": True}
    options["enable_thinking"] = False  # read by the templates of models that think aloud
    try:
        text = tokenizer.apply_chat_template(chat, **options)
    except TemplateError:  # some formats have no system role: put it before the first user turn
        first = {"role": "user", "content": f"{chat[0]['content']}\n\n{chat[1]['content']}"}
        text = tokenizer.apply_chat_template([first, *chat[2:]], **options)
    return str(text)
