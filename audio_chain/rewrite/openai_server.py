"""Rewriting with a model behind an OpenAI-compatible server (llama.cpp, Ollama, vLLM, LM Studio).

Only the server that the user names is ever spoken to. The schema is sent along, and the answer is
checked here all the same: not every server keeps to it.
"""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Final

from audio_chain.brief import Brief
from audio_chain.errors import ChainError, UsageError
from audio_chain.progress import Progress, silent
from audio_chain.rewrite.assemble import assemble
from audio_chain.rewrite.prompt import memo_text, messages
from audio_chain.rewrite.schema import Answer, AnswerError, answer_schema, parse_answer
from prompts import rewriter_prompt

TIMEOUT_SECONDS: Final = 120.0
MAX_REPLY_BYTES: Final = 1_000_000
MAX_TOKENS: Final = 400
KEY_VARIABLE: Final = "AUDIO_CHAIN_LLM_KEY"
"""Environment variable with the server's API key, if it wants one."""

_ATTEMPTS: Final = 2


class ServerError(ChainError):
    """The server can't be reached, refuses, or answers nonsense."""


class ServerRewriter:
    """A chat model served at a URL.

    Parameters
    ----------
    url : str
        Base of the API, such as ``http://localhost:11434/v1``.
    model : str
        The server's name for the model.
    timeout : float
        Seconds to wait for the server at any point.

    Raises
    ------
    UsageError
        If the URL isn't an http one with a host.
    """

    def __init__(self, url: str, model: str, *, timeout: float = TIMEOUT_SECONDS) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or not model:
            raise UsageError(f"--llm {url}#{model}: expected http://host:port/v1#model")
        self.name = f"{url}#{model}"
        self._endpoint = url.rstrip("/") + "/chat/completions"
        self._model = model
        self._timeout = timeout
        # the environment's proxies are for the internet, not for the server the user named
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects())

    def answer(self, text: str) -> Answer:
        """The model's own answer to a transcript, before stated facts overrule it."""
        for attempt in range(_ATTEMPTS):
            try:
                return parse_answer(self._ask(text, seed=attempt))
            except AnswerError as error:
                failure = error
        raise ServerError(f"{self.name}: {failure}; does this server support json_schema?")

    def rewrite(self, text: str, *, seconds: float, progress: Progress = silent) -> Brief:
        """Turn a transcript into a brief; see `audio_chain.rewrite.Rewriter`."""
        if not text.strip():
            raise UsageError("there is no text to make music from: the memo is empty")
        progress(0, 1)
        brief = assemble(self.answer(text), text, seconds)
        progress(1, 1)
        return brief

    def _ask(self, text: str, *, seed: int) -> str:
        body = {
            "model": self._model,
            "messages": messages(rewriter_prompt("few-shot"), memo_text(text)),
            "temperature": 0,
            "seed": seed,
            "max_tokens": MAX_TOKENS,
            "stream": False,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "brief", "strict": True, "schema": answer_schema()},
            },
        }
        reply = self._post(json.dumps(body).encode())
        try:
            content = json.loads(reply)["choices"][0]["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError):
            raise ServerError(
                f"{self._endpoint} answered something that is not a chat completion: "
                f"{reply[:80]!r}; is the URL the one ending in /v1?"
            ) from None
        if not isinstance(content, str):
            raise AnswerError("the model answered nothing")
        return content

    def _post(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key := os.environ.get(KEY_VARIABLE):
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(self._endpoint, body, headers)
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                reply: bytes = response.read(MAX_REPLY_BYTES + 1)
        except urllib.error.HTTPError as error:
            raise ServerError(
                f"{self._endpoint} refused: {error.code} {error.reason}{_detail(error)}"
            ) from None
        except TimeoutError:
            raise self._slow() from None
        except urllib.error.URLError as error:
            if isinstance(error.reason, TimeoutError):
                raise self._slow() from None
            raise ServerError(
                f"cannot reach the language model at {self._endpoint} ({error.reason}): "
                "is the server running?"
            ) from None
        except (http.client.HTTPException, OSError) as error:
            raise ServerError(f"{self._endpoint} broke off: {error or type(error)}") from None
        if len(reply) > MAX_REPLY_BYTES:
            raise ServerError(f"{self._endpoint} answered more than {MAX_REPLY_BYTES} bytes")
        return reply

    def _slow(self) -> ServerError:
        return ServerError(f"{self._endpoint} did not answer within {self._timeout:g} s")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The memo goes to the server the user named, nowhere else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _detail(error: urllib.error.HTTPError) -> str:
    """The server's own explanation, if it gives a readable one."""
    try:
        message = json.loads(error.read(10_000))["error"]
        text = message["message"] if isinstance(message, dict) else message
    except (ValueError, KeyError, TypeError, OSError):
        return ""
    return f" ({' '.join(str(text).split())[:200]})"
