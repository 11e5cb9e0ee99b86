"""Plots of any audio: what is drawn is what is in the file, and any file name can be drawn."""

from __future__ import annotations

import argparse
import io
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from gallery_runs import tone
from numpy.typing import NDArray
from PIL import Image

from audio_chain.audio import Clip, encode
from audio_chain.errors import AudioError, UsageError
from eval.gallery import commands
from eval.gallery.plot import Kind, draw_plot, plot_paths

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tone(2000.0, 1.0), tmp_path_factory.mktemp("audio") / "tone.wav")


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_kind_is_drawn(kind: Kind, audio: Path, tmp_path: Path) -> None:
    picture = draw_plot(audio, tmp_path / "p.png", kind)
    with Image.open(picture) as image:
        assert image.size == (1500, 600)
        assert len(image.convert("RGB").getcolors(1 << 24) or []) > 50


def test_a_tone_is_where_its_frequency_is(audio: Path, tmp_path: Path) -> None:
    with Image.open(draw_plot(audio, tmp_path / "p.png", "linear")) as image:
        pixels = np.asarray(image.convert("RGB"), float)
    # inside of the plot: where magma's black floor is
    dark = (pixels.sum(axis=2) < 60).sum(axis=1)
    rows = np.flatnonzero(dark > 400)
    top, bottom = rows[0], rows[-1]
    bright = pixels[top:bottom, 300:1100].sum(axis=2).mean(axis=1)
    height = 1.0 - bright.argmax() / (bottom - top)
    assert height == pytest.approx(2000 / 16000, abs=0.02)


def test_svg_keeps_text_and_any_name(audio: Path, tmp_path: Path) -> None:
    name = "</svg><script>alert('$x$')<\\frac_^ \x1b\n.wav"
    (tmp_path / name.replace("/", "_")).write_bytes(audio.read_bytes())
    file = tmp_path / name.replace("/", "_")
    picture = draw_plot(file, tmp_path / "p.svg")
    root = ElementTree.fromstring(picture.read_text(encoding="utf-8"))
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert "script" not in tags
    texts = ["".join(element.itertext()) for element in root.iter() if element.tag.endswith("text")]
    assert any("alert('$x$')<\\frac_^" in text for text in texts)
    assert "time (s)" in texts


def test_the_same_file_gives_the_same_picture(audio: Path, tmp_path: Path) -> None:
    first = draw_plot(audio, tmp_path / "a.svg", "chroma").read_bytes()
    assert draw_plot(audio, tmp_path / "b.svg", "chroma").read_bytes() == first


@pytest.mark.parametrize("samples", [np.zeros((2, 4000)), np.full((1, 1), 0.5)])
def test_silence_and_short_sounds(samples: NDArray[np.float64], tmp_path: Path) -> None:
    file = encode(Clip(samples.astype(np.float32), 16_000), tmp_path / "s.wav")
    for kind in get_args(Kind):
        draw_plot(file, tmp_path / f"{kind}.png", kind)


def test_where_pictures_go(tmp_path: Path) -> None:
    files = [Path("x/a.wav"), Path("y/b.mp3")]
    assert plot_paths(files, "mel", None) == [
        (files[0], Path("a.wav.mel.png")),
        (files[1], Path("b.mp3.mel.png")),
    ]
    assert plot_paths(files[:1], "mel", tmp_path / "p.svg") == [(files[0], tmp_path / "p.svg")]
    assert plot_paths(files, "mel", tmp_path)[1][1] == tmp_path / "b.mp3.mel.png"
    with pytest.raises(UsageError, match="one picture for 2 files"):
        plot_paths(files, "mel", tmp_path / "p.png")
    with pytest.raises(UsageError, match="same name"):
        plot_paths([Path("x/a.wav"), Path("y/a.wav")], "mel", None)
    with pytest.raises(UsageError, match=r"\.png or \.svg or \.pdf"):
        plot_paths(files[:1], "mel", tmp_path / "p.gif")
    with pytest.raises(UsageError, match="there is no folder"):
        plot_paths(files[:1], "mel", tmp_path / "nowhere" / "p.png")


def test_broken_files_are_said_and_passed_over(
    audio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no")
    parser = argparse.ArgumentParser()
    commands.add(parser.add_subparsers())
    arguments = parser.parse_args(["plot", str(broken), str(audio), "-o", str(tmp_path)])
    assert arguments.command(arguments) == 1
    out, err = capsys.readouterr()
    assert out.split() == [str(tmp_path / "tone.wav.mel.png")]
    assert "broken.wav" in err
    assert "1 left out, 1 shown" in err
    with pytest.raises(AudioError):
        draw_plot(broken, tmp_path / "p.png")
    assert not (tmp_path / "p.png").exists()
    assert io.BytesIO((tmp_path / "tone.wav.mel.png").read_bytes()).read(4) == b"\x89PNG"
