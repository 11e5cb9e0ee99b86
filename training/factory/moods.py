"""The moods: what each does to the music, and the words for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from training.factory.theory import Mode


@dataclass(frozen=True)
class Mood:
    """How a mood bends a genre.

    Attributes
    ----------
    modes : tuple of Mode
        That suit it, the most typical first.
    tempo : float
        Where in the genre's range of tempos, 0 (slow end) to 1.
    energy : float
        Added to the genre's energy.
    register : int
        Semitones added to where parts lie.
    density : float
        Factor on the number of melody notes.
    velocity : float
        Added to MIDI velocities.
    length : float
        Factor on the length of notes.
    muffled : bool
        The mix may be darkened by a low-pass filter.
    reverb : float
        Added to the level of the room.
    words : tuple of str
        What captions call it.
    uses : tuple of str
        What captions say music of this mood is good for.
    """

    modes: tuple[Mode, ...]
    tempo: float
    energy: float
    register: int
    density: float
    velocity: float
    length: float
    muffled: bool
    reverb: float
    words: tuple[str, ...]
    uses: tuple[str, ...]


MOODS: Final = {
    "happy": Mood(
        ("major", "mixolydian"),
        tempo=0.62,
        energy=0.1,
        register=2,
        density=1.1,
        velocity=4,
        length=0.9,
        muffled=False,
        reverb=0,
        words=("happy", "cheerful", "upbeat", "joyful", "feel-good", "sunny", "bright"),
        uses=("a commercial", "a summer road trip", "a cooking show"),
    ),
    "melancholic": Mood(
        ("minor", "dorian"),
        tempo=0.22,
        energy=-0.2,
        register=-2,
        density=0.75,
        velocity=-10,
        length=1.1,
        muffled=False,
        reverb=0.1,
        words=("melancholic", "sad", "wistful", "somber", "sorrowful", "bittersweet", "emotional"),
        uses=("a sad movie scene", "a rainy day", "end credits"),
    ),
    "calm": Mood(
        ("major", "lydian", "dorian"),
        tempo=0.15,
        energy=-0.28,
        register=-1,
        density=0.6,
        velocity=-16,
        length=1.15,
        muffled=False,
        reverb=0.1,
        words=("calm", "relaxing", "peaceful", "gentle", "soothing", "mellow", "serene"),
        uses=(
            "background music for studying",
            "a spa or a meditation app",
            "reading late at night",
        ),
    ),
    "energetic": Mood(
        ("major", "minor", "mixolydian", "dorian"),
        tempo=0.85,
        energy=0.28,
        register=1,
        density=1.35,
        velocity=12,
        length=0.8,
        muffled=False,
        reverb=0,
        words=("energetic", "lively", "high-energy", "driving", "exciting", "upbeat", "dynamic"),
        uses=("a workout", "a sports highlight reel", "a party"),
    ),
    "dark": Mood(
        ("minor", "phrygian"),
        tempo=0.4,
        energy=0.02,
        register=-6,
        density=0.85,
        velocity=2,
        length=1,
        muffled=True,
        reverb=0.1,
        words=("dark", "brooding", "ominous", "gloomy", "menacing", "moody"),
        uses=("a thriller", "a horror game", "a crime drama"),
    ),
    "tense": Mood(
        ("minor", "phrygian"),
        tempo=0.6,
        energy=0.12,
        register=-3,
        density=1.1,
        velocity=4,
        length=0.75,
        muffled=False,
        reverb=0.05,
        words=("tense", "suspenseful", "uneasy", "urgent", "anxious"),
        uses=("a chase scene", "a heist movie", "a countdown"),
    ),
    "dreamy": Mood(
        ("lydian", "major", "dorian"),
        tempo=0.28,
        energy=-0.18,
        register=2,
        density=0.75,
        velocity=-10,
        length=1.2,
        muffled=False,
        reverb=0.25,
        words=("dreamy", "ethereal", "floating", "hazy", "atmospheric"),
        uses=("a daydream", "falling asleep", "a stargazing scene"),
    ),
    "epic": Mood(
        ("minor", "major"),
        tempo=0.5,
        energy=0.3,
        register=0,
        density=1,
        velocity=14,
        length=1.05,
        muffled=False,
        reverb=0.15,
        words=("epic", "heroic", "majestic", "triumphant", "grand", "powerful"),
        uses=("a movie trailer", "the final battle of a video game", "a sports montage"),
    ),
    "playful": Mood(
        ("major", "mixolydian"),
        tempo=0.68,
        energy=0.05,
        register=4,
        density=1.2,
        velocity=0,
        length=0.55,
        muffled=False,
        reverb=0,
        words=("playful", "quirky", "whimsical", "bouncy", "fun", "lighthearted"),
        uses=("a children's cartoon", "a puzzle game", "a comedy scene"),
    ),
    "romantic": Mood(
        ("major", "minor"),
        tempo=0.28,
        energy=-0.12,
        register=0,
        density=0.85,
        velocity=-6,
        length=1.15,
        muffled=False,
        reverb=0.12,
        words=("romantic", "tender", "warm", "heartfelt", "loving", "intimate"),
        uses=("a wedding", "a candlelit dinner", "a love scene"),
    ),
    "mysterious": Mood(
        ("dorian", "phrygian", "lydian", "minor"),
        tempo=0.35,
        energy=-0.1,
        register=-3,
        density=0.6,
        velocity=-6,
        length=1,
        muffled=True,
        reverb=0.2,
        words=("mysterious", "enigmatic", "eerie", "haunting", "strange"),
        uses=("a detective story", "exploring ruins in a game", "a documentary about the deep sea"),
    ),
    "hopeful": Mood(
        ("major", "lydian"),
        tempo=0.48,
        energy=0.05,
        register=2,
        density=0.95,
        velocity=0,
        length=1,
        muffled=False,
        reverb=0.08,
        words=("hopeful", "uplifting", "optimistic", "inspiring", "positive"),
        uses=("a corporate video", "a charity advert", "a graduation"),
    ),
    "aggressive": Mood(
        ("minor", "phrygian"),
        tempo=0.9,
        energy=0.38,
        register=-3,
        density=1.3,
        velocity=16,
        length=0.75,
        muffled=False,
        reverb=0,
        words=("aggressive", "intense", "angry", "hard-hitting", "fierce", "brutal"),
        uses=("a boss fight", "a skateboarding video", "an action scene"),
    ),
}
