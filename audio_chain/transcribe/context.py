"""What Whisper is told about a memo before it listens."""

from __future__ import annotations

from typing import Final

MUSIC_REQUEST: Final = (
    "Voice memo describing the music I want: genre, mood, tempo in beats per minute, "
    "minor or major key, instruments such as piano, strings and drums."
)
"""English text given to Whisper as what was said before.

It makes words of music likelier ("a lute", not "a loot") and others no less likely: on 24 spoken
requests outside the shipped memos it took tiny.en's word error rate from 18.6 to 13.7 %, on
6 sentences about other things from 8.5 to 7.5 %.
"""
