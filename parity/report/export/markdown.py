"""GitHub's Markdown: a text that stays a text, and a table.

Nothing that is escaped here is more than text: no pipe ends a cell, no line break a row.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from parity.report.lines import plain, shortened

MAX_TEXT = 2000  # characters of one text
NONE = "-"

# What means something within a line on GitHub.
_MARKUP = re.compile(r"([\\`*_\[\]<>|~&$#])")


def escaped(text: str, max_length: int = MAX_TEXT) -> str:
    """Returns a text that stays a text on one line of Markdown, also in a cell."""
    told = plain(" ".join(shortened(text, max_length).split()))
    return _MARKUP.sub(r"\\\1", told) or NONE


def table(head: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> list[str]:
    """Returns the lines of a table.

    Args:
        head: a text for each column.
        rows: texts, as many as columns; all are escaped.
        align: a letter for each column: "l" or "r".
    """
    rule = ["---:" if side == "r" else "---" for side in align]
    cells = [[escaped(cell) for cell in row] for row in (head, *rows)]
    return [f"| {' | '.join(row)} |" for row in (cells[0], rule, *cells[1:])]
