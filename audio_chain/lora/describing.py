"""What is known of an adapter, for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from audio_chain.files import read_json
from audio_chain.lora.adapter import NOTES, TENSORS, read_adapter


def describe(folder: Path) -> dict[str, Any]:
    """Gather an adapter's facts, and what its training noted if `audio-chain finetune` made it.

    Raises
    ------
    UsageError
        The folder holds no adapter that can be used.
    """
    from audio_chain.lora.merging import factors

    adapter = read_adapter(folder)
    pairs = factors(adapter).values()
    facts: dict[str, Any] = {
        "folder": str(adapter.folder),
        "base": adapter.base,
        "rank": adapter.rank,
        "scale": adapter.scale,
        "targets": list(adapter.targets),
        "layers": len(pairs),
        "parameters": sum(part.numel() for pair in pairs for part in pair),
        "bytes": (folder / TENSORS).stat().st_size,
        "sha256": adapter.sha256,
    }
    if (folder / NOTES).is_file():
        facts["training"] = read_json(folder / NOTES, "record of the training")
    return facts


def lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """Write the facts as text."""
    yield f"{facts['folder']}: LoRA adapter for {facts['base'] or 'an unnamed model'}"
    yield (
        f"rank         {facts['rank']}, scale {facts['scale']:g}, {facts['layers']} layers "
        f"({', '.join(facts['targets'])})"
    )
    yield f"parameters   {facts['parameters']:,} ({facts['bytes'] / 1e6:.1f} MB)"
    yield f"sha256       {facts['sha256']}"
    training = facts.get("training", {})
    if data := training.get("data"):
        yield (
            f"trained on   {data['train']['seconds'] / 60:.1f} minutes of {data['train']['files']} "
            f"files; {data['validation']['files']} kept for validation"
        )
    if best := training.get("best"):
        yield (
            f"best         validation loss {best['loss']:.3f} at step {best['step']} "
            f"({training['first']['loss']:.3f} before)"
        )
    for row in training.get("measured", {}).get("rows", ()):
        before, after = (row[side]["value"] for side in ("before", "after"))
        if before is not None and after is not None:
            yield f"{row['measure']:<32} {before:8.3f} -> {after:.3f}"
