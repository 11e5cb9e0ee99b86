"""Fills in the figures of a page.

A page writes ``{{ share("clap", "told_apart/all") }}``; `functions` lists what can stand there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jinja2

from docs.hooks import catalogue, commands, results, showcase, tables, weights


def functions(found: results.Results) -> Mapping[str, Callable[..., str]]:
    """What a page can ask for, by name."""

    def figure(name: str, path: str, digits: int, unit: str, share: bool) -> str:
        value = found.find(name, path)
        if value is None and not found.has(name):
            return results.ABSENT
        return results.estimate(value, digits=digits, unit=unit, share=share)

    def share(name: str, path: str, digits: int = 0) -> str:
        return figure(name, path, digits, "", True)

    def number(name: str, path: str, digits: int = 2, unit: str = "") -> str:
        return figure(name, path, digits, unit, False)

    def text(name: str, path: str) -> str:
        value = found.find(name, path)
        return results.ABSENT if value is None else str(value)

    def logged(model: str, field: str, digits: int = 0) -> str:
        value = weights.logged(model, field)
        values = value if isinstance(value, list) else [value]
        return ", ".join(results.plain(one, digits) for one in values)

    return {
        "share": share,
        "number": number,
        "text": text,
        "results_table": lambda name: tables.make(found, name),
        "parameters": lambda name: weights.short(catalogue.card(name).parameters),
        "count": lambda model, *prefixes: weights.short(weights.count(model, *prefixes)),
        "config": lambda model, path: str(weights.config(model, path)),
        "logged": logged,
        "licences": catalogue.licences,
        "presets": catalogue.presets,
        "models_table": catalogue.table_of,
        "gpu_minutes": catalogue.gpu_minutes,
        "help": commands.help_of,
        "pairs": lambda: showcase.pairs(found),
        "sweep": lambda setting: showcase.sweep(found, setting),
        "failure": lambda name: showcase.failure(found, name),
    }


def fill(markdown: str, found: results.Results | None = None) -> str:
    """Fill in a page's figures.

    Raises
    ------
    MissingFigureError
        A figure isn't in its file, or there is no function of that name.
    """
    environment = jinja2.Environment(
        # only {{ }} is ours: {% and {# occur in Markdown with attributes
        block_start_string="\x00<",
        block_end_string=">\x00",
        comment_start_string="\x00#",
        comment_end_string="#\x00",
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # the pages are ours; what is untrusted is escaped where it is made
        keep_trailing_newline=True,
    )
    try:
        return environment.from_string(markdown).render(functions(found or results.Results()))
    except jinja2.TemplateError as error:
        raise results.MissingFigureError(str(error)) from error
