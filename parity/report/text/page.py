"""A page as text: lines of at most 80 columns, on a terminal and in a pipe."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TextIO

from parity.files.log_text import log_line
from parity.report.page import (
    FAIL,
    PASS,
    QUIET,
    WARN,
    WIDTH,
    Curves,
    Line,
    Table,
    Text,
    first_notes,
    labelled,
    plain,
    shortened,
    wrapped,
)
from parity.report.sentences import TRIED
from parity.report.text.curves import ASCII_BARS, BARS, curve_lines, sparkline_rows

if TYPE_CHECKING:
    from parity.report.page import Block, Cause, Cell, Divergence, Divergences, Note, Page, Rung


# --- Prints lines: with colours on a terminal, as plain text elsewhere ----------------------------


def print_lines(lines: list[Line], stream: TextIO | None = None) -> None:
    """Prints lines, with colours on a terminal; bars become digits if they cannot be written.

    No text from elsewhere is a command to a terminal or to CI.
    """
    stream = stream or sys.stdout
    if not _can_write(BARS, stream):
        lines = [[(text.translate(ASCII_BARS), style) for text, style in line] for line in lines]
    if not stream.isatty():
        for line in lines:
            stream.write(log_line(_joined(line)).rstrip() + "\n")
        stream.flush()
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False)
    for line in lines:
        shown = log_line(_joined(line))
        console.print(Text.assemble(*line) if shown == _joined(line) else Text(shown))


def _joined(line: Line) -> str:
    return "".join(text for text, _ in line)


def _can_write(text: str, stream: TextIO) -> bool:
    try:
        text.encode(stream.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


# --- A page as text: lines of at most 80 columns, on a terminal and in a pipe ---------------------
#
# Only what is main on the page is shown. Lines of a log are the only ones that are wider.


FEW = 3  # so many divergences are shown with their formulas
MAX_REASON = 6  # lines of a reason
MAX_VALUE = 70  # characters of a value
_STYLES = {PASS: "bold green", FAIL: "bold red", WARN: "bold yellow", QUIET: "dim", "": ""}


def page_lines(page: Page) -> list[Line]:
    """Returns the page, line by line; the last line is empty."""
    subtitle = f"  {'  '.join(page.head[1:])}  " if page.head[1:] else "  "
    verdict = page.shown_verdict.upper()
    name = page.head[0] if page.head else page.title
    name = shortened(plain(name), WIDTH - len(subtitle) - len(verdict))
    lines: list[Line] = [[(name, "bold"), (subtitle, ""), (verdict, _STYLES[page.look])]]
    lines += [[("  " + row, "")] for problem in page.problems for row in problem.splitlines()]
    if page.ladder:
        head = f"  {'level':<11}{'':<9}{'differs':>9}  {'allowed':>9}  where"
        lines += [[(head, "dim")], *map(_rung_line, page.ladder)]
    if page.divergences is not None:
        lines += _divergences_lines(page.divergences)
    lines += note_lines((*page.opens, *page.notes))
    return [*_plain(lines), *main_lines(page)]


def main_lines(page: Page) -> list[Line]:
    """Returns the tables and the curves of the page, its facts, and the meaning of the verdict."""
    blocks = [block for section in page.sections if section.is_main for block in section.blocks]
    lines = [line for block in blocks for line in _block_lines(block)]
    return [*_plain(lines), *closing_lines(page), []]


def closing_lines(page: Page) -> list[Line]:
    """Returns the main facts of the page, and the meaning of the verdict."""
    facts = [f"{fact.name} {fact.value}".lstrip() for fact in page.facts if fact.is_main]
    lines = [line for text in facts for line in _rows(text, "dim")]
    return [*lines, *_rows(page.sentence, _STYLES[page.look])]


def note_lines(notes: Sequence[Note]) -> list[Line]:
    """Returns remarks with their reasons; of many of one kind, the first ones."""
    lines: list[Line] = []
    first, more = first_notes(notes)
    for note in first:
        style = _STYLES[note.look]
        lines += _rows(f"{note.label}: {note.text}", style or "dim")
        for fact in note.facts:
            emphasis = "bold" if fact.is_main else ""
            if fact.name:
                lines += labelled(fact.name, fact.value, emphasis)
            else:
                lines += [[(row, emphasis)] for row in wrapped(fact.value, max_lines=MAX_REASON)]
    return [*lines, *([(f"  {label}: ... and {n} more", "dim")] for label, n in more.items())]


def _plain(lines: Sequence[Line]) -> list[Line]:
    return [[(plain(text), style) for text, style in line] for line in lines]


def _rows(text: str, style: str, indent: str = "  ") -> list[Line]:
    return [[(row, style)] for row in wrapped(text, indent)]


def _rung_line(rung: Rung) -> Line:
    word = "-" if rung.look == QUIET else rung.word
    start: Line = [(f"  {rung.id:<11}", ""), (f"{word:<9}", _STYLES[rung.look])]
    if not rung.differs:
        return [*start, (shortened(plain(rung.compared), WIDTH - 22), "dim")]
    numbers = f"{rung.differs:>9}  {rung.allowed:>9}  "
    room = WIDTH - 22 - len(numbers) - len(rung.moment)
    where = shortened(plain(rung.item), room) + rung.moment if rung.item else rung.compared
    return [*start, (numbers + where, "")]


def _divergences_lines(given: Divergences) -> list[Line]:
    is_long = len(given.found) <= FEW
    lines = [line for each in given.found for line in divergence_lines(each, is_long=is_long)]
    lines += _rows(given.summary, "dim")
    for fact in given.advice:
        lines += labelled(fact.name, fact.value, "bold" if fact.name == "next" else "")
    return lines


def divergence_lines(found: Divergence, *, is_long: bool = True) -> list[Line]:
    """Returns one divergence: its level, the cause and the fix, both values, and its place.

    Args:
        found: the divergence.
        is_long: whether the formulas of both halves are shown, and other likely causes.
    """
    style = "yellow" if found.is_accepted else "bold red"
    head = f"  {found.number}  {'accepted, ' if found.is_accepted else ''}{found.level}: "
    name = shortened(plain(found.item), WIDTH - len(head + found.moment)) + found.moment
    if found.same_as:
        name = f"the same values as in {found.same_as}"
    lines: list[Line] = [[(head, style), (name, "")]]
    for cause in found.causes[:1]:
        lines += _cause_lines(cause, "cause", is_long=is_long)
    lines += _rows(found.note, "dim", "    ")
    if not found.same_as:
        lines += _value_lines(found)
    for cause in found.causes[1:] if is_long else ():
        lines += _cause_lines(cause, "or", is_long=is_long)
    for cause in found.causes if is_long else found.causes[:1]:
        slug = f"  ({cause.slug})" if cause.slug else ""
        lines.append([(f"    parity explain {cause.id}{slug}", "dim")])
    return lines


def _value_lines(found: Divergence) -> list[Line]:
    """Returns both values, their difference, and the pair of layers."""
    lines: list[Line] = []
    for half, text in (("keras", plain(found.keras)), ("torch", plain(found.torch))):
        lines += labelled(half, text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 3]}...")
    more = len(found.others)
    also = "1 more item shows it" if more == 1 else f"{more} more items show it" if more else ""
    index = f"at {found.index}" if found.index else ""
    texts = ["" if found.is_text else found.difference, "; ".join(filter(None, (index, also)))]
    lines += [line for text in texts for line in _rows(text, "", " " * 10)]
    return lines + (labelled("where", found.where) if found.where else [])


def _cause_lines(cause: Cause, label: str, *, is_long: bool) -> list[Line]:
    head, sure = f"    {label:<5} {cause.id}  ", f"  ({cause.confidence})"
    title = shortened(plain(cause.title), WIDTH - len(head + sure))
    lines: list[Line] = [[(head, "bold red"), (title + sure, "")]]
    for row, text in enumerate(_fix_rows(cause.fix)):
        lines += labelled("" if row else "fix", text, "bold")
    if cause.fix and cause.is_tried:
        lines += labelled("", TRIED, "dim")
    facts = [("line", cause.where), ("seen", cause.seen)]
    if is_long:
        rules = [rule for rule in cause.formulas if rule.name != "source"]
        facts += [("rule", f"{rule.name}: {rule.value}") for rule in rules]
    return lines + [line for name, text in facts if text for line in labelled(name, text)]


def _fix_rows(lines: Sequence[str]) -> Iterator[str]:
    """Yields the lines of a fix; a comment that does not fit beside its code comes before it."""
    for line in lines:
        code, mark, comment = line.partition("  # ")
        if mark and len(line) > WIDTH - 10:
            yield from _comment(comment)
            yield code
        elif line.startswith("# "):
            yield from _comment(line.removeprefix("# "))
        else:
            yield line


def _comment(text: str) -> list[str]:
    """Returns a comment in lines that can be pasted."""
    return [f"# {row}" for row in textwrap.wrap(text, WIDTH - 12, break_long_words=False)]


def _block_lines(block: Block) -> list[Line]:
    if isinstance(block, Text):
        return _rows(block.text, _STYLES[block.look])
    if isinstance(block, Curves):
        return _curves_lines(block)
    if not isinstance(block, Table):
        return []
    if block.is_list:
        return [[(block.caption, "bold")], *_list_lines(block), []]
    return _table_lines(block) if block.columns else []


def _curves_lines(block: Curves) -> list[Line]:
    if len(block.histories) == 1:
        (history,) = block.histories.values()
        return curve_lines(dict(history))
    histories = {half: dict(history) for half, history in block.histories.items()}
    curves: list[Line] = [[(row, "")] for row in sparkline_rows(histories)]
    return curves + [[(f"  {end.name:<11}{end.value}", "dim")] for end in block.ends]


def _table_lines(table: Table) -> list[Line]:
    lines: list[Line] = [[(shortened(f"  {plain(table.caption)}", WIDTH), "bold")]]
    if table.rows:
        head = _cells(table, [(plain(column.heading), "") for column in table.columns])
        lines.append([("".join(text for text, _ in head), "dim")])
    for row in table.rows:
        cells = [row[column.index] for column in table.columns]
        lines.append(_cells(table, [(_short(cell), _STYLES[cell.look]) for cell in cells]))
    for index in table.asides:
        known = [f"{row[0].text} {row[index].text}" for row in table.rows if row[index].text]
        lines += _rows(f"{table.head[index]}: {', '.join(known)}", "dim") if known else []
    for note in (*table.notes, *table.legend):
        lines += _rows(note, "dim")
    return [*lines, []]


def _short(cell: Cell) -> str:
    return plain(cell.text if cell.short is None else cell.short)


def _cells(table: Table, texts: Sequence[tuple[str, str]]) -> Line:
    """Returns a row: numbers on the right, texts on the left, shortened as far as needed."""
    line: Line = [("  ", "")]
    room, is_after_number = WIDTH - 2, False
    for (text, style), column in zip(texts, table.columns, strict=True):
        is_number = column.index in table.numeric
        gap = " " if is_after_number and not is_number else ""
        width = column.width or room - len(gap)
        if is_number:
            cell = f"{shortened(text, width):>{width}}"
        else:
            cell = gap + f"{shortened(text, width - 1 if column.width else width):<{column.width}}"
        line.append((cell, style))
        room, is_after_number = room - len(cell), is_number
    return line


def _list_lines(table: Table) -> Iterator[Line]:
    """Yields the rows as numbered texts: the first cell, then the others with their names."""
    for number, row in enumerate(table.rows, start=1):
        first, second = row[0].text, row[1].text
        room = WIDTH - 8 - len(second)
        yield [(f"  {number}. {shortened(plain(first), room)}", "bold"), (f"  {second}", "dim")]
        for name, cell in zip(table.head[2:], row[2:], strict=True):
            if cell.text:
                yield from _rows(f"{name}: {cell.text}", "", "     ")
