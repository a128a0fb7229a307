"""GitHub's Markdown: escaped texts, and tables.

Escaped text stays plain text: no pipe ends a cell, no line break ends a row. Nobody is mentioned,
no issue is referred to, no address becomes a link: GitHub and GitLab look for these in what is
left of the Markdown, where a backslash is gone already. A space without width breaks each, and a
reader sees what stands there. Renovate and Dependabot do the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from parity.files.log_text import log_line
from parity.report.lines import plain, shortened

MAX_TEXT = 2000  # characters of one text
NONE = "-"

# Characters with a meaning inside a line on GitHub.
_MARKUP = re.compile(r"([\\`*_\[\]<>|~&$#])")
# Where something begins that is read after Markdown: @user and addresses of mail, #123 and GH-123,
# on GitLab !123, addresses with and without a scheme, :emoji:, whose end may be a colon of ours.
_READ_LATER = re.compile(
    r"""(?<=[@#!])(?=\w) | (?<=\bGH-)(?=\d) | (?<=:)(?=//) | (?<=\bw)(?=ww\.)
    | (?<=:)(?=(?:[^\W\d][\w+-]*|[+-]1|100|1234)(?::|$))""",
    re.IGNORECASE | re.VERBOSE,
)
_BREAK = "\N{ZERO WIDTH SPACE}"  # `plain` leaves none


def escaped(text: str, max_length: int = MAX_TEXT) -> str:
    """Returns a text that stays plain text on one line of Markdown, also in a cell."""
    told = plain(" ".join(shortened(text, max_length).split()))
    broken = _MARKUP.sub(r"\\\1", _READ_LATER.sub(_BREAK, told))
    return broken.replace(_BREAK, "&#8203;") or NONE


def code(text: str, max_length: int = MAX_TEXT) -> str:
    """Returns a text as code on one line of Markdown; not for a cell, which a pipe would end.

    Code is shown as it is. What a CI job would obey in its log has a character spelled as a code.
    """
    told = log_line(" ".join(shortened(text, max_length).split())) or NONE
    runs = {len(run) for run in re.findall(r"`+", told)}
    fence = "`" * next(length for length in range(1, len(runs) + 2) if length not in runs)
    space = " " if told[0] == "`" or told[-1] == "`" else ""
    return f"{fence}{space}{told}{space}{fence}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> list[str]:
    """Returns the lines of a table.

    Args:
        head: a text per column.
        rows: rows with a text per column; all are escaped.
        align: a letter per column: "l" or "r".
    """
    rule = ["---:" if side == "r" else "---" for side in align]
    cells = [[escaped(cell) for cell in row] for row in (head, *rows)]
    return [f"| {' | '.join(row)} |" for row in (cells[0], rule, *cells[1:])]
