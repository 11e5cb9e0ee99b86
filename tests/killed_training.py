"""A training that is killed and goes on, beside one that isn't."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from audio_chain.finetune.preparing import Prepared
from audio_chain.finetune.recipe import Recipe
from audio_chain.finetune.trainee import Trainee
from audio_chain.finetune.training import train
from audio_chain.lora import read_adapter


def whole_and_broken(
    trainee: Callable[[], Trainee], prepared: Prepared, recipe: Recipe, tmp_path: Path
) -> tuple[Path, Path]:
    """Folders of both trainings, whose losses are the same."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    done = train(trainee(), prepared, recipe, whole)

    def killed(step: float, steps: float) -> None:
        if step == 6:  # two steps after a validation
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(trainee(), prepared, recipe, broken, progress=killed)
    read_adapter(broken)  # it can be used already
    again = train(trainee(), prepared, recipe, broken)
    assert [point.loss for point in again.history.points] == [
        point.loss for point in done.history.points
    ]
    return whole, broken
