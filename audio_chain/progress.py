"""How long work reports how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float, float], None]
"""Called as ``progress(done, total)``, both in the unit of the work (bytes, seconds, steps)."""


def silent(done: float, total: float) -> None:
    """Report to nobody."""
