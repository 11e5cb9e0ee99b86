"""Cards of the models that others publish to embed sound with, for evaluation."""

from __future__ import annotations

from typing import Final

from audio_chain.models.card import ModelCard
from audio_chain.models.files import TRANSFORMERS_FILES
from audio_chain.weights import Hub


def _laion_clap(subject: str, alias: str, revision: str, limits: str) -> ModelCard:
    """Card of one of LAION's larger CLAPs."""
    name = f"laion/larger_clap_{subject}"
    return ModelCard(
        name=name,
        stage="embed",
        family="laion-clap",
        title=f"LAION-CLAP, larger, {subject}",
        parameters=193_913_882,
        licence="Apache-2.0",
        free=True,
        objective="tell a clip's caption from others (contrastive), HTSAT-base against RoBERTa",
        source=Hub(name, revision, TRANSFORMERS_FILES, name=name),
        description="How well real music or sound fits a text, and an embedding for FAD.",
        url=f"https://huggingface.co/{name}",
        size_mb=776,
        rate=48_000,
        limits=limits,
        aliases=(alias,),
    )


EMBEDDING_CARDS: Final = (
    # the hub's own conversion of a repository that has a pickle only; its commit isn't known
    _laion_clap("music", "clap-music", "refs/pr/1", "English captions; music"),
    # likewise, and here the commit is known
    _laion_clap(
        "general",
        "clap-general",
        "16c8cc3159a3c8a31e8ff5ef1f66b0d9ab3667db",
        "English captions",
    ),
    ModelCard(
        name="facebook/encodec_24khz",
        stage="embed",
        family="encodec",
        title="EnCodec, 24 kHz mono",
        parameters=23_273_218,
        licence="unknown",
        free=False,
        objective="give back sound through residual codebooks, on speech, noise and music",
        source=Hub(
            "facebook/encodec_24khz",
            "c1dbe2ae3f1de713481a3b3e7c47f357092ee040",
            TRANSFORMERS_FILES,
            name="facebook/encodec_24khz",
        ),
        description="75 embeddings a second of how it sounds, for FAD; knows no meanings.",
        url="https://huggingface.co/facebook/encodec_24khz",
        size_mb=93,
        rate=24_000,
        aliases=("encodec",),
    ),
    ModelCard(
        name="m-a-p/MERT-v1-95M",
        stage="embed",
        family="mert",
        title="MERT-v1-95M",
        parameters=94_371_712,
        licence="CC-BY-NC-4.0",
        free=False,
        objective=(
            "predict EnCodec's codes and the constant-Q spectrum of masked music, on 20,000 hours"
        ),
        source=Hub(
            "m-a-p/MERT-v1-95M",
            "refs/pr/3",  # the hub's own conversion; its full commit isn't known
            TRANSFORMERS_FILES,
            name="m-a-p/MERT-v1-95M",
        ),
        description="75 embeddings a second of what is played, for FAD.",
        url="https://huggingface.co/m-a-p/MERT-v1-95M",
        size_mb=378,
        rate=24_000,
        limits="run as the HuBERT that it is: its own code is not executed",
        aliases=("mert",),
    ),
    ModelCard(
        name="nicofarr/panns_Cnn14",
        stage="embed",
        family="panns",
        title="PANNs CNN14, 32 kHz",
        parameters=80_753_615,
        licence="CC-BY-4.0",
        free=True,
        objective="name the sounds of AudioSet's 527 classes, on 5,000 hours",
        source=Hub(
            "nicofarr/panns_Cnn14",
            "main",  # its commits aren't known
            TRANSFORMERS_FILES,
            name="nicofarr/panns_Cnn14",
        ),
        description="One embedding for 10 s of any sound, for FAD.",
        url="https://huggingface.co/nicofarr/panns_Cnn14",
        size_mb=327,
        rate=32_000,
        limits="2048 dimensions: FAD wants more windows than that",
        aliases=("panns",),
    ),
)
"""CLAPs first. VGGish is not among them: nobody publishes it as safetensors."""
