"""`audio-chain eval fad REF GEN`: how far generated music is from a reference."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from audio_chain.errors import UsageError
from audio_chain.terminal import printable

if TYPE_CHECKING:
    from eval.embedders import Embedder
    from eval.fad_report import FadReport, Songs
    from eval.sides import Side

DEFAULT_EMBEDDER: Final = "clap-nano"
OURS: Final = "audio-chain"
PEER: Final = "frechet-audio-distance"

_DESCRIPTION: Final = """\
Fréchet Audio Distance of generated music to a reference. REF and GEN are each a folder, a text
file with one path a line, an audio file, or an .npz file of saved statistics; REF can also be
`factory`: pieces of the data factory that no model was trained on, as clap-nano hears them.

FAD is too large for few files, the more so the more dimensions the embedding has. Compare sets of
the same size, look at the interval, and use --infinity or --kernel below some 1000 files.
"""


def add(actions: argparse._SubParsersAction[Any]) -> None:
    """Add the command to ``audio-chain eval``."""
    parser = actions.add_parser(
        "fad",
        help="distance of generated music to a reference (FAD, FAD-infinity, KAD)",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=run)
    parser.add_argument("reference", metavar="REF", help="what it should be like, or `factory`")
    parser.add_argument("generated", metavar="GEN", help="what is judged")
    parser.add_argument(
        "--embedder",
        metavar="NAME",
        help=f"name or folder (that of saved statistics, else {DEFAULT_EMBEDDER})",
    )
    parser.add_argument("--infinity", action="store_true", help="extrapolate to infinite files")
    parser.add_argument("--per-song", action="store_true", help="each file's distance as well")
    parser.add_argument("--kernel", action="store_true", help="KAD and KID as well: good for few")
    parser.add_argument(
        "--engine", choices=(OURS, PEER), default=OURS, help="what computes FAD (%(default)s)"
    )
    parser.add_argument("--save-statistics", type=Path, metavar="FILE", help=".npz of GEN")
    parser.add_argument("--save-reference", type=Path, metavar="FILE", help=".npz of REF")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of chance (%(default)s)")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or mps")
    parser.add_argument("--offline", action="store_true", help="never use the network")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; return the exit code."""
    report = measure(arguments)
    if arguments.json:
        print(json.dumps(report.to_dict(), ensure_ascii=False, allow_nan=False))
    else:
        print("\n".join(report.lines()))
    return 0


def measure(arguments: argparse.Namespace) -> FadReport:
    """Do what the command line asks for.

    Raises
    ------
    ChainError
        Something can't be read, embedded or compared; one line.
    """
    from eval.fad import around, fad, fad_infinity
    from eval.fad_report import FadReport
    from eval.kernel import KERNELS, kernel_distance

    _check(arguments)
    seed = arguments.seed
    reference, generated, songs = _sides(arguments)
    distance = fad(reference.gaussian, generated.collection or generated.gaussian, seed=seed)
    estimate, infinity, kernels = distance.estimate, None, []
    if arguments.infinity:
        infinity = fad_infinity(reference.gaussian, generated.require_sound(), distance, seed=seed)
    for kernel in KERNELS if arguments.kernel else ():
        x, y = reference.require_sound().windows, generated.require_sound()
        kernels.append(kernel_distance(x, y.windows, files=y.labels, kernel=kernel, seed=seed))
    if arguments.engine == PEER:
        from eval.engines import peer_frechet

        x, y = reference.require_sound().windows, generated.require_sound()
        estimate = around(peer_frechet(x, y.windows), distance.deviation, y.files)
    if arguments.save_statistics is not None:
        generated.gaussian.save(arguments.save_statistics)
    if arguments.save_reference is not None:
        reference.gaussian.save(arguments.save_reference)
    return FadReport(
        estimate=estimate,
        frechet=distance.frechet,
        engine=arguments.engine,
        seed=seed,
        reference=reference,
        generated=generated,
        infinity=infinity,
        kernels=tuple(kernels),
        songs=None if songs is None else songs.farthest_first(),
    )


def _sides(arguments: argparse.Namespace) -> tuple[Side, Side, Songs | None]:
    """Load or embed both sides, the reference first. What can be refused is, before the work."""
    from eval.fad_report import Songs
    from eval.sides import saved_side, sound_files

    reference = saved_side(arguments.reference)
    generated = saved_side(arguments.generated)
    both = arguments.kernel or arguments.engine == PEER
    if reference is not None and both:
        reference.require_sound()
    if generated is not None and (both or arguments.infinity or arguments.per_song):
        generated.require_sound()
    if reference is not None and generated is not None:
        return reference, generated, None
    files = {
        where: sound_files(where)
        for where, side in ((arguments.reference, reference), (arguments.generated, generated))
        if side is None
    }
    embedder = _embedder(arguments, reference or generated)

    def embedded(where: str, heard: Songs | None = None) -> Side:
        return _embedded(where, files[where], embedder, arguments, heard)

    if reference is None:
        reference = embedded(arguments.reference)
    songs = Songs(reference.gaussian) if arguments.per_song else None
    if generated is None:
        generated = embedded(arguments.generated, songs)
    return reference, generated, songs


def _embedder(arguments: argparse.Namespace, saved: Side | None) -> Embedder:
    """Load the embedder, which must be the one that statistics on the other side are of."""
    from eval.embedders import load_embedder
    from eval.progress_bar import progress_bar

    default = DEFAULT_EMBEDDER if saved is None else saved.gaussian.origin.embedding
    name = arguments.embedder or default
    with progress_bar(f"fetching {name}") as progress:
        embedder = load_embedder(
            name, device=arguments.device, offline=arguments.offline, progress=progress
        )
    if saved is not None and (difference := saved.gaussian.origin.difference(embedder.origin)):
        raise UsageError(
            f"{saved.name} can't be compared with what {name} hears: {difference}; use the same "
            "embedder, or give the sound that the statistics were made from"
        )
    return embedder


def _embedded(
    where: str,
    paths: Sequence[Path],
    embedder: Embedder,
    arguments: argparse.Namespace,
    heard: Songs | None,
) -> Side:
    """Embed one side, and say which files were left out."""
    from eval.progress_bar import progress_bar
    from eval.sides import embed_side

    with progress_bar(f"listening to {where}") as progress:
        side = embed_side(
            where,
            paths,
            embedder,
            whole=arguments.engine == PEER,
            seed=arguments.seed,
            heard=heard,
            progress=progress,
        )
    for broken in side.broken:
        print(f"audio-chain: left out: {printable(broken.reason)}", file=sys.stderr)
    return side


def _check(arguments: argparse.Namespace) -> None:
    """Refuse, before the long work, what can't come to a good end."""
    if arguments.seed < 0:
        raise UsageError(f"--seed must be at least 0, not {arguments.seed}")
    for path in (arguments.save_statistics, arguments.save_reference):
        if path is not None and path.suffix != ".npz":
            raise UsageError(f"statistics are kept in .npz files; rename {str(path)!r}")
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"can't write {str(path)!r}: no folder {str(path.parent)!r}")
    if arguments.engine == PEER:
        from audio_chain.backends.workers import open_worker

        open_worker(PEER, offline=True)  # it isn't started, but must be installed
