"""A model's folder with adapters merged into it: a checkpoint like any other."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audio_chain.errors import ChainError
from audio_chain.files import shown
from audio_chain.lora.adapter import Adapter
from audio_chain.run import RunFolder
from audio_chain.weights.shipped import SUMS

if TYPE_CHECKING:
    from torch import Tensor


def export(base: Path, adapters: Sequence[Adapter], target: Path) -> Path:
    """Copy a model's folder, with the adapters merged into its weights.

    Weights keep the precision they have in the base, so a model kept in 16 bits rounds what is
    merged into it, where ``--lora`` computes in 32.

    Parameters
    ----------
    base : Path
        A folder of transformers, or one of diffusers with a folder for each component, with
        safetensors, in shards or not.
    adapters : sequence of Adapter
        For that model.
    target : Path
        The folder to make, new or empty; it appears whole or not at all.

    Raises
    ------
    ChainError
        The folder can't be made, or an adapter doesn't fit.
    """
    from safetensors import safe_open
    from safetensors.torch import save_file

    from audio_chain.generate.stable_audio.checkpoint import INDEX, TRANSFORMER
    from audio_chain.lora.merging import merged
    from audio_chain.weights.mapped import MappedTensors

    is_pipeline = (base / INDEX).is_file()
    adapted = base / TRANSFORMER if is_pipeline else base
    changed = merged(MappedTensors(adapted), adapters)
    with RunFolder(target, target.name) as draft:
        try:
            components = base.glob("[!.]*/*") if is_pipeline else ()
            for path in sorted([*base.iterdir(), *components]):
                place = draft.path / path.relative_to(base)
                place.parent.mkdir(exist_ok=True)
                if path.parent == adapted and path.suffix == ".safetensors":
                    tensors: dict[str, Tensor] = {}
                    with safe_open(path, "pt") as file:
                        metadata = file.metadata()
                        for name in file.keys():  # noqa: SIM118 - not a mapping
                            tensor = file.get_tensor(name)
                            tensors[name] = changed.get(name, tensor).to(tensor.dtype).contiguous()
                    save_file(tensors, place, metadata=metadata)
                elif path.is_file() and path.name not in (SUMS, "README.md"):
                    shutil.copyfile(path, place)
            draft.write("README.md", _readme(base, adapters).encode())
        except OSError as error:
            reason = error.strerror or str(error)
            raise ChainError(
                f"can't write {shown(target)}: {reason}; choose another folder with -o"
            ) from error
        return draft.publish()


def _readme(base: Path, adapters: Sequence[Adapter]) -> str:
    rows = "\n".join(
        f"- `{one.folder.name}`, strength {one.strength:g}, sha256 {one.sha256}" for one in adapters
    )
    return (
        f"# {adapters[0].base} with LoRA adapters merged\n\n"
        f"The weights of `{base.name}`, changed by\n\n{rows}\n\n"
        "The licence is that of the base model's weights.\n"
    )
