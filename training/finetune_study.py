"""Fine-tune a nano model on a style it has never heard, and measure what it gains and forgets.

    python -m training.finetune_study WORK [--only main] [--only keep] [--only ranks] ...
    python -m training.finetune_study WORK --model stable-audio-nano --only main
    python -m training.finetune_study WORK --only main --device cuda \\
        --output docs/results/finetune-gpu.json

The music is composed by `training.style`: some for learning, other pieces for validation and as
the reference of FAD. ``main`` is the run on record; ``keep`` is the same without rehearsal;
``ranks``, on ten minutes of music, and ``minutes`` vary what they are called after. Each is
`audio-chain finetune` with the settings that the results name; beside them stands the FAD that the
codec alone leaves to real music of the style, which no adapter gets below. Stopped at any time, the
same command goes on. Writes ``docs/results/finetune.json``, or ``finetune-stable-audio.json``, and
with all of its parts an image of the same name to ``docs/images``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from audio_chain.errors import ChainError
from audio_chain.finetune.coding import Slicing
from audio_chain.finetune.preparing import Preparation, Prepared
from audio_chain.finetune.recipe import Recipe
from audio_chain.finetune.trainee import Trainee
from eval.embedders import load_text_embedder
from eval.fad import fad
from eval.finetune.measuring import Plan, collected, figures, sound_of
from eval.finetune.running import FineTuning, Order
from eval.progress_bar import progress_bar
from training.finetune_plots import IMAGES, draw
from training.results import RESULTS, write_results
from training.style import open_band, write_style

MINUTES: Final = (1, 5, 20)
RANKS: Final = (2, 8, 32)
KINDS: Final = ("main", "keep", "ranks", "minutes")

_SONG_S: Final = 40.0
_SWEPT_SONGS: Final = 15  # ten minutes, for the ranks
_HELD_OUT: Final = (64, 10.0)  # pieces, seconds
_LEARN_SEED, _HELD_OUT_SEED = 1, 2
_SECONDS: Final = 5.0  # of a piece, and of every clip that is measured


@dataclass(frozen=True)
class Subject:
    """A model of the study.

    Attributes
    ----------
    model : str
    songs : int
        Of `_SONG_S` seconds, in the main run.
    recipe : Recipe
        Of the main run; those of the sweeps take a quarter of the steps.
    results : str
        Name of the file that is written.
    """

    model: str
    songs: int
    recipe: Recipe
    results: str

    @property
    def short(self) -> Recipe:
        """The recipe of runs that are compared with each other."""
        return replace(self.recipe, steps=self.recipe.steps // 4, sample_every=0)


SUBJECTS: Final = {
    "musicgen-nano": Subject(
        "musicgen-nano",
        30,
        Recipe(steps=200, batch=4, learning_rate=2e-3),
        "finetune.json",
    ),
    "stable-audio-nano": Subject(
        "stable-audio-nano",
        15,
        Recipe(steps=200, learning_rate=2e-3),
        "finetune-stable-audio.json",
    ),
}


@dataclass(frozen=True)
class Run:
    """One fine-tuning of the study.

    Attributes
    ----------
    name : str
        Of its folder.
    songs : int
        Of `_SONG_S` seconds.
    recipe : Recipe
    plan : Plan
    """

    name: str
    songs: int
    recipe: Recipe
    plan: Plan


def runs(kind: str, subject: Subject) -> Iterator[Run]:
    """The runs of a part of the study."""
    full = Plan(style_clips=64, prompts=100, seconds=_SECONDS)
    brief = Plan(style_clips=24, prompts=12, seconds=_SECONDS)
    if kind == "main":
        yield Run("main", subject.songs, subject.recipe, full)
    elif kind == "keep":
        yield Run("keep-0", subject.songs, replace(subject.recipe, keep=0.0, sample_every=0), full)
    elif kind == "ranks":
        for rank in RANKS:
            recipe = replace(subject.short, rank=rank, alpha=2.0 * rank)
            yield Run(f"rank-{rank}", _SWEPT_SONGS, recipe, brief)
    else:
        for minutes in MINUTES:
            songs = max(1, round(60 * minutes / _SONG_S))
            yield Run(f"minutes-{minutes}", songs, subject.short, brief)


def carry_out(
    run: Run, model: str, work: Path, device: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Make the music, fine-tune, measure; return what was noted, and what the codec leaves."""
    music = work / f"music-{run.songs}"
    if not (music / "captions.jsonl").is_file():
        band = open_band()
        write_style(music, run.songs, _SONG_S, _LEARN_SEED, band)
        if not (work / "held-out" / "captions.jsonl").is_file():
            write_style(work / "held-out", *_HELD_OUT, _HELD_OUT_SEED, band)
    order = Order(
        folder=music,
        out=work / model / run.name,
        model=model,
        preparation=Preparation(slicing=Slicing(most=_SECONDS)),
        recipe=run.recipe,
        plan=run.plan,
        held_out=work / "held-out",
        device=device,
    )
    tuning = FineTuning(order, progress_bar)
    prepared = tuning.prepare()
    started = time.process_time()
    notes = tuning.train(prepared)
    spent = time.process_time() - started
    if spent > 1:  # it was trained just now
        (work / f"{model}-{run.name}.cpu").write_text(f"{spent:.0f}")
    share_clips(work / model / "main", order.out)
    left = codec_floor(tuning.trainee, prepared, run.plan.style_clips)
    return tuning.measure(prepared, notes), left


def share_clips(first: Path, other: Path) -> None:
    """Let another run have what the base model played for the first one: it is the same."""
    played, wanted = first / "clips" / "before", other / "clips" / "before"
    if played.is_dir() and not wanted.exists():
        shutil.copytree(played, wanted)


def codec_floor(trainee: Trainee, prepared: Prepared, clips: int) -> dict[str, Any]:
    """FAD to the held-out songs of real pieces of the style that went through the codec."""
    embedder = load_text_embedder("clap-nano")
    coder = trainee.coder
    held_out = list(sound_of(prepared.validation, prepared.songs, coder.rate))
    step = max(1, len(prepared.train) // clips)
    coded = [coder.decode(piece.codes) for piece in prepared.train[::step][:clips]]
    found = fad(collected(held_out, embedder).gaussian, collected(coded, embedder).gaussian)
    return {"fad": found.estimate.to_dict(), "clips": len(coded)}


def record(run: Run, model: str, notes: Mapping[str, Any], work: Path) -> dict[str, Any]:
    """What is kept of a run in the results."""
    cpu = work / f"{model}-{run.name}.cpu"
    names = ("recipe", "data", "parameters", "steps", "seconds", "first", "best", "history")
    return {
        "minutes": round(notes["data"]["train"]["seconds"] / 60, 1),
        "processor_seconds": int(cpu.read_text()) if cpu.is_file() else None,
        **{name: notes[name] for name in names},
        "measured": notes["measured"],
        "platform": notes["platform"],
    }


def parts_of(results: Mapping[str, Any], subject: Subject) -> tuple[str, ...]:
    """The parts of the study whose runs are all there."""
    return tuple(
        kind for kind in KINDS if all(run.name in results["runs"] for run in runs(kind, subject))
    )


def command(subject: Subject, parts: Sequence[str], options: argparse.Namespace) -> str:
    """What repeats these parts."""
    said = f"python -m training.finetune_study WORK --model {subject.model}"
    if tuple(parts) != KINDS:
        said += "".join(f" --only {kind}" for kind in parts)
    if options.output:
        said += f" --device {options.device} --output docs/results/{options.output.name}"
    return said


def main(argv: Sequence[str] | None = None) -> int:
    """Run the parts that are asked for, and add them to the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("work", type=Path, help="folder of the music and the adapters")
    parser.add_argument("--only", action="append", choices=KINDS)
    parser.add_argument("--model", choices=SUBJECTS, default="musicgen-nano")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--output", type=Path, help="in docs/results if not given")
    options = parser.parse_args(argv)
    subject = SUBJECTS[options.model]
    output = options.output or RESULTS / subject.results
    try:
        options.work.mkdir(parents=True, exist_ok=True)
        results = json.loads(output.read_text()) if output.is_file() else {}
        results["base"] = subject.model
        results.setdefault("runs", {})
        for kind in options.only or KINDS:
            for run in runs(kind, subject):
                notes, left = carry_out(run, subject.model, options.work, options.device)
                if run.name == "main":
                    results["codec_floor"] = left
                results["runs"][run.name] = record(run, subject.model, notes, options.work)
                results["command"] = command(subject, parts_of(results, subject), options)
                write_results(output, results)
                print(run.name, *figures(notes["measured"]["rows"]), sep="\n", flush=True)
        if parts_of(results, subject) == KINDS:
            draw(results, IMAGES / f"{output.stem}.svg")
    except ChainError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
