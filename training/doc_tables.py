"""Tables of figures in the documentation, kept as the scripts that measured them wrote them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

from audio_chain.errors import UsageError
from audio_chain.files import shown, write_whole

PAGE: Final = Path("docs/evaluation.md")


def put_table(name: str, table: str, page: Path = PAGE) -> None:
    """Replace what is between ``<!-- NAME -->`` and ``<!-- /NAME -->`` on a page.

    Raises
    ------
    UsageError
        The page has no such place.
    """
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    text = page.read_text(encoding="utf-8")
    before, found, rest = text.partition(start)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise UsageError(f"{shown(page)} has no place {start} ... {end} for the table")
    whole = f"{before}{start}\n\n{table}\n\n{end}{after}"
    write_whole(page, io.BytesIO(whole.encode()))
