"""Tables of speed: steps, start-up and FAD, beside their peers."""

from __future__ import annotations

from typing import Any, Final

from docs.hooks.results import plain, table

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
