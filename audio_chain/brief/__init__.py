"""The brief: what the rewriter hands the generator, and how each model family reads it.

>>> from audio_chain.brief import Brief, render
>>> brief = Brief(
...     description="slow sad piano", genre="classical piano", mood="melancholic", tempo="slow",
...     tempo_bpm=70, key="A minor", instruments=("piano",), avoid=(), energy="low", seconds=10.0,
... )
>>> render(brief, "musicgen-nano")
'A slow, melancholic classical piano piece with piano at 70 bpm in A minor.'
"""

from __future__ import annotations

from audio_chain.brief.fields import ENERGIES, Brief
from audio_chain.brief.instruments import stated_alone, stated_instruments
from audio_chain.brief.profiles import energy_of, typical_bpm
from audio_chain.brief.rendering import FAMILIES, negative, render
from audio_chain.brief.spoken import stated_bpm, stated_key, stated_seconds

__all__ = [
    "ENERGIES",
    "FAMILIES",
    "Brief",
    "energy_of",
    "negative",
    "render",
    "stated_alone",
    "stated_bpm",
    "stated_instruments",
    "stated_key",
    "stated_seconds",
    "typical_bpm",
]
