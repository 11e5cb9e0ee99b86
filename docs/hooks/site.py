"""What MkDocs calls while it builds the site: figures into pages, scripts into the pages that
need them.

What a page can ask for is in `docs.hooks.filling`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mkdocs.exceptions import PluginError

ROOT: Final = Path(__file__).parents[2]
if str(ROOT) not in sys.path:  # MkDocs loads this file by its path
    sys.path.insert(0, str(ROOT))

from docs.hooks.filling import fill  # noqa: E402
from docs.hooks.results import MissingFigureError  # noqa: E402

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

MERMAID: Final = "assets/vendor/mermaid/mermaid.tiny.js"
KATEX: Final = "assets/vendor/katex"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in the figures of a page."""
    try:
        return fill(markdown)
    except MissingFigureError as error:
        raise PluginError(f"{page.file.src_uri}: {error}") from error


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Add the diagram and formula scripts where a page has diagrams or formulas."""
    root = page.url.count("/") * "../"
    if 'class="mermaid"' in output:
        # before the theme's own script, which would else fetch it from elsewhere
        place = output.index("<script", output.index("</main>"))
        script = f'<script src="{root}{MERMAID}"></script>\n'
        output = output[:place] + script + output[place:]
    if 'class="arithmatex"' in output:
        style = f'<link rel="stylesheet" href="{root}{KATEX}/katex.min.css">\n</head>'
        output = output.replace("</head>", style, 1)
        scripts = "".join(
            f'<script src="{root}{name}"></script>\n'
            for name in (f"{KATEX}/katex.min.js", f"{KATEX}/auto-render.min.js", "assets/maths.js")
        )
        output = output.replace("</body>", f"{scripts}</body>", 1)
    return output


def on_config(config: MkDocsConfig) -> Any:
    """Nothing of the site comes from elsewhere: refuse a configuration that would ask for it."""
    if config.theme["font"] is not False:
        raise PluginError("theme.font has to be false: the theme would ask Google for a font")
    return config


def on_post_build(config: MkDocsConfig) -> None:
    """Write the search index as a script too: a page opened from disk can't read the JSON."""
    folder = Path(config.site_dir) / "search"
    index = (folder / "search_index.json").read_text(encoding="utf-8")
    (folder / "search_index.js").write_text(f"var __index = {index}", encoding="utf-8")
