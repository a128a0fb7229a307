"""A `Page` as one HTML file that needs nothing else: no network, no script to be read, no fonts.

The template lays out the page, and jinja2 escapes all text. The only unescaped markup comes from
`svg` and from the two files in this folder. A policy in the page itself forbids the browser to load
anything, whatever text may get into the page.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from parity.report.page import as_shown, listed, plain
from parity.report.pages.svg import drawn
from parity.report.sentences import TRIED

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

    from parity.report.page import Page

FOLDER = Path(__file__).parent
MAX_TEXT = 1000  # characters of one text; the result file has all of them


def render(page: Page) -> str:
    """Returns the HTML of a page."""
    style, script = (_read(name) for name in ("style.css", "script.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    parts = {"page": page, "style": style, "script": script, "policy": policy}
    html = _template().render(parts)
    return html.lstrip()  # what the macros before the document leave


@lru_cache
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["kind"] = lambda block: type(block).__name__
    environment.globals["tried"] = TRIED
    environment.filters["ours"] = Markup  # drawings, style and script of this package
    environment.filters["drawn"] = lambda each: Markup(drawn(each.name, each.height, each.paint))
    environment.filters["shown"] = shown
    environment.filters["coded"] = coded
    environment.filters["listed"] = listed
    environment.filters["as_shown"] = as_shown
    return environment.get_template("template.html")


def shown(text: str, limit: int = MAX_TEXT) -> str:
    """Makes every character of a text visible, and cuts it to `limit` characters.

    A character that reverses the text direction, or has no glyph, could make a name look different.
    """
    rows = [plain(row) for row in text[:limit].split("\n")]
    return "\n".join(rows) + (" ..." if len(text) > limit else "")


def coded(text: str) -> Markup:
    """Returns a text, escaped, with what stands in backticks as code."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`([^`\n]+)`", r"<code>\1</code>", str(escape(shown(text)))))


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
