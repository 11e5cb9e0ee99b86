"""The picture and the page of a run: right, self-contained, and deaf to what is written in them."""

from __future__ import annotations

import base64
import hashlib
import io
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from audio_chain import Run
from audio_chain.audio import Clip, decode, encode
from audio_chain.manifest import Record, TrackRecord
from audio_chain.page import MAX_EMBEDDED_BYTES, render_page
from audio_chain.picture import FLOOR_DB, PLOT, colours, draw, mel_spectrogram
from audio_chain.spectrum import hz_to_mel, mel_filters, mel_to_hz

RATE = 32_000


def tone(frequency: float, seconds: float = 1.0, rate: int = RATE) -> Clip:
    time = np.arange(round(seconds * rate)) / rate
    return Clip((0.5 * np.sin(2 * np.pi * frequency * time))[None].astype(np.float32), rate)


# --- the picture ------------------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "n_fft"), [(32_000, 2048), (44_100, 2048), (8_000, 512)])
def test_mel_filters_are_those_of_transformers(rate: int, n_fft: int) -> None:
    from transformers.audio_utils import mel_filter_bank

    theirs = mel_filter_bank(n_fft // 2 + 1, 80, 0.0, rate / 2, rate, "slaney", "slaney")
    np.testing.assert_allclose(mel_filters(rate, n_fft, 80), theirs.T, atol=1e-12)


@given(st.floats(0.0, 48_000.0))
def test_mels_and_hertz(frequency: float) -> None:
    assert mel_to_hz(hz_to_mel(frequency)) == pytest.approx(frequency, abs=1e-6)


@pytest.mark.parametrize("frequency", [220.0, 1000.0, 5000.0])
@pytest.mark.parametrize("rate", [16_000, 32_000, 48_000])
def test_a_tone_is_bright_where_it_sounds(frequency: float, rate: int) -> None:
    decibels = mel_spectrogram(tone(frequency, rate=rate), columns=50, mels=128)
    loudest = decibels[:, 25].argmax()
    centres = mel_to_hz(np.linspace(0.0, hz_to_mel(rate / 2), 130))[1:-1]
    assert centres[loudest] == pytest.approx(frequency, rel=0.05, abs=rate / 1000)
    assert decibels.max() == 0.0
    assert decibels.min() >= FLOOR_DB


def test_time_runs_from_left_to_right() -> None:
    samples = np.concatenate([np.zeros((1, RATE), np.float32), tone(440.0).samples], axis=1)
    loudness = mel_spectrogram(Clip(samples, RATE), columns=100).max(axis=0)
    assert (loudness[:47] == FLOOR_DB).all()
    assert (loudness[53:] > -10.0).all()


@pytest.mark.parametrize("frames", [1, 7, 320, 40_000])
def test_silence_and_short_sounds_can_be_drawn(frames: int, tmp_path: Path) -> None:
    assert (mel_spectrogram(Clip(np.zeros((2, frames), np.float32), RATE), 9) == FLOOR_DB).all()
    path = draw(Clip(np.ones((1, frames), np.float32), RATE), tmp_path / "picture.png")
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.size == (1600, 780)


def test_the_picture_shows_the_tone_at_its_height(tmp_path: Path) -> None:
    with Image.open(draw(tone(2000.0), tmp_path / "picture.png")) as picture:
        pixels = np.asarray(picture.convert("L"), dtype=float)
    left, right = (round(edge * 1600) for edge in PLOT)
    rows = pixels[200:700, left + 50 : right - 50].mean(axis=1)
    height = 1.0 - (200 + rows.argmax() - 186) / (726 - 186)
    assert height == pytest.approx(float(hz_to_mel(2000.0) / hz_to_mel(RATE / 2)), abs=0.01)


def test_colours_are_magma() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    levels = np.linspace(0.0, 1.0, 256)
    theirs = 255 * matplotlib.colormaps["magma"](levels)[:, :3]
    assert np.abs(colours(levels) - theirs).max() < 4.0


# --- the page ---------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, and the text between them."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.scripts: list[str] = []
        self._in_script = False
        self.feed(page.decode("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._in_script = tag == "script"

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.scripts.append(data)
        self.text += data

    def named(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def record(text: str = "", **changes: object) -> Record:
    plain = Record(
        audio_chain="0.1.0",
        created="2026-01-02T03:04:05+00:00",
        settings={"title": text, "seed": 7, "format": "wav", "loudness": True, "language": text},
        models={"transcribe": "whisper", "rewrite": "llm", "generate": text},
        device="auto",
        memo={"path": text, "bytes": 1, "sha256": ""},
        transcript={
            "text": text,
            "language": text,
            "segments": [1],
            "confidence": 0.5,
            "model": text,
            "note": text,
        },
        brief={"description": text, "tempo": text, "tempo_bpm": 80, "instruments": [text, text]},
        prompt=text,
        negative=text,
        track_seconds=1.0,
        tracks=(TrackRecord("track.wav", 7, ""),),
        files={},
        seconds={"transcribe": 1.25, "generate": 2.0},
        weights={text: {"licence": text}},
        platform={},
        versions={},
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Clip], list[Path], list[Path]]:
    folder = tmp_path_factory.mktemp("media")
    clip = tone(440.0, 0.2)
    tracks = [encode(clip, folder / "track.wav")]
    return [clip], tracks, [draw(clip, folder / "spectrogram.png")]


HOSTILE = (
    "<script>alert(1)</script>",
    "</title></style></script><img src=x onerror=alert(1)>",
    '" onload="alert(1)" x=\'',
    "$title ${script} $$ %s {0}",
    "&lt;b&gt; &amp;",
    "-->\u202e\x00\x1b[31m",
    "https://example.com/x.js",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_text_stays_text(text: str, media: tuple[list[Clip], list[Path], list[Path]]) -> None:
    harmless = Page(render_page(record("harmless"), *media))
    page = Page(render_page(record(text), *media))
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in harmless.elements]
    for (_, found), (_, expected) in zip(page.elements, harmless.elements, strict=True):
        assert found.keys() == expected.keys()
    visible = text.replace("\x00", "\ufffd")
    assert page.text.replace("\x00", "\ufffd").count(visible) >= 8


@settings(max_examples=20)
@given(text=st.text())
def test_any_text_makes_the_same_page(
    text: str, media: tuple[list[Clip], list[Path], list[Path]]
) -> None:
    page = Page(render_page(record(f"{text}x"), *media))
    harmless = Page(render_page(record("x"), *media))
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in harmless.elements]


def test_the_page_asks_nobody_for_anything(memo_run: Run) -> None:
    page = Page(memo_run.page.read_bytes())
    sources = [attributes["src"] for _, attributes in page.elements if "src" in attributes]
    assert len(sources) == 2
    assert all(source.startswith("data:") for source in sources)
    links = [attributes["href"] for _, attributes in page.elements if "href" in attributes]
    assert links == ["track.flac"]
    assert page.named("link") == []
    assert not any(name.startswith("on") for _, found in page.elements for name in found)
    assert b"url(" not in memo_run.page.read_bytes()


def test_the_policy_allows_only_the_pages_own_script(memo_run: Run) -> None:
    page = Page(memo_run.page.read_bytes())
    (policy,) = [one["content"] for one in page.named("meta") if "http-equiv" in one]
    (script,) = page.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")


def test_the_page_tells_the_run(memo_run: Run) -> None:
    page = Page(memo_run.page.read_bytes())
    assert memo_run.transcript is not None
    assert memo_run.brief is not None
    for text in (
        memo_run.transcript.text,
        memo_run.brief.description,
        memo_run.prompt,
        "slow, 70 beats a minute",
        "musicgen-nano (Apache-2.0)",
        "seed 7",
        "audio-chain rerun run.json",
    ):
        assert text in page.text
    assert len(memo_run.page.read_bytes()) < 1_000_000


def test_the_embedded_sound_is_the_track(memo_run: Run, tmp_path: Path) -> None:
    page = Page(memo_run.page.read_bytes())
    (audio,) = page.named("audio")
    kind, _, content = audio["src"].partition(";base64,")
    assert kind == "data:audio/mpeg"
    (tmp_path / "embedded.mp3").write_bytes(base64.b64decode(content))
    embedded = decode(tmp_path / "embedded.mp3", rate=memo_run.clip.rate).samples[0]
    original = memo_run.clip.samples[0]
    correlation = np.correlate(embedded[:16_000], original[4_000:12_000], mode="valid").max()
    energy = np.sqrt(np.sum(original[4_000:12_000] ** 2) * np.sum(original[4_000:12_000] ** 2))
    assert correlation / energy > 0.95


def test_the_embedded_picture_is_the_picture(memo_run: Run) -> None:
    page = Page(memo_run.page.read_bytes())
    (image,) = page.named("img")
    content = base64.b64decode(image["src"].partition(";base64,")[2])
    with Image.open(io.BytesIO(content)) as embedded, Image.open(memo_run.pictures[0]) as picture:
        assert embedded.size == picture.size
        difference = np.abs(np.asarray(embedded, float) - np.asarray(picture, float))
    assert difference.mean() < 4.0


def test_a_long_track_is_linked(
    media: tuple[list[Clip], list[Path], list[Path]], tmp_path: Path
) -> None:
    track = tmp_path / "track.mp3"
    track.write_bytes(bytes(MAX_EMBEDDED_BYTES + 1))
    page = Page(render_page(record("long"), media[0], [track], media[2]))
    (audio,) = page.named("audio")
    assert audio["src"] == "track.mp3"


def test_rates_that_mp3_does_not_know(
    media: tuple[list[Clip], list[Path], list[Path]], tmp_path: Path
) -> None:
    odd = tone(440.0, 0.2, rate=37_800)
    tracks = [encode(odd, tmp_path / "track.wav")]
    page = Page(render_page(record("odd"), [odd], tracks, media[2]))
    assert page.named("audio")[0]["src"].startswith("data:audio/mpeg;base64,")
