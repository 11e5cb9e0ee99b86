"""From a name or a folder to a loaded embedder."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from audio_chain import models, weights
from audio_chain.building import BUILDING
from audio_chain.devices import pick
from audio_chain.errors import UsageError
from audio_chain.files import read_json, shown
from audio_chain.progress import Progress, silent
from audio_chain.weights.cache import sha256_of
from audio_chain.weights.contents import check_weights
from audio_chain.weights.shipped import SUMS
from eval.embedders.embedder import (
    Embedder,
    EmbeddingError,
    TextEmbedder,
    WindowedEmbedder,
    check_texts_differ,
)

NAMES: Final = ("clap-nano", "clap-music", "clap-general", "encodec", "mert", "panns", "vggish")
"""What `load_embedder` knows by name; ``vggish`` only says where to get it."""

_FAMILIES: Final = {
    "clap_nano": "clap-nano",
    "clap": "laion-clap",
    "encodec": "encodec",
    "mert_model": "mert",
    "vggish": "vggish",
    "panns": "panns",
    "Cnn14": "panns",
}
"""By the ``model_type`` of a folder's ``config.json``."""

_VGGISH: Final = (
    "VGGish is published as pickles only, which are not loaded: where you trust it, convert "
    "torchvggish's vggish-10086976.pth once to FOLDER/model.safetensors (the same tensor names), "
    'write {"model_type": "vggish"} to FOLDER/config.json, and give FOLDER'
)


def load_embedder(
    name: str, *, device: str = "auto", offline: bool = False, progress: Progress = silent
) -> Embedder:
    """Load an embedder.

    Parameters
    ----------
    name : str
        One of `NAMES`, another name that the catalogue has for it, or a local folder of
        safetensors: a CLAP, EnCodec or MERT as transformers saves it, a CLAP-nano, or PANNs or
        VGGish with ``{"model_type": "panns"}`` or ``"vggish"`` in its ``config.json``.
    device : str
        As `audio_chain.devices.pick`.
    offline : bool
        Fail rather than use the network.
    progress : Progress
        Told bytes while weights are downloaded.

    Returns
    -------
    Embedder
        Every CLAP is a `TextEmbedder`, and has been asked whether its texts differ.

    Raises
    ------
    UsageError
        There is no such embedder.
    WeightsError
        Its weights can't be had.
    EmbeddingError
        They are of another model, or broken.
    """
    with BUILDING:
        embedder = _opened(name, pick(device), offline, progress)
    if isinstance(embedder, TextEmbedder):
        check_texts_differ(embedder)
    return embedder


def _opened(name: str, chosen: str, offline: bool, progress: Progress) -> Embedder:
    """The embedder of a name or a folder."""
    folder = Path(name).expanduser()
    card = models.CATALOGUE.get(name) or next(
        (card for card in models.CATALOGUE.values() if name in card.aliases), None
    )
    if card is not None:
        if card.stage != "embed" or card.family not in _FAMILIES.values():
            raise UsageError(f"{name} can't embed sound; {_choices()}")
        folders = models.folders(card, offline=offline, progress=progress)
        title = next(iter(set(NAMES) & {card.name, *card.aliases}), card.name)
        return _load(title, card.family, _revision(card, folders[card.name]), folders, chosen)
    if folder.is_dir():
        family = _family(folder)
        needs = models.CATALOGUE["clap-nano"].needs if family == "clap-nano" else ()
        folders = {
            need: models.folders(models.CATALOGUE[need], offline=offline, progress=progress)[need]
            for need in needs
        }
        return _load(family, family, _content_hash(folder), {**folders, family: folder}, chosen)
    if name == "vggish":
        raise EmbeddingError(_VGGISH)
    raise UsageError(f"there is no embedder or folder {shown(name)}; {_choices()}")


def load_text_embedder(
    name: str, *, device: str = "auto", offline: bool = False, progress: Progress = silent
) -> TextEmbedder:
    """Load an embedder that embeds texts too, as `load_embedder`.

    Raises
    ------
    UsageError
        There is no such embedder, or it embeds sound only.
    """
    embedder = load_embedder(name, device=device, offline=offline, progress=progress)
    if not isinstance(embedder, TextEmbedder):
        raise UsageError(
            f"{name} embeds sound only; for texts take a CLAP: clap-nano, clap-music, clap-general"
        )
    return embedder


def _load(
    name: str, family: str, revision: str, folders: dict[str, Path], device: str
) -> WindowedEmbedder:
    """Load the folder of a family; `folders` ends with the model's own."""
    *_, folder = folders.values()
    match family:
        case "clap-nano":
            from eval.embedders import clap_nano

            return clap_nano.load(name, revision, folder, folders["minilm"], device)
        case "laion-clap":
            from eval.embedders import laion_clap

            return laion_clap.load(name, revision, folder, device)
        case "encodec":
            from eval.embedders import encodec

            return encodec.load(name, revision, folder, device)
        case "mert":
            from eval.embedders import mert

            return mert.load(name, revision, folder, device)
        case "panns":
            from eval.embedders import panns

            return panns.load(name, revision, folder, device)
        case _:
            from eval.embedders import vggish

            return vggish.load(name, revision, folder, device)


def _family(folder: Path) -> str:
    check_weights(folder)
    kind = str(read_json(folder / "config.json", "model's configuration").get("model_type", ""))
    if kind not in _FAMILIES:
        known = ", ".join(_FAMILIES)
        raise UsageError(
            f'{shown(folder)} has the model_type "{kind}" in its config.json, which is no '
            f"embedder's; known are {known}"
        )
    return _FAMILIES[kind]


def _choices() -> str:
    return f"known are {', '.join(NAMES)}; or give a folder"


def _revision(card: models.ModelCard, folder: Path) -> str:
    """Identify weights: shipped ones by the hash of their hashes, the hub's by their commit."""
    if isinstance(card.source, weights.Shipped):
        return sha256_of(folder / SUMS)
    return folder.name  # the hub's cache names a snapshot by its commit


def _content_hash(folder: Path) -> str:
    """Hash the names and contents of a folder's tensors and settings."""
    digest = hashlib.sha256()
    files = [*folder.glob("*.safetensors"), *folder.glob("*.json")]
    for path in sorted(files):
        digest.update(f"{sha256_of(path)}  {path.name}\n".encode())
    return digest.hexdigest()
