"""Tables of measured figures, one for each file of results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from html import escape
from typing import Any, Final

from docs.hooks import finetuning, speeds
from docs.hooks.results import MissingFigureError, Results, estimate, percent, plain, table

_ATTRIBUTES: Final = {
    "all": "one thing wrong, any",
    "genre": "wrong genre",
    "lead": "wrong lead instrument",
    "mood": "wrong mood",
    "tempo": "wrong tempo",
    "mode": "wrong mode of the key",
}


def codec(found: Any) -> str:
    """Fidelity of the spectral codec."""
    rows = [("held-out pieces", found["held_out_pieces"]), *found["recordings"].items()]
    cells = [
        [
            name.replace("_", " "),
            str(row["snr_db_median"]["count"]),
            estimate(row["snr_db_median"]),
            estimate(row["chroma_cqt"], digits=3),
            estimate(row["chroma_stft"], digits=3),
        ]
        for name, row in rows
    ]
    used = ", ".join(plain(value, 0) for value in found["held_out_pieces"]["perplexity"])
    head = ["audio", "stretches", "SNR, median (dB)", "chroma cosine, CQT", "the same, STFT"]
    goals = found["targets"]
    return "\n\n".join(
        [
            table(head, cells),
            f"Perplexity of the codebooks on held-out pieces: {used}. Goals: SNR "
            f"{goals['snr_db_median']:g} dB, chroma {goals['chroma_cqt']:g}, perplexity "
            f"{goals['perplexity']:g}.",
        ]
    )


def clap(found: Any) -> str:
    """Retrieval and hard negatives of CLAP-nano."""
    goals = found["targets"]
    rows = [
        ("caption of a clip found first", "captions_of_clips", "recall_1"),
        ("caption among the first ten", "captions_of_clips", "recall_10"),
        ("clip of a caption found first", "clips_of_captions", "recall_1"),
        ("clip among the first ten", "clips_of_captions", "recall_10"),
    ]
    cells = [
        [
            name,
            estimate(found[kind][figure], digits=1, share=True),
            "",
            percent(goals[figure]) if kind == "captions_of_clips" else "",
        ]
        for name, kind, figure in rows
    ]
    cells += [
        [
            f"right caption told from: {words}",
            estimate(found["told_apart"][name], digits=1, share=True),
            estimate(found["unheard"][name], digits=1, share=True),
            percent(goals["told_apart"]) if name == "all" else "",
        ]
        for name, words in _ATTRIBUTES.items()
    ]
    return table(["measure", "share (95 %)", "unheard", "goal"], cells)


def generator(found: Any) -> str:
    """A nano generator beside the real pieces."""
    cells = []
    for name, row in found["comparisons"].items():
        share = name != "clap"
        digits = 0 if share else 3
        figures = [
            estimate(row[side], digits=digits, share=share)
            for side in ("generated", "generated_swapped", "real")
        ]
        count = row["real"]["count"]
        words = "CLAP score" if name == "clap" else name.replace("_", " ")
        cells.append([words, str(count), *figures, found["targets"].get(name, "")])
    if "fad" in found:
        made, real = (estimate(found["fad"][one], digits=3) for one in ("generated", "real"))
        cells.append(["FAD", str(found["fad"]["real"]["count"]), made, "", real, ""])
    for name, row in found["defects"].items():
        made, real = (estimate(row[one], digits=1, share=True) for one in ("generated", "real"))
        figures = [made, "", real]
        count = row["real"]["count"]
        cells.append([name, str(count), *figures, found["targets"].get(name, "")])
    head = ["measure", "clips", "generated", "other prompts (chance)", "real pieces", "goal"]
    return table(head, cells)


def diffusion_sweep(found: Any) -> str:
    """Steps and guidance of Stable-Audio-nano."""
    rows = [[str(row["steps"]), plain(row["guidance"], 0), row] for row in found["settings"]]
    rows.append(["real pieces", "", found["real"]])
    cells = [
        [steps, guidance, *(estimate(row[name], digits=3) for name in ("clap", "fad"))]
        for steps, guidance, row in rows
    ]
    return table(["steps", "guidance", "CLAP score", "FAD"], cells)


def editing(found: Any) -> str:
    """What varying and inpainting keep."""
    begin, end = found["span"]
    words = {
        "autoencoder_snr_db": "autoencoder alone, SNR to the piece (dB)",
        "inpainted_before_snr_db": f"before {begin:g} s, SNR to the piece after it (dB)",
        "inpainted_after_snr_db": f"after {end:g} s, the same (dB)",
        "inpainted_inside_snr_db": f"{begin:g} to {end:g} s, made anew, the same (dB)",
        "inpainted_like_prompt": "inpainted piece and its prompt, cosine",
    }
    cells = []
    for name, figure in found["figures"].items():
        if name.startswith("varied"):
            _, strength, *_, what = name.split("_")
            words[name] = f"varied at strength {strength}: cosine to the {what}"
        cells.append([words[name], estimate(figure)])
    return table(["figure", "mean"], cells)


def rewriter(found: Any) -> str:
    """The rewriter beside its baselines."""
    fields = ("genre", "mood", "tempo", "instruments_kept")
    cells = [
        [name, *(estimate(row[one], digits=0, share=True) for one in fields), plain(row["seconds"])]
        for name, row in found["results"].items()
    ]
    return table(["rewriter", "genre", "mood", "tempo", "instruments kept", "s a memo"], cells)


def rewriting(found: Any) -> str:
    """What rewriting changes in the music."""
    cells = []
    for way, row in found["results"].items():
        cells.append(
            [
                way,
                estimate(row["clap"], digits=3),
                estimate(row["clap_swapped"], digits=3) if "clap_swapped" in row else "",
                estimate(row["genre_listed"], digits=0, share=True)
                if "genre_listed" in row
                else "",
            ]
        )
    return table(["prompt", "CLAP score", "other memos' prompts", "genre the memo lists"], cells)


def wer(found: Any) -> str:
    """Each shipped memo, as it was said and as it was heard."""
    cells = [
        [
            one["file"],
            f"{one['errors']} of {one['words']}",
            escape(one["said"]),
            escape(one["heard"]),
        ]
        for one in sorted(found["scores"], key=lambda one: -one["errors"] / one["words"])
    ]
    return table(["memo", "errors", "said", "heard"], cells)


def memo(found: Any) -> str:
    """Seconds of the whole command, stage by stage."""
    runs = found["runs"]
    stages = list(runs[0]["stages"])
    cells = [
        [
            str(number),
            *(plain(run["stages"][name]) for name in stages),
            plain(run["seconds"]),
            plain(run["peak_gb"]),
        ]
        for number, run in enumerate(runs, 1)
    ]
    return table(["run", *(f"{name} (s)" for name in stages), "in all (s)", "memory (GB)"], cells)


def bench(found: Any) -> str:
    """A benchmark's ``table.json``: the measures, a column for each model."""
    models = found["models"]
    measures = list(dict.fromkeys(name for one in models.values() for name in one["figures"]))
    cells = []
    for name in measures:
        row = [name]
        for one in models.values():
            about = one["figures"].get(name, {})
            share = about.get("unit") == "share"
            digits = 0 if share else 3
            figure = about.get("figure")
            row.append("-" if figure is None else estimate(figure, digits=digits, share=share))
        cells.append(row)
    facts = "; ".join(f"{name}: {text}" for name, text in found["facts"].items())
    return f"{table(['measure', *models], cells)}\n\n{facts}."


def estimators(found: Any) -> str:
    """How the adherence estimators do where the truth is known."""
    cells = [
        [
            name,
            row["rule"],
            *(estimate(row[side], digits=1, share=True) for side in ("right", "wrong")),
        ]
        for name, row in found["measures"].items()
    ]
    return table(["measure", "rule", "where it is right", "where it is wrong"], cells)


MAKERS: Final[Mapping[str, tuple[str, Callable[[Any], str], str]]] = {
    "codec": ("codec", codec, "python -m training.measure_codec"),
    "clap": ("clap", clap, "python -m training.measure_clap"),
    "musicgen": ("musicgen-nano", generator, "python -m training.measure_musicgen"),
    "stable-audio": (
        "stable-audio-nano",
        generator,
        "python -m training.measure_stable_audio",
    ),
    "diffusion-sweep": ("diffusion-sweep", diffusion_sweep, "python -m training.diffusion_sweep"),
    "editing": ("editing-nano", editing, "python -m training.measure_editing"),
    "rewriter": ("rewriter", rewriter, "python -m training.rewriter.evaluate"),
    "rewriting": ("rewriting", rewriting, "python -m training.measure_rewriting"),
    "wer": ("wer", wer, "python -m eval.wer --json > docs/results/wer.json"),
    "memo": ("memo", memo, "python -m benchmarks.memo"),
    "speed": ("speed-nano", speeds.speed, "python -m benchmarks.musicgen_nano"),
    "musicgen-speed-cpu": (
        "musicgen-speed",
        partial(speeds.musicgen_speed, kind="cpu"),
        "python -m benchmarks.musicgen",
    ),
    "musicgen-speed-cuda": (
        "musicgen-speed",
        partial(speeds.musicgen_speed, kind="cuda"),
        "python -m benchmarks.musicgen --device cuda",
    ),
    "stable-audio-speed": (
        "stable-audio-speed",
        speeds.stable_audio_speed,
        "python -m benchmarks.stable_audio open",
    ),
    "musicgen-start": ("musicgen-speed", speeds.musicgen_start, "python -m benchmarks.musicgen"),
    "fad-speed": ("fad-speed", speeds.fad_speed, "python -m benchmarks.fad"),
    "fad-pipeline": ("fad-speed", speeds.fad_pipeline, "python -m benchmarks.fad"),
    "bench-coverage": ("bench-coverage", bench, "audio-chain eval bench coverage"),
    "bench-hard": ("bench-hard", bench, "audio-chain eval bench hard"),
    "finetune": ("finetune", finetuning.study, "python -m training.finetune_study WORK"),
    "finetune-gpu": (
        "finetune-gpu",
        finetuning.study,
        "python -m training.finetune_study WORK --only main --device cuda "
        "--output docs/results/finetune-gpu.json",
    ),
    "finetune-sweeps": ("finetune", finetuning.sweeps, "python -m training.finetune_study WORK"),
    "finetune-stable-audio": (
        "finetune-stable-audio",
        finetuning.study,
        "python -m training.finetune_study WORK --model stable-audio-nano --only main",
    ),
    "finetune-speed": ("finetune-speed", finetuning.speed, "python -m benchmarks.finetune"),
    "finetune-choice": ("finetune-choice", finetuning.choice, "trials"),
    "finetune-parallel": (
        "finetune-parallel",
        finetuning.parallel,
        "python -m benchmarks.finetune_parallel",
    ),
    "estimators": ("adherence", estimators, "python -m training.estimator_error"),
}
"""For each table its file, how it is made, and the command that measures when none is recorded."""


def make(results: Results, name: str) -> str:
    """A table of results, with its command; a neutral line where there is no file yet.

    Raises
    ------
    MissingFigureError
        The file lacks what the table shows.
    """
    if name not in MAKERS:
        raise MissingFigureError(f"no table {name!r}; there are {', '.join(MAKERS)}")
    file, maker, command = MAKERS[name]
    if not results.has(file):
        return f"*Not measured yet: `{command}` writes `docs/results/{file}.json`.*"
    found = results.read(file)
    try:
        drawn = maker(found)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise MissingFigureError(
            f"docs/results/{file}.json lacks {error} for table {name!r}"
        ) from error
    said = found.get("command", command) if isinstance(found, dict) else command
    return f"{drawn}\n\n*Source: `docs/results/{file}.json`, written by `{said}`.*"
