"""``audio-chain backends``: install, list, remove and check worker environments."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from audio_chain.backends.recipes import RECIPES, recipe
from audio_chain.progress import Progress

if TYPE_CHECKING:
    from audio_chain.events import Unit

T = TypeVar("T")


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the group to the program's commands."""
    group = commands.add_parser(
        "backends",
        help="packages that need an environment of their own",
        description="Install, list, remove and check packages that can't share our environment.",
    )
    actions = group.add_subparsers(required=True, metavar="ACTION")
    names = ", ".join(RECIPES)

    install = actions.add_parser("install", help="make a package's environment")
    install.set_defaults(command=_install)
    install.add_argument("names", nargs="+", metavar="NAME", help=names)
    install.add_argument("--again", action="store_true", help="make it anew")

    listing = actions.add_parser("list", help="say what there is, and what is installed")
    listing.set_defaults(command=_list)

    remove = actions.add_parser("remove", help="remove a package's environment")
    remove.set_defaults(command=_remove)
    remove.add_argument("names", nargs="+", metavar="NAME", help=names)

    check = actions.add_parser("check", help="run a small real task in an environment")
    check.set_defaults(command=_check)
    check.add_argument("names", nargs="*", metavar="NAME", help=f"{names} (default: installed)")

    for parser in (install, listing, remove, check):
        parser.add_argument("--json", action="store_true", help="the result as JSON on stdout")


def _install(arguments: argparse.Namespace) -> int:
    from audio_chain.backends.environments import install, state

    rows = {}
    for chosen in [recipe(name) for name in arguments.names]:

        def work(progress: Progress) -> Any:
            return install(chosen, again=arguments.again, progress=progress)  # noqa: B023

        folder = _shown(work, chosen.name, "bytes")
        rows[chosen.name] = {
            "folder": str(folder),
            "megabytes": round(state(chosen).megabytes, 1),
        }
    _print(arguments, rows, lambda name, row: f"{name}  {row['megabytes']:g} MB  {row['folder']}")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from audio_chain.backends.environments import state

    rows = {}
    for one in RECIPES.values():
        found = state(one)
        rows[one.name] = {
            "state": found.status,
            "reason": found.reason,
            "megabytes": round(found.megabytes, 1),
            "licence": one.licence,
            "purpose": one.purpose,
        }

    def line(name: str, row: dict[str, Any]) -> str:
        size = f"{row['megabytes']:g} MB" if row["megabytes"] else ""
        reason = f" ({row['reason']})" if row["reason"] else ""
        return f"{name:<24}{row['state']:<9}{size:<9}{row['purpose']}{reason}"

    _print(arguments, rows, line)
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    from audio_chain.backends.environments import remove

    rows = {
        chosen.name: {"freed_megabytes": round(remove(chosen), 1)}
        for chosen in [recipe(name) for name in arguments.names]
    }
    _print(arguments, rows, lambda name, row: f"{name}  {row['freed_megabytes']:g} MB freed")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from audio_chain.backends.environments import state
    from audio_chain.backends.workers import check
    from audio_chain.errors import ChainError

    installed = [name for name, one in RECIPES.items() if state(one).status != "missing"]
    names = [recipe(name).name for name in arguments.names] or installed
    if not names:
        raise ChainError("no backend is installed: see `audio-chain backends list`")
    rows: dict[str, dict[str, Any]] = {}
    for name in names:

        def work(progress: Progress) -> Any:
            return check(name, progress=progress)  # noqa: B023

        try:
            rows[name] = {"ok": True, **_shown(work, name, "steps")}
        except ChainError as error:
            rows[name] = {"ok": False, "did": str(error), "versions": {}}

    def line(name: str, row: dict[str, Any]) -> str:
        versions = ", ".join(f"{package} {number}" for package, number in row["versions"].items())
        return f"{name}  ok: {row['did']} ({versions})" if row["ok"] else row["did"]

    _print(arguments, rows, line)
    return 0 if all(row["ok"] for row in rows.values()) else 1


def _shown(work: Callable[[Progress], T], detail: str, unit: Unit) -> T:
    """Do something with a bar on a terminal, and return its result."""
    from audio_chain.events import StageFinished, staged
    from audio_chain.terminal.bars import display

    with display() as shown:
        for event in staged("fetch", work, unit=unit, clock={}, detail=detail):
            shown.show(event)
    assert isinstance(event, StageFinished)
    result: T = event.result
    return result


def _print(
    arguments: argparse.Namespace,
    rows: dict[str, dict[str, Any]],
    line: Callable[[str, dict[str, Any]], str],
) -> None:
    if arguments.json:
        print(json.dumps(rows))
        return
    for name, row in rows.items():
        print(line(name, row))
