"""Templates filled safely: what comes from outside is escaped, and the page may ask for nothing.

The policy of a page names its one style sheet and its one script by their hashes, so nothing that
slipped through could run; pictures and sound may come only from beside the page or from within it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from audio_chain.picture import colours

if TYPE_CHECKING:
    import jinja2
    from markupsafe import Markup

_PACKAGE: Final = "eval.gallery"
_BREAKS: Final = re.compile("[\n\r\x1c-\x1e\x85\u2028\u2029]")


def fill(template: str, *, style: str, scripts: Iterable[str] = (), **values: Any) -> bytes:
    """Fill a template of this package.

    Parameters
    ----------
    template, style : str
        Names of an HTML and a CSS file in ``templates/``.
    scripts : iterable of str
        Names of JavaScript files there, put into one script in this order.
    values
        For the template; texts are escaped.

    Returns
    -------
    bytes
        HTML in UTF-8. What no UTF-8 can hold (undecodable bytes of file names) becomes ``?``.
    """
    from markupsafe import Markup

    css = f":root {{ --ramp: linear-gradient(90deg, {_ramp()}); }}\n{source(style)}"
    script = "\n".join(source(name) for name in scripts)
    page = (
        _environment()
        .get_template(template)
        .render(
            policy=_policy(css, script),
            style=Markup(css),
            script=Markup(script),
            **values,
        )
    )
    return page.encode("utf-8", "replace")


def source(name: str) -> str:
    """The text of a file in ``templates/``."""
    path = resources.files(_PACKAGE).joinpath("templates", *name.split("/"))
    return path.read_text(encoding="utf-8")


def embedded_json(value: Any) -> Markup:
    r"""JSON that can stand in a ``<script>``: no tag, comment or line separator can be in it.

    Everything but ASCII is escaped, and ``<``, ``>`` and ``&`` too: ``</script>`` becomes
    ``\u003c/script\u003e``.
    """
    from markupsafe import Markup

    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)


def _without_breaks(value: Any) -> Any:
    """A text of somebody's without line and paragraph separators.

    Those end an element's hold on the direction of its text: an override in a prompt would turn
    the words around it.
    """
    from markupsafe import Markup

    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return _BREAKS.sub(" ", value)


def _policy(css: str, script: str) -> str:
    parts = {
        "default-src": "'none'",
        "img-src": "'self' file: data:",
        "media-src": "'self' file: data:",
        "style-src": f"'{_digest(css)}'",
        "script-src": f"'{_digest(script)}'" if script else "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {source}" for name, source in parts.items())


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader(_PACKAGE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_without_breaks,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _ramp() -> str:
    return ", ".join(
        f"#{bytes(colour).hex()}" for colour in colours(np.linspace(0.0, 1.0, 17)).tolist()
    )
