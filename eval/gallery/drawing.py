"""What all that matplotlib draws shares: its look, text taken literally, files made whole."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from audio_chain.errors import ChainError, UsageError
from audio_chain.files import shown, write_whole
from eval.gallery.rendering import FLOOR_DB, RATE, TOP_DB, Rendering

if TYPE_CHECKING:
    from matplotlib.figure import Figure

A4: Final = (8.27, 11.69)
"""Inches."""

INK, SOFT, LINE, ACCENT = "#1d1926", "#645d70", "#d9d3de", "#7d1d7c"

SCALE: Final = (
    f"Mel spectrograms from 0 Hz to {RATE // 2000} kHz, from {FLOOR_DB:.0f} dB (black) to "
    f"{TOP_DB:.0f} dB (white); 0 dB is a sine at full scale."
)

# DejaVu comes with matplotlib; the others, where installed, know what it doesn't
_FONTS: Final = (
    "Noto Sans CJK JP",
    "Noto Sans",
    "Arial Unicode MS",
    "PingFang SC",
    "Microsoft YaHei",
    "Unifont",
)
_STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "audio-chain",  # the same picture, the same bytes
    "pdf.fonttype": 42,
    "font.size": 9.0,
    "text.color": INK,
    "text.parse_math": False,  # a prompt's dollar is a dollar
    "axes.edgecolor": SOFT,
    "axes.labelcolor": SOFT,
    "axes.linewidth": 0.6,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
}
_NO_DATES: Final[dict[str, dict[str, Any]]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}


def check_matplotlib(what: str) -> None:
    """Raise ``ChainError`` if `what` can't be drawn for want of matplotlib."""
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        raise ChainError(f'{what} needs matplotlib: pip install "audio-chain[plot]"')


def check_suffix(path: Path, what: str, suffixes: tuple[str, ...]) -> None:
    """Raise ``UsageError`` if a file of this name can't be made."""
    if path.suffix.lower() not in suffixes:
        known = " or ".join(suffixes)
        raise UsageError(f"{what} {shown(path)}: choose a name ending in {known}")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {shown(path.parent)} to write {path.name} to")


@contextmanager
def drawing_style() -> Iterator[None]:
    """Draw as this program does, whatever the user's own settings of matplotlib are."""
    import matplotlib
    from matplotlib import font_manager

    installed = set(font_manager.get_font_names())
    fonts = ["DejaVu Sans", *(name for name in _FONTS if name in installed)]
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # drawn as a box
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**_STYLE, "font.family": fonts})
        yield


def save_figure(figure: Figure, path: Path, *, dpi: int = 150) -> Path:
    """Write a figure in the format of the suffix, whole or not at all."""
    content = io.BytesIO()
    suffix = path.suffix.lower()
    figure.savefig(content, format=suffix[1:], dpi=dpi, metadata=_NO_DATES[suffix])
    write_whole(path, content)
    return path


def tidy(text: str) -> str:
    """`text` on one line, without what no font draws (control characters, broken Unicode)."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def cut(text: str, letters: int) -> str:
    """`text` tidied, and cut to so many letters."""
    text = tidy(text)
    return text if len(text) <= letters else text[: letters - 1].rstrip() + "…"


def pixels(rendering: Rendering) -> npt.NDArray[np.uint8]:
    """The spectrogram's pixels, (rows, columns, 3)."""
    from PIL import Image

    with Image.open(io.BytesIO(rendering.picture)) as image:
        return np.asarray(image.convert("RGB"))
