"""From the made sound to what the site needs: a gallery, figures as JSON, plots."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from audio_chain.audio import decode, encode
from audio_chain.manifest import Record
from docs.showcase.making import DEFAULTS, SEEDS, SWEEPS, TOO_MUCH, label, pair_command, run
from docs.showcase.requests import MEMOS, ROOT, Asked
from eval.bootstrap import estimate, mean
from training.results import RESULTS, revisions, write_results

COMMAND: Final = "python -m docs.showcase WORK"
LISTEN: Final = "listen"
SPOKEN: Final = "spoken"
SHOWN_PROMPTS: Final = ("house", "quartet")
"""Prompts of the sweeps whose clips are on the site; the figures are of all prompts."""

SPOKEN_RATE: Final = 24_000
MEASURES: Final = ("CLAP score", "CLAP score, captions shuffled", "FAD", "KAD")
RATES: Final = ("tempo", "key", "genre", "instruments")

_DATA: Final = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


def build_gallery(work: Path) -> list[dict[str, Any]]:
    """Make the site's gallery of the pairs and of some clips of the sweeps; its clips."""
    shown = work / "shown"
    shutil.rmtree(shown, ignore_errors=True)
    for bench in ("sweep", "seeds"):
        for path in sorted((work / bench / "clips").glob("*/*.flac")):
            # the same settings and seed are in both benchmarks
            is_twin = bench == "seeds" and path.name.split("-")[1] == "0"
            if path.name.split("-")[0] in SHOWN_PROMPTS and not is_twin:
                target = shown / bench / "clips" / path.parent.name
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)
                shutil.copy(path.with_suffix(".json"), target)
        shutil.copy(work / bench / "scores.json", shown / bench / "scores.json")
    folder = ROOT / "docs" / LISTEN
    shutil.rmtree(folder, ignore_errors=True)
    title = "audio-chain: what it plays"
    runs = [str(place) for place in (work / "runs", shown / "sweep", shown / "seeds")]
    run(["gallery", *runs, "-o", str(folder), "--audio", "mp3", "--title", title])
    match = _DATA.search((folder / "index.html").read_text(encoding="utf-8"))
    assert match, "a gallery has its data in a script"
    clips: list[dict[str, Any]] = json.loads(match[1])["clips"]
    return clips


def speak(asked: Sequence[Asked]) -> None:
    """Put the memos into ``docs`` as small mp3 files, which every browser plays."""
    folder = ROOT / "docs" / SPOKEN
    folder.mkdir(exist_ok=True)
    for one in asked:
        if one.kind == "memo":
            clip = decode(MEMOS / one.content, rate=SPOKEN_RATE, mono=True)
            encode(clip, folder / f"{one.id}.mp3")


def score_pairs(runs: Path, asked: Sequence[Asked]) -> dict[str, dict[str, Any]]:
    """CLAP score and adherence of each pair; writes ``scores.json`` for the gallery too."""
    from eval.adherence.instruments import HEARD
    from eval.adherence.listener import load_listener
    from eval.adherence_command import find, measure_all
    from eval.clap_score import clap_score
    from eval.embedders import load_text_embedder

    embedder, listener = load_text_embedder("clap-nano", device="cpu"), load_listener()
    scores: dict[str, dict[str, Any]] = {}
    tracks, broken = find(runs)
    found = {track.path.parent.name: finding for track, finding in measure_all(tracks, broken)}
    records = {one.id: Record.read(runs / one.id / "run.json") for one in asked}
    clips = [
        (runs / one.id / records[one.id].tracks[0].file, records[one.id].prompt) for one in asked
    ]
    cosines = clap_score(embedder, clips).clips
    for one, cosine in zip(asked, cosines, strict=True):
        heard = listener.hear(decode(cosine.path))
        likely = sorted(heard.instruments.items(), key=lambda item: -item[1])
        scores[one.id] = {
            "hears": {
                "genre": heard.genre,
                "instruments": [name for name, probability in likely if probability >= HEARD],
            },
            "clap": round(cosine.score, 4),
            "beats": None if cosine.beats is None else round(cosine.beats, 4),
            "findings": found[one.id].to_dict(),
        }
        listed = {"clap": scores[one.id]["clap"]}
        (runs / one.id / "scores.json").write_text(json.dumps(listed), encoding="utf-8")
    return scores


def publish_pairs(
    asked: Sequence[Asked],
    seed: int,
    runs: Path,
    scores: Mapping[str, Mapping[str, Any]],
    clips: Sequence[Mapping[str, Any]],
) -> None:
    """Write ``docs/results/showcase.json``."""
    media = {Path(clip["run"]).name: clip for clip in clips}
    pairs = []
    for one in asked:
        record = Record.read(runs / one.id / "run.json")
        clip = media[one.id]
        genre = record.brief["genre"] if record.brief else None
        pairs.append(
            {
                "id": one.id,
                "kind": one.kind,
                "asked": _said(one),
                "heard": record.transcript["text"]
                if one.kind == "memo" and record.transcript
                else None,
                "brief": record.brief,
                "right": list(one.right),
                "genre_right": genre in one.right if genre and one.right else None,
                "prompt": record.prompt,
                "negative": record.negative,
                "track_seconds": record.track_seconds,
                "seconds": record.seconds,
                "command": "audio-chain " + _shell(pair_command(one, seed, f"out/{one.id}")),
                "spoken": f"{SPOKEN}/{one.id}.mp3" if one.kind == "memo" else None,
                "audio": f"{LISTEN}/{clip['audio']}",
                "picture": f"{LISTEN}/{clip['picture']}",
                **scores[one.id],
            }
        )
    names = ("whisper-tiny.en", "smollm2-135m-rewriter", "musicgen-nano", "clap-nano")
    report = {"command": COMMAND, "models": revisions(*names), "seed": seed, "pairs": pairs}
    write_results(ROOT / RESULTS / "showcase.json", report)


def publish_sweeps(work: Path, clips: Sequence[Mapping[str, Any]]) -> None:
    """Write ``docs/results/sweeps.json`` and the plots."""
    table = json.loads((work / "sweep" / "table.json").read_text(encoding="utf-8"))
    seeds = json.loads((work / "seeds" / "table.json").read_text(encoding="utf-8"))
    media = {Path(clip["file"]).stem: clip for clip in clips}
    settings = {
        name: [
            {"value": value, "default": DEFAULTS[name] == value}
            | _contender(table["models"][label(name, value)], media)
            for value in values
        ]
        for name, values in SWEEPS.items()
    }
    (only,) = seeds["models"].values()
    by_seed = []
    for seed in SEEDS:
        chosen = [clip for clip in only["by_clip"] if clip["seed"] == seed]
        cosines = [clip["clap"] for clip in chosen if clip["clap"] is not None]
        by_seed.append(
            {
                "value": seed,
                "figures": {"CLAP score": estimate(mean, cosines).to_dict()},
                "clips": _media(chosen, media),
            }
        )
    everything = [clip["clap"] for clip in only["by_clip"] if clip["clap"] is not None]
    by_prompt = [
        [clip["clap"] for clip in only["by_clip"] if clip["prompt"] == prompt]
        for prompt in seeds["suite"]["prompts"]
    ]
    spread = [float(np.std(values, ddof=1)) for values in by_prompt if None not in values]
    report = {
        "command": COMMAND,
        "suite": table["suite"],
        "facts": table["facts"],
        "settings": settings,
        "too_much": {"value": TOO_MUCH}
        | _contender(table["models"][label("guidance", TOO_MUCH)], media),
        "seeds": by_seed,
        "over_seeds": {
            "clap": estimate(mean, everything).to_dict(),
            "deviation_within_prompt": estimate(mean, spread).to_dict(),
        },
    }
    write_results(ROOT / RESULTS / "sweeps.json", report)
    plot(report, ROOT / "docs" / "images")


def plot(report: Mapping[str, Any], folder: Path) -> None:
    """Draw a small plot of each sweep: CLAP score and KAD over the setting."""
    import matplotlib.pyplot as plt

    from eval.plotting import COLOURS, save, styled

    folder.mkdir(exist_ok=True)
    sweeps = {**report["settings"], "seed": report["seeds"]}
    with styled():
        for name, rows in sweeps.items():
            measures = ["CLAP score"] + (["KAD"] if name != "seed" else [])
            figure, axes = plt.subplots(
                1, len(measures), figsize=(3.6 * len(measures), 2.5), layout="constrained",
                squeeze=False,
            )  # fmt: skip
            places = range(len(rows))
            for plotted, measure in zip(axes[0], measures, strict=True):
                values, lows, highs = zip(*(_ends(row, measure) for row in rows), strict=True)
                bars = [np.subtract(values, lows), np.subtract(highs, values)]
                plotted.errorbar(
                    places, values, yerr=bars, fmt="o-", color=COLOURS[0], capsize=3, ms=4, lw=1.2
                )
                better = "higher" if measure == "CLAP score" else "lower"
                plotted.set_title(f"{measure}: {better} is better")
                plotted.set_xlabel(name.replace("_", "-"))
                plotted.set_xticks(places, [_shown(name, row["value"]) for row in rows])
            save(figure, folder / f"sweep-{name.replace('_', '-')}.svg")


def _ends(row: Mapping[str, Any], measure: str) -> tuple[float, float, float]:
    found = row["figures"][measure]
    low, high = found["interval"]
    value = found["value"]
    return value, value if low is None else low, value if high is None else high


def _shown(setting: str, value: float) -> str:
    return "all" if setting == "top_k" and value == 0 else f"{value:g}"


def _contender(found: Mapping[str, Any], media: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "figures": {name: found["figures"][name]["figure"] for name in MEASURES},
        "adherence": {name: found["adherence"][name]["score"] for name in RATES},
        "defects": {
            name: found["adherence"][name]["score"]
            for name in ("silence", "clipping", "drone", "repetition")
        },
        "clips": _media(found["by_clip"], media),
    }


def _media(chosen: Sequence[Mapping[str, Any]], media: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for clip in chosen:
        if shown := media.get(Path(clip["file"]).stem):
            places = {kind: f"{LISTEN}/{shown[kind]}" for kind in ("audio", "picture")}
            rows.append({"prompt": clip["prompt"], "clap": clip["clap"], **places})
    return rows


def _said(one: Asked) -> str:
    if one.kind != "memo":
        return one.content
    lines = (MEMOS / "references.tsv").read_text(encoding="utf-8").splitlines()
    texts = {line.split("\t")[0]: line.split("\t")[1] for line in lines[1:]}
    return texts[one.content]


def _shell(words: Sequence[str]) -> str:
    import shlex

    return shlex.join(words)
