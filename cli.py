"""The command line: parse, call, print. What is done is done in `audio_chain`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from audio_chain import __version__
from audio_chain.backends import commands as backends
from audio_chain.errors import ChainError, UsageError
from audio_chain.lora import commands as lora
from audio_chain.request import RECORDINGS, SAMPLING, MemoRequest
from audio_chain.terminal.options import add_models, add_music, add_output
from eval import commands as evaluation
from eval.finetune import command as finetune
from eval.gallery import commands as gallery

if TYPE_CHECKING:
    from audio_chain.chain import Chain
    from audio_chain.progress import Progress
    from audio_chain.run import Run
    from audio_chain.terminal.bars import Quiet

INTERRUPTED: Final = 130

DESCRIPTION: Final = "Turn a voice memo, or words, into music, on this machine."
EXAMPLES: Final = """\
examples:
  audio-chain memo voice.m4a
  audio-chain memo --text "something slow for a rainy evening, just a piano"
  audio-chain generate "a slow sad piano piece" -n 4 --seconds 10 --seed 7 -o out
  audio-chain rerun out/run.json
  audio-chain models
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code: 0, 1 (it failed), 2 (used wrongly), 130 (Ctrl-C)."""
    _prepare_process()
    as_json = False
    try:
        arguments = _parser().parse_args(argv)
        as_json = getattr(arguments, "json", False)
        code: int = arguments.command(arguments)
        sys.stdout.flush()
    except ChainError as error:
        if as_json:
            _print_failure(error)
        _complain(error)
        return error.exit_code
    except KeyboardInterrupt as error:
        _complain(error, "stopped")
        return _leave(INTERRUPTED)
    except BrokenPipeError:  # whoever read our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


class _Parser(argparse.ArgumentParser):
    """Reports a wrong command line as one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="audio-chain",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"audio-chain {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    memo = commands.add_parser("memo", help="make music of a recording, or of what it would say")
    memo.set_defaults(command=_memo)
    memo.add_argument("recording", nargs="?", type=Path, metavar="VOICE", help="an audio file")
    memo.add_argument("--text", help="type what you would say instead")
    memo.add_argument("--brief", type=Path, metavar="FILE", help="start from a brief.json")
    memo.add_argument("--language", metavar="CODE", help="of the recording (default: found out)")
    add_models(memo, ("whisper", "llm", "model"))
    add_music(memo)
    add_output(memo)

    generate = commands.add_parser("generate", help="give words straight to the music model")
    generate.set_defaults(command=_generate)
    generate.add_argument("prompt", help="what the music should be like")
    add_models(generate, ("model",))
    add_music(generate)
    add_output(generate)

    rerun = commands.add_parser("rerun", help="repeat a run from its run.json and compare")
    rerun.set_defaults(command=_rerun)
    rerun.add_argument("run", type=Path, metavar="RUN", help="a run.json, or its folder")
    rerun.add_argument(
        "--from",
        dest="start",
        choices=("prompt", "memo"),
        default="prompt",
        help="repeat the music only, or all from the recording on (default: prompt)",
    )
    rerun.add_argument("--offline", action="store_true", help="never use the network")
    add_output(rerun)

    listing = commands.add_parser("models", help="list, show and fetch models")
    listing.set_defaults(command=_list_models)
    actions = listing.add_subparsers(metavar="ACTION")
    fetch = actions.add_parser("fetch", help="fetch models, or all models of a preset")
    fetch.set_defaults(command=_fetch_models)
    fetch.add_argument("names", nargs="+", metavar="NAME", help="a model or a preset")
    fetch.add_argument("--offline", action="store_true", help="only look whether all is there")
    show = actions.add_parser("show", help="print a model's card")
    show.set_defaults(command=_show_model)
    show.add_argument("name", metavar="NAME")

    finetune.add(commands)
    evaluation.add(commands)
    gallery.add(commands)
    lora.add(commands)
    backends.add(commands)

    doctor = commands.add_parser("doctor", help="say whether audio-chain can run here, and on what")
    doctor.set_defaults(command=_doctor)
    doctor.add_argument("--preset", default="offline", help="models to look for (default: offline)")
    return parser


def _memo(arguments: argparse.Namespace) -> int:
    starts = [arguments.recording, arguments.text, arguments.brief]
    if sum(start is not None for start in starts) != 1:
        raise UsageError("give one of: a recording, --text, --brief; see audio-chain memo --help")
    brief = None
    if arguments.brief is not None:
        from audio_chain.brief import Brief
        from audio_chain.files import read_json

        brief = Brief.from_dict(read_json(arguments.brief, "brief"))
    request = MemoRequest(
        memo=arguments.recording,
        text=arguments.text,
        brief=brief,
        language=arguments.language,
        **_music(arguments),
    )
    _run(_chain(arguments), request, arguments)
    return 0


def _generate(arguments: argparse.Namespace) -> int:
    request = MemoRequest(prompt=arguments.prompt, **_music(arguments))
    _run(_chain(arguments), request, arguments)
    return 0


def _rerun(arguments: argparse.Namespace) -> int:
    from audio_chain import rerun

    before = rerun.recorded(arguments.run)
    request = rerun.request_of(before, arguments.start)
    chain = rerun.chain_of(before, offline=arguments.offline)
    run = _run(chain, request, arguments)
    comparison = rerun.compare(before, rerun.recorded(run.folder))
    if arguments.json:
        print(json.dumps({"event": "compared", **comparison.to_dict()}))
    else:
        print("\n".join(comparison.lines()))
    return 0 if comparison.identical else 1


def _list_models(arguments: argparse.Namespace) -> int:
    from audio_chain import models

    rows = [("name", "stage", "parameters", "licence", "MB", "here")]
    for row in models.listing():
        card = row.card
        count, size = models.format_count(card.parameters), str(card.size_mb or "?")
        rows.append(
            (card.name, card.stage, count, card.licence, size, "yes" if row.ready else "no")
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for cells in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        print(line.rstrip())
    return 0


def _fetch_models(arguments: argparse.Namespace) -> int:
    from audio_chain import models
    from audio_chain.events import Notice, StageFinished, staged

    def announce(card: models.ModelCard) -> None:
        if notice := models.licence_notice(card):
            display.show(Notice(notice))

    def fetch(progress: Progress) -> dict[str, Path]:
        return models.fetch(
            arguments.names, offline=arguments.offline, progress=progress, begin=announce
        )

    with _display(as_json=False) as display:
        for event in staged("fetch", fetch, unit="bytes", clock={}):
            display.show(event)
    assert isinstance(event, StageFinished)
    for name, folder in event.result.items():
        print(f"{name}  {folder}")
    return 0


def _show_model(arguments: argparse.Namespace) -> int:
    from audio_chain import models

    print(models.describe(models.find(arguments.name)))
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    from audio_chain.doctor import examine

    checks = examine(arguments.preset)
    for check in checks:
        remedy = f" -> {check.remedy}" if check.remedy else ""
        print(f"{check.state:<6}  {check.name:<16}  {check.detail}{remedy}")
    return 1 if any(check.state == "failed" for check in checks) else 0


def _chain(arguments: argparse.Namespace) -> Chain:
    from audio_chain.chain import Chain

    return Chain.from_preset(
        arguments.preset,
        whisper=getattr(arguments, "whisper", None),
        llm=getattr(arguments, "llm", None),
        model=arguments.model,
        lora=arguments.lora,
        device=arguments.device,
        precision=arguments.precision,
        offline=arguments.offline,
        keep=False,
    )


def _music(arguments: argparse.Namespace) -> dict[str, Any]:
    """The part of a request that `add_music` asks for."""
    names = [
        *("count", "seconds", "seed", "format"),
        *RECORDINGS,
        *SAMPLING,
    ]
    chosen = {name: getattr(arguments, name) for name in names}
    return {**chosen, "loudness": not arguments.no_loudness, "fades": not arguments.no_fades}


def _run(chain: Chain, request: MemoRequest, arguments: argparse.Namespace) -> Run:
    """Run the chain, show its events, and print where the results are."""
    from contextlib import closing

    from audio_chain.events import ChainFinished

    run: Run | None = None
    with (
        _display(as_json=arguments.json) as display,
        closing(chain.stream(request, folder=arguments.out)) as events,
    ):
        for event in events:
            display.show(event)
            if isinstance(event, ChainFinished):
                run = event.run
    assert run is not None  # a stream that ends without an exception has finished
    if not arguments.json:
        for path in (*run.tracks, *run.pictures, run.page, run.manifest):
            print(path)
    return run


def _display(*, as_json: bool) -> Quiet:
    """Choose how events are shown: JSON lines, bars on a terminal, or nothing in a pipe."""
    if as_json:
        from audio_chain.terminal.lines import Lines

        return Lines()
    from audio_chain.terminal.bars import display

    return display()


def _print_failure(error: ChainError) -> None:
    from audio_chain.terminal.lines import error_fields

    print(json.dumps(error_fields(error)), flush=True)


def _complain(error: BaseException, message: str = "") -> None:
    """Say what went wrong in one line, and what is left of the run."""
    from audio_chain.terminal import printable

    parts = [message or str(error), *getattr(error, "__notes__", [])]
    text = "; ".join(" ".join(part.split()) for part in parts)
    print(f"audio-chain: {printable(text)}", file=sys.stderr)


def _prepare_process() -> None:
    """Set what libraries read when they are imported, and keep any path printable."""
    # threads that wait by spinning take the cores from whoever works: on a busy machine a whole
    # run took 105 s with them and 44 s without
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")
    if not sys.warnoptions:
        import warnings

        warnings.simplefilter("ignore")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="surrogateescape" if stream is sys.stdout else None)


def _leave(code: int) -> int:
    """End at once if a stage is still at work: Python's own exit can crash around native code."""
    if threading.active_count() > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
