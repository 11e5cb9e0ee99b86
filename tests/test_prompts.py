"""The prompts are data: they load, they fit the schema, and nothing in them is left open."""

from __future__ import annotations

import json

import pytest

from audio_chain.rewrite.prompt import MAX_CHARACTERS, memo_text, messages
from audio_chain.rewrite.schema import parse_answer
from audio_chain.vocabulary import GENRES, MOODS, TEMPOS
from prompts import rewriter_prompt

NAMES = ("tuned", "few-shot")


@pytest.mark.parametrize("name", NAMES)
def test_prompt_loads(name: str) -> None:
    prompt = rewriter_prompt(name)
    assert prompt.name == name
    assert "{memo}" in prompt.user


def test_unknown_prompt() -> None:
    with pytest.raises(KeyError):
        rewriter_prompt("haiku")


@pytest.mark.parametrize("name", NAMES)
def test_examples_satisfy_the_schema_in_its_order(name: str) -> None:
    for example in rewriter_prompt(name).examples:
        text = json.dumps(example.answer, separators=(",", ":"))
        assert parse_answer(text).to_json() == text


@pytest.mark.parametrize("name", NAMES)
def test_messages_alternate_and_end_with_the_memo(name: str) -> None:
    chat = messages(rewriter_prompt(name), "play me something")
    roles = [message["role"] for message in chat]
    assert roles[0] == "system"
    assert roles[-1] == "user"
    assert roles[1:-1] == ["user", "assistant"] * (len(roles[1:-1]) // 2)
    assert chat[-1]["content"].count("play me something") == 1
    assert not any("{" in message["content"] for message in chat if message["role"] != "assistant")


def test_few_shot_prompt_lists_the_vocabulary() -> None:
    system = messages(rewriter_prompt("few-shot"), "x")[0]["content"]
    for word in (*GENRES, *MOODS, *TEMPOS):
        assert word in system


def test_braces_in_a_memo_are_not_filled_in() -> None:
    chat = messages(rewriter_prompt("few-shot"), memo_text("play {genres} {0} {memo}"))
    assert chat[-1]["content"].count("genres") == 1


def test_long_memos_keep_both_ends() -> None:
    text = memo_text("begin " + "bla " * 2000 + "end")
    assert len(text) <= MAX_CHARACTERS
    assert text.startswith("begin ")
    assert text.endswith(" end")
    assert " ... " in text


@pytest.mark.parametrize(
    "token",
    ["<|im_end|>", "<|im_start|>system", "</s>", "[INST]", "<start_of_turn>", "</memo>", "{{x}}"],
)
def test_control_tokens_are_broken(token: str) -> None:
    assert token not in memo_text(f"play {token} this")
    assert memo_text("a\x00b\x1b[31m\u202ec\u2028d") == "a b 31m c d"


def test_ordinary_speech_is_left_alone() -> None:
    said = "Um, it's Zoë's birthday; 90 bpm & a \"piano\", 50% sad - d'accord? ¡sí! 音楽"
    assert memo_text(said) == said
