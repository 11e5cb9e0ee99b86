"""Cards of the models that make music or judge it, and of their codecs."""

from __future__ import annotations

from typing import Final

from audio_chain.models.card import ModelCard
from audio_chain.models.files import DIFFUSERS_FILES, TRANSFORMERS_FILES
from audio_chain.weights import Hub, Shipped


def _musicgen(
    size: str, revision: str, parameters: int, size_mb: int, limits: str = ""
) -> ModelCard:
    """Card of one of Meta's MusicGen checkpoints."""
    name = f"facebook/musicgen-{size}"
    stereo = "stereo" in size
    melody = "melody" in size
    return ModelCard(
        name=name,
        stage="generate",
        family="musicgen",
        title=f"MusicGen {size}",
        parameters=parameters,
        licence="CC-BY-NC-4.0",
        free=False,
        objective=(
            "predict the next frame of EnCodec's "
            f"{'2 x 4' if stereo else '4'} codebooks in a delay pattern, given T5's text states"
            f"{' and a chromagram' if melody else ''}, on 20,000 hours of licensed music"
        ),
        source=Hub(name, revision, TRANSFORMERS_FILES, name=name),
        description=f"{'Stereo' if stereo else 'Mono'} instrumental music from a description"
        f"{' and a melody' if melody else ''}, up to 30 s.",
        url=f"https://huggingface.co/{name}",
        size_mb=size_mb,
        rate=32_000,
        limits="no voices; English descriptions; Western styles do best" + limits,
        aliases=(f"musicgen-{size}",),
    )


MUSIC_CARDS: Final = (
    ModelCard(
        name="spectral-codec-nano",
        stage="codec",
        family="spectral-codec",
        title="Spectral codec, 32 kHz mono at 50 frames a second",
        parameters=9_279_971,
        licence="Apache-2.0",
        free=True,
        objective=(
            "give back the spectrum of music through residual codebooks of 1024, on audio "
            "rendered by this project's data factory"
        ),
        source=Shipped("spectral-codec-nano"),
        description="Music to codebook indices and back; it keeps pitch.",
        url="",
        size_mb=19,
        rate=32_000,
        limits="mono; trained on rendered instruments only, so voices and noise suffer",
    ),
    ModelCard(
        name="musicgen-nano",
        stage="generate",
        family="musicgen-nano",
        title="MusicGen-nano",
        parameters=13_247_680,
        licence="Apache-2.0",
        free=True,
        objective=(
            "predict the next frame of the spectral codec's 4 codebooks in a delay pattern, given "
            "MiniLM's token states, on captioned audio rendered by this project's data factory"
        ),
        source=Shipped("musicgen-nano"),
        description="Short instrumental pieces from a description, faster than they play on a CPU.",
        url="",
        size_mb=27,
        rate=32_000,
        needs=("spectral-codec-nano", "minilm"),
        limits="mono; sounds like the soundfont that it learnt from; no voices",
    ),
    ModelCard(
        name="stable-audio-nano",
        stage="generate",
        family="stable-audio-nano",
        title="Stable-Audio-nano",
        parameters=8_414_720,
        licence="Apache-2.0",
        free=True,
        objective=(
            "predict the velocity of a diffusion over the spectral autoencoder's latents, given "
            "MiniLM's token states and timing, on captioned audio rendered by this project's data "
            "factory"
        ),
        source=Shipped("stable-audio-nano"),
        description="Short instrumental pieces by diffusion: also variations of a recording, and "
        "parts of it made anew.",
        url="",
        size_mb=17,
        rate=32_000,
        needs=("spectral-codec-nano", "minilm"),
        limits="mono, up to 10 s; keeps genre and instruments, but seldom the tempo; sounds like "
        "the soundfont that it learnt from; no voices",
    ),
    ModelCard(
        name="clap-nano",
        stage="embed",
        family="clap-nano",
        title="CLAP-nano",
        parameters=3_367_274,
        licence="Apache-2.0",
        free=True,
        objective=(
            "tell a clip's caption from others (contrastive), and name its genre and instruments, "
            "on captioned audio rendered by this project's data factory"
        ),
        source=Shipped("clap-nano"),
        description="How well a clip fits a text, and what is heard in it.",
        url="",
        size_mb=7,
        rate=32_000,
        needs=("minilm",),
        limits="judges music like the data factory's; knows its genres and instruments only",
    ),
    _musicgen("small", "4c8334b02c6ec4e8664a91979669a501ec497792", 587_584_834, 2365),
    # main has pickles only; this is the hub's own conversion, and its full commit isn't known
    _musicgen("medium", "refs/pr/10", 2_005_951_298, 8043),
    # likewise, and here the commit is known
    _musicgen("large", "037a9f5a2a8a44bd6eaa38b1171f6fdfb1b0b1a9", 3_424_170_306, 13_723),
    _musicgen("melody", "68d653a95788ec0d2b0abccab22c0b3a200c2d90", 1_552_838_978, 6233),
    _musicgen("melody-large", "6fdf8d3d815995108c9bdb5183414ff464b171ac", 2_618_693_954, 10_506),
    _musicgen("stereo-small", "3a110c0092820d470372c880c5ea06ce21a78ddd", 604_366_146, 1223),
    _musicgen("stereo-medium", "2747e613fbaadc43b14257224326ef58c5c11b81", 2_031_123_266, 4073),
    _musicgen("stereo-large", "bda8ec330c9c17e09728589eaf678f58f7d2d932", 3_457_732_930, 6923),
    _musicgen("stereo-melody", "022c3bd20a7d77e7c014082f0391bcbcd3940a7a", 1_578_010_946, 6333),
    _musicgen(
        "stereo-melody-large", "eea14861e6c29c47aea1055982a217468cd1634d", 2_652_256_578, 10_641
    ),
    ModelCard(
        name="stabilityai/stable-audio-open-1.0",
        stage="generate",
        family="stable-audio",
        title="Stable Audio Open 1.0",
        parameters=1_322_000_000,
        licence="Stability AI Community License",
        free=False,
        objective=(
            "predict the velocity of a diffusion over an autoencoder's latents, given T5's text "
            "states and timing, on 7,300 hours of Freesound and the Free Music Archive"
        ),
        source=Hub(
            "stabilityai/stable-audio-open-1.0",
            "f21265c1e2710b3bd2386596943f0007f55f802e",
            DIFFUSERS_FILES,
            name="stabilityai/stable-audio-open-1.0",
        ),
        description="Stereo music, loops and sound effects at 44.1 kHz, up to 47 s.",
        url="https://huggingface.co/stabilityai/stable-audio-open-1.0",
        size_mb=5300,
        rate=44_100,
        limits="no realistic voices; better at sounds than at songs; English; "
        "a short track takes as long as one of 47 s",
        gated=True,
        aliases=("stable-audio-open-1.0", "stable-audio-open"),
    ),
)
"""The shipped ones first, then those of the hub."""
