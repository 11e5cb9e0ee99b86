"""Tables of measured figures, one for each file of results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from html import escape
from typing import Any, Final

from docs.hooks import finetuning
from docs.hooks.results import MissingFigureError, Results, estimate, percent, plain, table

_ATTRIBUTES: Final = {
    "all": "one thing wrong, any",
    "genre": "wrong genre",
    "lead": "wrong lead instrument",
    "mood": "wrong mood",
    "tempo": "wrong tempo",
    "mode": "wrong mode of the key",
}

_WHOLE: Final = {
    "memory_gb": "memory (GB)",
    "whole_times_real_time": "with codec, times real time",
    "first_sound_ms": "first sound (ms)",
}

_START: Final = {
    "load_s": "loaded (s)",
    "first_step_s": "first step (s)",
    "processor_s": "processor (s)",
    "memory_mb": "own memory (MB)",
    "resident_mb": "with mapped files (MB)",
}

_START_GPU: Final = {
    "capture_s": "of it the graph (s)",
    "kernels_s": "kernels (s)",
    "compile_s": "to compile them once (s)",
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


def speed(found: Any) -> str:
    """Decoding of MusicGen-nano, ours and transformers'."""
    cells = [
        [name, plain(found[name]["ms_a_step"]), plain(found[name]["times_real_time"])]
        for name in ("transformers", "audio-chain")
    ]
    return table(["engine", "ms a step", "times real time"], cells)


def musicgen_speed(found: Any, kind: str) -> str:
    """Decoding at the published sizes on a kind of device, ours and transformers'."""
    if kind not in found:
        return f"*Not run yet: `{found['command']} --device {kind}`.*"
    half = found[kind]
    cells = [
        [
            row["size"],
            row["engine"],
            row["precision"],
            str(row["batch"]),
            *(plain(row.get(name), 2) for name in ("ms_a_step", "floor_ms", "times_real_time")),
            *(plain(row.get(name), 1) for name in _WHOLE if kind == "cuda"),
        ]
        for row in half["rows"]
    ]
    head = ["size", "engine", "weights", "pieces", "ms a step", "floor (ms)", "times real time"]
    head += list(_WHOLE.values()) if kind == "cuda" else []
    about = half["about"]
    left_out = "".join(f" {name}: {why}." for name, why in half.get("left_out", {}).items())
    return (
        f"{table(head, cells)}\n\n{about['device']}, {about['clock']}, "
        f"{about['threads']} CPU thread(s), load {about['load']}, PyTorch {about['torch']}. The "
        f"floor is reading the weights at the {about['read_gb_a_second']} GB a second that a sum "
        f"reads at in the same run.{left_out and f' Left out: {left_out.strip()}'}"
    )


def stable_audio_speed(found: Any) -> str:
    """Sampling at Open 1.0's sizes, ours and diffusers'."""
    cells = [
        [
            batch,
            engine,
            *(
                plain(row[engine][name], digits)
                for name, digits in (("steps_a_second", 1), ("peak_gb", 1))
            ),
            plain(row["ratio"], 2) if engine == "audio-chain" else "",
        ]
        for batch, row in found["batches"].items()
        for engine in ("diffusers", "audio-chain")
    ]
    head = ["pieces", "engine", "steps a second", "most memory (GB)", "times diffusers"]
    return f"{table(head, cells)}\n\n{found['device']}, {found['steps']} steps of 47 s of stereo."


def musicgen_start(found: Any) -> str:
    """From a checkpoint on a warm disk to the first step, ours and transformers'."""
    drawn = []
    for kind, shown in (("cpu", _START), ("cuda", _START | _START_GPU)):
        for size, report in found.get(kind, {}).get("start", {}).items():
            cells = [
                [size, row["engine"], row["precision"]]
                + [plain(row.get(name), 0 if name.endswith("mb") else 1) for name in shown]
                for row in report["rows"]
            ]
            drawn += [
                table(["size", "engine", "weights", *shown.values()], cells),
                f"{report['device']}, {report['rows'][0]['threads']} CPU threads, "
                f"{report['checkpoint_mb']} MB of weights in float32.",
            ]
    return "\n\n".join(drawn) or f"*Not run yet: `{found['command']} --only start`.*"


def fad_speed(found: Any) -> str:
    """The distance alone: seconds and ratios."""
    cells = [
        [dimensions, name, plain(row["seconds"], 4), plain(row.get("ratio"), 1)]
        for dimensions, rows in found["distance"].items()
        for name, row in rows.items()
    ]
    return table(["dimensions", "formula", "CPU seconds", "times ours"], cells)


def fad_pipeline(found: Any) -> str:
    """Whole pipelines on files."""
    cells = []
    for one in found.get("pipelines", []):
        for files, rows in one.items():
            if not isinstance(rows, dict):
                continue
            for name, row in rows.items():
                if isinstance(row, dict):
                    sound = f"{one['rate']} Hz, {one['channels']} ch"
                    worked = row.get("processor_seconds")
                    times = [plain(row["seconds"], 1), plain(worked, 1) if worked else "-"]
                    figures = [*times, plain(row["peak_mb"], 0), f"{row['value']:.6g}"]
                    cells.append([files, sound, name, *figures])
    head = ["files a side", "sound", "pipeline", "seconds", "of processors", "peak (MB)", "FAD"]
    return table(head, cells)


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
    "speed": ("speed-nano", speed, "python -m benchmarks.musicgen_nano"),
    "musicgen-speed-cpu": (
        "musicgen-speed",
        partial(musicgen_speed, kind="cpu"),
        "python -m benchmarks.musicgen",
    ),
    "musicgen-speed-cuda": (
        "musicgen-speed",
        partial(musicgen_speed, kind="cuda"),
        "python -m benchmarks.musicgen --device cuda",
    ),
    "stable-audio-speed": (
        "stable-audio-speed",
        stable_audio_speed,
        "python -m benchmarks.stable_audio open",
    ),
    "musicgen-start": ("musicgen-speed", musicgen_start, "python -m benchmarks.musicgen"),
    "fad-speed": ("fad-speed", fad_speed, "python -m benchmarks.fad"),
    "fad-pipeline": ("fad-speed", fad_pipeline, "python -m benchmarks.fad"),
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
