"""What a clip does of what was asked: tempo, key, genre, instruments, and what is plainly wrong.

>>> from eval.adherence import measure
>>> adherence = measure(clip, brief)  # doctest: +SKIP
>>> adherence["tempo"].found, adherence["tempo"].score  # doctest: +SKIP
('91.6 bpm', 1.0)
"""

from __future__ import annotations

from eval.adherence.asked import Asked
from eval.adherence.findings import RULES, Adherence, Finding, Measure
from eval.adherence.measuring import measure

__all__ = ["RULES", "Adherence", "Asked", "Finding", "Measure", "measure"]
