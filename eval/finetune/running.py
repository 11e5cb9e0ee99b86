"""One fine-tuning from a folder of music to an adapter that has been measured."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from audio_chain import __version__, models
from audio_chain.audio import encode
from audio_chain.clip import Clip
from audio_chain.errors import UsageError
from audio_chain.files import make_folder, read_json, shown, write_whole
from audio_chain.finetune.memory import Estimate
from audio_chain.finetune.page import PAGE, TrainingPage
from audio_chain.finetune.preparing import Preparation, Prepared, prepare
from audio_chain.finetune.recipe import Recipe
from audio_chain.finetune.rehearsal import rehearse
from audio_chain.finetune.state import STATE, History, Point
from audio_chain.finetune.team import Team
from audio_chain.finetune.trainee import Piece, Trainee, load_trainee
from audio_chain.finetune.training import train, training_key
from audio_chain.lora.adapter import NOTES
from audio_chain.lora.choosing import weights_digest
from audio_chain.manifest import describe_platform, identifier, installed_versions
from audio_chain.models import ModelCard
from audio_chain.run import to_json
from eval.adherence.listener import load_listener
from eval.embedders import load_text_embedder
from eval.finetune import measuring
from eval.finetune.captioner import MeasuredCaptioner
from eval.finetune.measuring import Bar, Judges, Plan

MEASURED: Final = "measured"
SAMPLES: Final = "samples"
_PACKAGES: Final = ("torch", "transformers", "peft", "accelerate", "safetensors", "numpy")


@dataclass(frozen=True)
class Order:
    """What is asked of a fine-tuning.

    Attributes
    ----------
    folder : Path
        Of music.
    out : Path
        The adapter's, new or to go on with.
    model : str
        As for `models.resolve`.
    preparation : Preparation
    recipe : Recipe
    plan : Plan or None
        What is measured at the end; None for nothing.
    table, held_out : Path or None
        As for `prepare`.
    embedder : str
        For FAD and CLAP score.
    device : str
    offline : bool
    """

    folder: Path
    out: Path
    model: str
    preparation: Preparation
    recipe: Recipe
    plan: Plan | None
    table: Path | None = None
    held_out: Path | None = None
    embedder: str = "clap-nano"
    device: str = "auto"
    offline: bool = False


class FineTuning:
    """A fine-tuning, stage by stage; each can be stopped and goes on in a later call.

    Parameters
    ----------
    order : Order
    bar : callable
        Shows progress.
    team : Team, optional
        The processes that train together; the first prepares and writes for all of them.
    """

    def __init__(self, order: Order, bar: Bar, team: Team | None = None) -> None:
        self.order, self._bar, self.team = order, bar, team or Team()
        self.card: ModelCard = models.resolve(order.model, "generate")
        self.listener = load_listener()
        with bar(f"fetching {self.card.name}") as progress:
            self.trainee: Trainee = load_trainee(
                self.card,
                device=self.team.device or order.device,
                offline=order.offline,
                progress=progress,
            )
        slicing = order.preparation.slicing
        if slicing.most > self.trainee.most_seconds:
            raise UsageError(
                f"{self.card.name} plays {self.trainee.most_seconds:g} s at once: give --seconds "
                "of no more"
            )

    def prepare(self) -> Prepared:
        """Code and caption the music."""
        return self.team.from_first(self._prepare)

    def _prepare(self) -> Prepared:
        order = self.order
        with self._bar("preparing") as progress:
            return prepare(
                order.folder,
                order.out,
                self.trainee.coder,
                MeasuredCaptioner(self.listener),
                preparation=order.preparation,
                table=order.table,
                held_out=order.held_out,
                progress=progress,
            )

    def _rehearse(self, prepared: Prepared) -> tuple[Piece, ...]:
        """Ordinary pieces as long as the style's, if what the model can is to be kept."""
        if not self.order.recipe.keep:
            return ()
        longest = max(piece.seconds for piece in prepared.train)
        with self._bar("composing ordinary pieces") as progress:
            return rehearse(self.trainee, longest, progress=progress)

    def train(self, prepared: Prepared) -> dict[str, Any]:
        """Learn, unless that is done; return what is noted of it."""
        order, out = self.order, self.order.out
        key = training_key(self.trainee, prepared, order.recipe)
        noted = self._noted()
        if noted is not None:
            if noted.get("key") != key:
                raise UsageError(
                    f"{shown(out)} holds an adapter that was trained with other settings or other "
                    "music: choose another folder with -o"
                )
            return noted
        rehearsed = self.team.from_first(lambda: self._rehearse(prepared))
        page = self._page(prepared)

        def reached(history: History, sample: Clip | None) -> None:
            if sample is not None:
                name = f"step {history.step}"
                path = out / SAMPLES / f"{name.replace(' ', '-')}.mp3"
                path.parent.mkdir(parents=True, exist_ok=True)
                page.samples[name] = encode(sample, path)
            write_whole(out / PAGE, io.BytesIO(page.render(history, order.recipe.steps)))

        with self._bar("learning") as progress:
            trained = train(
                self.trainee,
                prepared,
                order.recipe,
                out,
                rehearsed=rehearsed,
                team=self.team,
                reached=reached,
                progress=progress,
            )
        history = trained.history
        notes = {
            "audio_chain": __version__,
            "created": datetime.now().astimezone().isoformat(timespec="seconds"),
            "key": key,
            "base": {"name": identifier(self.card), "digest": weights_digest(self.card)},
            "licence": self.card.licence,
            "recipe": order.recipe.to_dict(),
            "data": {
                "train": prepared.report["train"],
                "validation": prepared.report["validation"],
                "captions": prepared.report["captions"],
            },
            "parameters": trained.parameters,
            "memory": _memory(trained.estimate, trained.peak_bytes),
            "processes": self.team.size,
            "steps": history.step,
            "steps_a_second": trained.steps_a_second,
            "seconds": history.points[-1].seconds,
            "first": vars(history.points[0]),
            "best": vars(history.best),
            "history": [vars(point) for point in history.points],
            "platform": describe_platform(),
            "versions": installed_versions(_PACKAGES),
        }
        if self.team.leads:
            self._note(notes)
            (out / STATE).unlink(missing_ok=True)
        return notes

    def measure(self, prepared: Prepared, notes: Mapping[str, Any]) -> dict[str, Any]:
        """Measure before and after, unless that is done; return what is noted."""
        order, out, plan = self.order, self.order.out, self.order.plan
        if plan is None:
            return dict(notes)
        with self._bar(f"fetching {order.embedder}") as progress:
            embedder = load_text_embedder(
                order.embedder, device=order.device, offline=order.offline, progress=progress
            )
        pieces = prepared.validation
        sounds = list(measuring.sound_of(pieces, prepared.songs, self.trainee.coder.rate))
        self.trainee.network.to("cpu")  # makes room for the generator
        rows = measuring.measure(
            self.card,
            out,
            measuring.collected(sounds, embedder),
            [piece.caption for piece in pieces],
            Judges(embedder, self.listener),
            plan,
            device=order.device,
            offline=order.offline,
            bar=self._bar,
        )
        found = measuring.to_json(rows, plan, embedder)
        write_whole(out / f"{MEASURED}.json", io.BytesIO(found.encode()))
        text = measuring.table(rows)
        write_whole(out / f"{MEASURED}.md", io.BytesIO(text.encode()))
        complete = {**notes, "measured": json.loads(found)}
        self._note(complete)
        page = self._page(prepared)
        page.samples = {
            path.stem.replace("-", " "): path
            for path in sorted(
                (out / SAMPLES).glob("*.mp3"), key=lambda path: (len(path.name), path)
            )
        }
        page.measured = [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in text.splitlines()
            if not line.startswith("|---")
        ]
        history = History(notes["steps"], tuple(Point(**point) for point in notes["history"]))
        write_whole(out / PAGE, io.BytesIO(page.render(history, order.recipe.steps)))
        return complete

    def _page(self, prepared: Prepared) -> TrainingPage:
        order, report = self.order, prepared.report
        minutes = report["train"]["seconds"] / 60
        return TrainingPage(
            title=order.out.name,
            subtitle=f"LoRA for {self.card.name}, from {minutes:.1f} minutes of "
            f"{report['train']['files']} songs",
            facts={name.replace("_", " "): value for name, value in order.recipe.to_dict().items()},
        )

    def _noted(self) -> dict[str, Any] | None:
        path = self.order.out / NOTES
        return read_json(path, "record of the training") if path.is_file() else None

    def _note(self, notes: Mapping[str, Any]) -> None:
        write_whole(self.order.out / NOTES, io.BytesIO(to_json(notes)))
        write_whole(self.order.out / "README.md", io.BytesIO(_readme(notes).encode()))


def _memory(estimate: Estimate, peak: int | None) -> dict[str, int | None]:
    return {
        "weights": estimate.weights,
        "adapter": estimate.learnt,
        "step": estimate.activations,
        "measured_peak": peak,
    }


def _readme(notes: Mapping[str, Any]) -> str:
    data, best = notes["data"], notes["best"]
    lines = [
        f"# LoRA adapter for {notes['base']['name']}",
        "",
        f"Rank {notes['recipe']['rank']}, {notes['parameters']:,} parameters, learnt from "
        f"{data['train']['seconds'] / 60:.1f} minutes of music in {best['step']} steps. "
        f"Validation loss {notes['first']['loss']:.3f} before, {best['loss']:.3f} after.",
        "",
        "In peft's format. With audio-chain: `audio-chain generate PROMPT --lora THIS_FOLDER`.",
        "",
        f"The base model's licence holds: {notes['licence']}.",
    ]
    return "\n".join(lines) + "\n"


def check_out(out: Path) -> None:
    """Refuse a folder for the adapter that holds something else.

    Raises
    ------
    UsageError
        It isn't a folder, or holds other things than an adapter's.
    ChainError
        It can't be made.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"{shown(out)} is a file; give a folder with -o")
    make_folder(out)
