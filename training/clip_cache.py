"""Generated clips on disk, so that a measurement that was stopped goes on where it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from audio_chain.audio import Tags, encode
from audio_chain.generate import GenerationRequest, Generator


class ClipCache:
    """Clips by what was asked, and of which weights.

    Parameters
    ----------
    folder : Path
        Made if it isn't there. Files are 16-bit FLAC with the prompt in their tags.
    generator : Generator
        Makes the clips that aren't there.
    revisions : mapping of str to str
        Of its weights, as `training.results.revisions`.

    Attributes
    ----------
    made : int
        Clips that weren't there.
    """

    def __init__(self, folder: Path, generator: Generator, revisions: Mapping[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.made = 0
        self._folder = folder
        self._generator = generator
        self._revisions = dict(revisions)

    def path(self, number: int, request: GenerationRequest) -> Path:
        """Return the file of a request for one clip; `number` is for people to find it by."""
        asked = json.dumps([self._revisions, asdict(request)], sort_keys=True)
        key = hashlib.sha256(asked.encode()).hexdigest()[:12]
        path = self._folder / f"{number:05d}-{key}.flac"
        if not path.exists():
            (clip,) = self._generator.generate(request)
            self.made += 1
            (prompt,), (seed,) = request.prompts, request.seeds
            encode(clip, path, tags=Tags(prompt=prompt, seed=seed, model=self._generator.name))
        return path
