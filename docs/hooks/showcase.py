"""Pairs, sweeps and failures as pieces of pages, from ``showcase.json`` and ``sweeps.json``.

Transcripts and prompts are somebody's words: they are escaped wherever they go into a page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape as escape_html
from typing import Any, Final

from docs.hooks.results import MissingFigureError, Results, estimate, plain, table

UP: Final = "../"
"""From a page of ``results`` to the site's root."""

ABSENT: Final = "*Not made yet: `python -m docs.showcase runs/report` makes this part.*"

_MEASURES: Final = ("tempo", "key", "genre", "instruments", "avoided")
_HEADINGS: Final = {
    "memo": "Spoken memos",
    "text": "Typed requests",
    "prompt": "Prompts given straight to the music model",
}
_INTRODUCTIONS: Final = {
    "memo": "Whisper hears, the rewriter writes the brief, MusicGen-nano plays. The recordings are "
    "those of `examples/memos`, spoken by synthetic voices.",
    "text": "As above, without Whisper.",
    "prompt": "Without Whisper and without the rewriter.",
}


def escape(text: str) -> str:
    """Somebody's words for a page: no tag, and on one line, where Markdown begins nothing."""
    return escape_html(" ".join(text.split()))


def pairs(found: Results) -> str:
    """Every pair of request and music, annotated."""
    if not found.has("showcase"):
        return ABSENT
    report = found.read("showcase")
    parts = []
    for kind, heading in _HEADINGS.items():
        parts += [f"## {heading}", _INTRODUCTIONS[kind]]
        parts += [_pair(one) for one in report["pairs"] if one["kind"] == kind]
    return "\n\n".join(parts)


def sweep(found: Results, setting: str) -> str:
    """A sweep: its plot, its figures, and two of its prompts to listen to."""
    if not found.has("sweeps"):
        return ABSENT
    report = found.read("sweeps")
    is_seed = setting == "seed"
    rows = report["seeds"] if is_seed else report["settings"].get(setting)
    if rows is None:
        raise MissingFigureError(f"docs/results/sweeps.json has no sweep of {setting!r}")
    name = setting.replace("_", "-")
    measures = ["CLAP score"] if is_seed else ["CLAP score", "KAD"]
    rates = [] if is_seed else ["genre", "instruments", "tempo", "key"]
    cells = []
    for row in rows:
        value = _value(setting, row["value"]) + (" (default)" if row.get("default") else "")
        figures = [
            estimate(row["figures"][one], digits=2 if one == "KAD" else 3) for one in measures
        ]
        kept = [_rate(row["adherence"][one]) for one in rates]
        cells.append([value, *figures, *kept])
    head = [name, *measures, *(f"{one} kept" for one in rates)]
    prompts = list(dict.fromkeys(clip["prompt"] for row in rows for clip in row["clips"]))
    strips = [_strip(setting, rows, prompt) for prompt in prompts]
    spread = []
    if is_seed:
        deviation = estimate(report["over_seeds"]["deviation_within_prompt"], digits=3)
        over = estimate(report["over_seeds"]["clap"], digits=3)
        spread = [
            f"Over all clips the CLAP score is {over}. Between seeds of one prompt its standard "
            f"deviation is {deviation}."
        ]
    picture = f"![CLAP score over {name}]({UP}images/sweep-{name}.svg){{ .plot }}"
    return "\n\n".join([picture, table(head, cells), *spread, *strips])


def failure(found: Results, name: str) -> str:
    """The evidence for a failure."""
    makers = {
        "transcript": _transcript,
        "rewriter": _rewriter,
        "unknown": lambda results: _one(results, "theremin"),
        "number": _number,
        "vocabulary": lambda results: _one(results, "birthday"),
        "tempo": _tempo,
        "guidance": _guidance,
    }
    if name not in makers:
        raise MissingFigureError(f"no failure {name!r}; there are {', '.join(makers)}")
    if not found.has("sweeps" if name == "guidance" else "showcase"):
        return ABSENT
    return makers[name](found)


def _pair(one: Mapping[str, Any]) -> str:
    title = one["id"].replace("-", " ").capitalize()
    return f"### {title}\n\n{_card(one)}"


def _card(one: Mapping[str, Any]) -> str:
    """What was asked, what came of it, and what was measured, as HTML without empty lines."""
    rows = []
    if one["kind"] == "memo":
        rows.append(("Said", _quoted(one["asked"]) + _player(one["spoken"], "the memo")))
        rows.append(("Heard", _quoted(one["heard"])))
    elif one["kind"] == "text":
        rows.append(("Typed", _quoted(one["asked"])))
    if one["brief"]:
        rows.append(("Brief", _brief(one)))
    negative = f" <em>Away from:</em> {escape(one['negative'])}." if one["negative"] else ""
    rows.append(("Prompt", _quoted(one["prompt"]) + negative))
    rows.append(("Music", _picture(one["picture"], one["id"]) + _player(one["audio"], "the music")))
    rows.append(("Measured", _measured(one)))
    rows.append(("Again", f"<code>{escape(one['command'])}</code>"))
    body = "".join(f"<dt>{name}</dt><dd>{content}</dd>" for name, content in rows)
    return f'<dl class="pair">{body}</dl>'


def _brief(one: Mapping[str, Any]) -> str:
    brief = one["brief"]
    facts = [
        brief["genre"],
        brief["mood"],
        brief["tempo"] + (f", {brief['tempo_bpm']} bpm" if brief["tempo_bpm"] else ""),
        brief["key"] or "",
        ", ".join(brief["instruments"]),
        f"without {', '.join(brief['avoid'])}" if brief["avoid"] else "",
    ]
    text = "; ".join(escape(fact) for fact in facts if fact)
    if one["genre_right"] is False:
        right = escape(" or ".join(one["right"]))
        text += f' <strong class="missed">The genre is a miss: {right} would be right.</strong>'
    return text


def _measured(one: Mapping[str, Any]) -> str:
    hears = one["hears"]
    instruments = ", ".join(hears["instruments"]) or "no instrument"
    beaten = ""
    if one["beats"] is not None:
        beaten = f"; the prompt beats {plain(100 * one['beats'], 0)} % of the other pairs'"
    items = [
        f"CLAP score {plain(one['clap'], 3)}{beaten}",
        f"CLAP-nano hears {escape(hears['genre'])}: {escape(instruments)}",
    ]
    for name in _MEASURES:
        finding = one["findings"][name]
        if finding["score"] is None:
            continue
        mark = {1.0: "kept", 0.0: "missed"}.get(finding["score"], "in part")
        note = f" ({escape(finding['note'])})" if finding["note"] else ""
        asked, heard = escape(finding["asked"]), escape(finding["found"])
        items.append(
            f'{name} <b class="{mark.split()[0]}">{mark}</b>: asked {asked}; {heard}{note}'
        )
    return "<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>"


def _quoted(text: str) -> str:
    return f"<q>{escape(text)}</q>"


def _player(path: str, what: str) -> str:
    return f'<audio controls preload="none" src="{UP}{escape(path)}" aria-label="{what}"></audio>'


def _picture(path: str, name: str) -> str:
    alt = f"mel spectrogram of {name}, 0 Hz to 16 kHz upwards, time to the right"
    size = 'loading="lazy" width="960" height="192"'
    return f'<img src="{UP}{escape(path)}" alt="{escape(alt)}" {size}>'


def _strip(setting: str, rows: Sequence[Mapping[str, Any]], prompt: str) -> str:
    figures = []
    for row in rows:
        for clip in row["clips"]:
            if clip["prompt"] == prompt:
                label = f"{setting.replace('_', '-')} {_value(setting, row['value'])}"
                caption = f"{label}, CLAP score {plain(clip['clap'], 3)}"
                picture = _picture(clip["picture"], f"{prompt}, {label}")
                figures.append(
                    f"<figure>{picture}<figcaption>{caption}</figcaption>"
                    f"{_player(clip['audio'], f'{prompt}, {label}')}</figure>"
                )
    return f'<div class="strip"><p>Prompt <em>{escape(prompt)}</em></p>{"".join(figures)}</div>'


def _value(setting: str, value: float) -> str:
    return "all" if setting == "top_k" and value == 0 else f"{value:g}"


def _rate(found: Mapping[str, Any] | None) -> str:
    return "-" if found is None else estimate(found, digits=0, share=True)


def _one(found: Results, identity: str) -> str:
    for one in found.read("showcase")["pairs"]:
        if one["id"] == identity:
            return _card(one)
    raise MissingFigureError(f"docs/results/showcase.json has no pair {identity!r}")


def _transcript(found: Results) -> str:
    """The memo with the most wrong words, and what became of it."""
    scores = found.read("wer")["scores"] if found.has("wer") else []
    if not scores:
        return ABSENT
    worst = max(scores, key=lambda one: one["errors"] / one["words"])
    name = worst["file"].rpartition(".")[0]
    errors = f"{worst['errors']} of {worst['words']} words are wrong in `{worst['file']}`."
    return f"{errors}\n\n{_one(found, name)}"


def _rewriter(found: Results) -> str:
    """The briefs whose genre nobody would accept."""
    wrong = [one for one in found.read("showcase")["pairs"] if one["genre_right"] is False]
    if not wrong:
        return "None of the pairs on this site has a genre that is a miss."
    rows = [
        [
            f"[{one['id']}](gallery.md#{one['id']})",
            escape(one["heard"] or one["asked"]),
            f"{one['brief']['genre']}: {escape(', '.join(one['brief']['instruments']))}",
            " or ".join(one["right"]),
        ]
        for one in wrong
    ]
    return table(["pair", "what the rewriter read", "its brief", "right"], rows)


def _number(found: Results) -> str:
    """The memo that says "a hundred and forty", which Whisper writes in two numbers."""
    card = _one(found, "morning-run")
    pairs = {one["id"]: one for one in found.read("showcase")["pairs"]}
    if pairs["morning-run"]["brief"]["tempo_bpm"] == 140:
        return f"This no longer happens: the brief says 140 bpm.\n\n{card}"
    return card


def _tempo(found: Results) -> str:
    """In how many of the pairs the tempo was kept."""
    scores = [
        one["findings"]["tempo"]["score"]
        for one in found.read("showcase")["pairs"]
        if one["findings"]["tempo"]["score"] is not None
    ]
    return f"Of the {len(scores)} pairs with drums, {sum(scores):.0f} keep their tempo."


def _guidance(found: Results) -> str:
    """Guidance of 3 beside one far beyond the sweep."""
    report = found.read("sweeps")
    default = next(row for row in report["settings"]["guidance"] if row["default"])
    sides = (default, report["too_much"])
    cells = [
        [measure, *(estimate(row["figures"][measure], digits=digits) for row in sides)]
        for measure, digits in (("CLAP score", 3), ("KAD", 2))
    ]
    cells += [
        [f"{rate} kept", *(_rate(row["adherence"][rate]) for row in sides)]
        for rate in ("genre", "instruments", "tempo", "key")
    ]
    heads = ["measure", *(f"guidance {row['value']:g}" for row in sides)]
    strips = [_strip("guidance", sides, clip["prompt"]) for clip in report["too_much"]["clips"]]
    return "\n\n".join([table(heads, cells), *strips])
