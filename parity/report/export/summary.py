"""A page as GitHub's Markdown, for the summary of a CI job: the verdict first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from parity.files.log_text import log_line
from parity.report.page import (
    Code,
    Curves,
    Table,
    Text,
    as_shown,
    first_notes,
    plain,
    shortened,
)

if TYPE_CHECKING:
    from parity.report.page import Block, Cause, Divergence, Fact, Note, Page, Rung


# --- GitHub's Markdown: escaped texts, and tables -------------------------------------------------
#
# Escaped text stays plain text: no pipe ends a cell, no line break ends a row. Nobody is mentioned,
# no issue is referred to, no address becomes a link: GitHub and GitLab look for these in what is
# left of the Markdown, where a backslash is gone already. A space without width breaks each, and a
# reader sees what stands there. Renovate and Dependabot do the same.


MAX_CELL_TEXT = 2000  # characters of one text
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


def escaped(text: str, max_length: int = MAX_CELL_TEXT) -> str:
    """Returns a text that stays plain text on one line of Markdown, also in a cell."""
    line = plain(" ".join(shortened(text, max_length).split()))
    broken = _MARKUP.sub(r"\\\1", _READ_LATER.sub(_BREAK, line))
    return broken.replace(_BREAK, "&#8203;") or NONE


def code(text: str, max_length: int = MAX_CELL_TEXT) -> str:
    """Returns a text as code on one line of Markdown; not for a cell, which a pipe would end.

    Code is shown as it is. What a CI job would obey in its log has a character spelled as a code.
    """
    line = log_line(" ".join(shortened(text, max_length).split())) or NONE
    runs = {len(run) for run in re.findall(r"`+", line)}
    fence = "`" * next(length for length in range(1, len(runs) + 2) if length not in runs)
    space = " " if line[0] == "`" or line[-1] == "`" else ""
    return f"{fence}{space}{line}{space}{fence}"


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


# --- A page as Markdown for the summary of a CI job: the verdict first, then causes and fixes -----
#
# In: a page. Out: at most `MAX_LINES` lines of GitHub's Markdown; left-out parts are counted. Texts
# stay plain text.


MAX_LINES = 60
MAX_FOUND = 20  # divergences
MAX_TEXT = 500  # characters of one text, usually a sentence
MAX_ERROR = 12  # lines of one error


def summary_markdown(page: Page, max_lines: int | None = MAX_LINES) -> str:
    """Returns the page as Markdown, which ends with a line break.

    Args:
        page: of any result.
        max_lines: most lines; None = all.
    """
    heading = ", ".join(page.head or (page.title,))
    verdict = page.shown_verdict.upper()
    lines = [f"**{escaped(verdict)}: {_text(heading)}: {_text(page.sentence)}**", ""]
    bullets = [f"- **error** {_error(problem)}" for problem in page.problems]
    if page.divergences is not None:
        found = page.divergences.found
        bullets.append(f"- {_text(page.divergences.title)}")
        bullets += [_divergence(each) for each in found[:MAX_FOUND]]
        if len(found) > MAX_FOUND:
            bullets.append(f"- and {len(found) - MAX_FOUND} more divergences")
        bullets += [f"- {_text(page.divergences.summary)}"] if page.divergences.summary else []
        bullets += map(_fact, page.divergences.advice)
    bullets += _notes((*page.opens, *page.notes))
    bullets += [_fact(each) for each in page.facts if each.is_main]
    lines += [*bullets, ""] if bullets else []
    if page.ladder:
        head = ["level", "status", "differs", "allowed", "where"]
        lines += [*table(head, [*map(_rung, page.ladder)], "llrrl"), ""]
    for section in page.sections:
        for block in section.blocks if section.is_main else ():
            lines += _block(block)
    lines = lines[:-1]
    return "\n".join(lines if max_lines is None else _cut(lines, max_lines)) + "\n"


def _text(text: str) -> str:
    return escaped(text, MAX_TEXT)


def _fact(fact: Fact) -> str:
    return f"- **{fact.name}** {_text(fact.value)}" if fact.name else f"- {_text(fact.value)}"


def _error(error: str) -> str:
    """Returns the lines of an error."""
    lines = error.splitlines() or [""]
    texts = [_text(line) for line in lines[:MAX_ERROR]]
    texts += [f"... and {len(lines) - MAX_ERROR} more lines"] if len(lines) > MAX_ERROR else []
    return "<br>".join(texts)


def _divergence(found: Divergence) -> str:
    """Returns a divergence in one line: its cause and the fix, then where it is seen."""
    kind = "accepted" if found.is_accepted else found.level
    values = _text(f"{found.place}: {found.values}")
    parts = [f"- **{escaped(kind)}** {values}"]
    if found.causes:
        best = found.causes[0]
        parts = [f"- **{escaped(kind)}** {_text(best.name)} ({best.confidence})"]
        parts += [_fix(best)] if best.fix else []
        parts += [f"**seen** {_text(best.seen)}"] if best.seen else []
        parts.append(f"**values** {values}")
    parts += [f"**where** {_text(found.where)}"] if found.where else []
    return "<br>".join(parts)


def _fix(cause: Cause) -> str:
    """Returns the fix of a cause, as code where it is code, and the line of the port."""
    shown = code if cause.is_code else escaped
    text = "<br>".join(shown(line, MAX_TEXT) for line in cause.fix)
    where = f" in {code(cause.where, MAX_TEXT)}" if cause.where else ""
    return f"**fix**{' (tried)' if cause.is_tried else ''}{where} {text}"


def _notes(notes: Sequence[Note]) -> list[str]:
    lines = []
    first, more = first_notes(notes)
    for note in first:
        facts = [f"**{escaped(f.name)}** {_text(f.value)}" for f in note.facts if f.name]
        text = ": ".join([note.text, *(f.value for f in note.facts if not f.name)])
        lines.append("<br>".join([f"- **{escaped(note.label)}** {_text(text)}", *facts]))
    return lines + [f"- **{escaped(name)}** and {number} more" for name, number in more.items()]


def _rung(rung: Rung) -> list[str]:
    where = rung.where if rung.differs else rung.source
    return [rung.id, rung.word, rung.differs, rung.allowed, where]


def _block(block: Block) -> list[str]:
    """Returns a block and an empty line; of a drawing nothing, of curves their ends."""
    if isinstance(block, Text):
        return [_text(block.text), ""]
    if isinstance(block, Curves) and block.ends:
        ends = [f"{end.name}: {end.value.replace('  ', ', ')}" for end in block.ends]
        return [*(f"- {_text(end)}" for end in ends), ""]
    if isinstance(block, Code):
        return [f"{block.label}: {code(block.text)}", ""]
    if not isinstance(block, Table) or not (block.columns or block.is_list):
        return []
    shown = as_shown(block)
    align = "".join("lr"[index in shown.numeric] for index in range(len(shown.head)))
    rows = [[cell.text for cell in row] for row in shown.rows]
    lines = [f"**{_text(shown.caption)}**", "", *table(shown.head, rows, align), ""]
    return [*lines, *(line for note in shown.notes for line in (_text(note), ""))]


def _cut(lines: list[str], room: int) -> list[str]:
    """Returns as many lines as fit, and the number of those left out."""
    if len(lines) <= room:
        return lines
    kept = lines[: room - 2]
    # A table needs at least one row.
    while kept and (not kept[-1] or lines[len(kept)].startswith("| ---") or _is_rule(kept[-1])):
        kept.pop()
    return [*kept, "", f"... and {len(lines) - len(kept)} more lines"]


def _is_rule(line: str) -> bool:
    return line.startswith("| ---")
