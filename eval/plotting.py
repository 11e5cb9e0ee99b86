"""How plots look, dark on white, and how they are written: the same bytes for the same numbers."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from audio_chain.files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK: Final = "#1f2430"
FAINT: Final = "#c9ced6"
COLOURS: Final = ("#2b6cb0", "#c05621", "#2f855a", "#6b46c1", "#b83280", "#4a5568")
STYLE: Final[Any] = {
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#eceff3",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "font.size": 10,
    "legend.frameon": False,
    "svg.hashsalt": "audio-chain",
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw without a screen, dark on white."""
    import matplotlib

    matplotlib.use("Agg")
    with matplotlib.rc_context(STYLE):
        yield


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as SVG, whole or not at all, and close it."""
    import matplotlib.pyplot as plt

    content = io.BytesIO()
    figure.savefig(content, format="svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    write_whole(path, content)
    return path
