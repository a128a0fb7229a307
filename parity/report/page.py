"""One page for each result, which four renderers show: terminal, HTML, Markdown and JUnit."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from parity.files.log_text import plain as plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure


# --- Lines of text with styles, and functions that fit long texts into them -----------------------


Line = list[tuple[str, str]]  # (text, style of rich)

WIDTH = 80


def shortened(text: str, width: int) -> str:
    """Removes the middle of a text that is too wide; keeps at least 7 characters."""
    if len(text) <= max(width, 7):
        return text
    kept = max(width, 7) - 3
    return text[: kept - kept // 2] + "..." + text[len(text) - kept // 2 :]


def wrapped(text: str, indent: str = "    ", *, max_lines: int | None = None) -> list[str]:
    """Breaks a text into rows of at most WIDTH columns, each indented."""
    return textwrap.wrap(
        plain(text),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        max_lines=max_lines,
        placeholder=" ...",
    )


def labelled(label: str, text: str, style: str = "") -> list[Line]:
    """Returns a text behind a label, wrapped."""
    first, *rest = wrapped(text, " " * 10) or [""]
    return [
        [(f"    {label:<6}", style), (first.strip(), style)],
        *[[(row, style)] for row in rest],
    ]


# --- One page for each result, which four renderers show: terminal, HTML, Markdown and JUnit ------
#
#     result -> `pages` -> Page -> text, html, export.markdown, export.junit
#
# A builder in `pages` knows one kind of result, and says each sentence once. A renderer knows pages
# and no kind of result; it leaves out what it has no room for. All strings but `Strip.pngs` are
# plain text from anywhere: each renderer escapes them for its format.


# The look of a verdict, a level or a row of a table; the page shows its word and its colour.
PASS, FAIL, WARN, QUIET = "pass", "fail", "warn", "quiet"
MAX_NOTES = 10  # of one label, in text and Markdown
MAX_ROWS = 200  # of a table in HTML


@dataclass(frozen=True)
class Fact:
    """One property of a result, or one line of a note: `seed` `42`.

    Attributes:
        name: of the property; "" for a line without a name.
        value: its value.
        is_main: whether it is so important that the terminal and Markdown show it too.
    """

    name: str
    value: str
    is_main: bool = False


@dataclass(frozen=True)
class Rung:
    """One level of the ladder.

    Attributes:
        id: "data", "structure", ...
        look: PASS, FAIL, WARN (skipped, follows) or QUIET (not reached, not there).
        word: its status in words.
        differs: difference of its first divergence, else the greatest; "" if nothing was compared.
        allowed: greatest difference that passes, "" as above.
        item: the item with this difference; "" if none differs more than the others.
        moment: epoch and step of the item in brackets, after a space; or "".
        compared: how many values were compared; or why there are none.
        source: the allowed difference and its reason.
    """

    id: str
    look: str
    word: str
    differs: str = ""
    allowed: str = ""
    item: str = ""
    moment: str = ""
    compared: str = ""
    source: str = ""

    @property
    def where(self) -> str:
        """The place of the difference; without one, how much was compared."""
        return self.item + self.moment or self.compared


@dataclass(frozen=True)
class Cause:
    """One likely cause of a divergence.

    Attributes:
        id: "F2".
        slug: its name, "adam-epsilon-placement"; "" if the registry has none.
        title: in a few words.
        confidence: "99 %", "likely" or "possible".
        seen: evidence, or "".
        fix: lines of code, or of advice; none if there is no fix.
        is_code: whether the fix is code to copy, and not advice.
        is_tried: whether it was tried, and helped.
        where: file and line of the port, or "".
        formulas: of both halves, and where Keras defines its own.
    """

    id: str
    slug: str
    title: str
    confidence: str
    seen: str = ""
    fix: tuple[str, ...] = ()
    is_code: bool = False
    is_tried: bool = False
    where: str = ""
    formulas: tuple[Fact, ...] = ()

    @property
    def name(self) -> str:
        """ID, slug and title: "F2 adam-epsilon-placement: Adam adds ..."."""
        return f"{f'{self.id} {self.slug}'.rstrip()}: {self.title}"


@dataclass(frozen=True)
class Divergence:
    """A place where two halves differ.

    Attributes:
        number: counted from 1.
        level: at which it is visible first.
        item: name of the first item that shows it.
        moment: epoch and step of the item in brackets, after a space; or "".
        index: of the greatest difference in the array, "[3, 4]"; or "".
        keras: the value there in Keras.
        torch: that of the port.
        difference: of both, its limit, and a note.
        is_text: whether the values are texts, which need no difference.
        others: names of the other items that show it.
        where: the pair of layers, or "".
        causes: the most likely first.
        is_accepted: whether the user accepts it.
        same_as: number of an earlier one that the same values show, or 0.
        note: what to know if no cause is known.
    """

    number: int
    level: str
    item: str
    moment: str
    index: str
    keras: str
    torch: str
    difference: str
    is_text: bool = False
    others: tuple[str, ...] = ()
    where: str = ""
    causes: tuple[Cause, ...] = ()
    is_accepted: bool = False
    same_as: int = 0
    note: str = ""

    @property
    def place(self) -> str:
        """Level, item, moment and index."""
        index = f" at {self.index}" if self.index else ""
        return f"{self.level}: {self.item}{self.moment}{index}"

    @property
    def values(self) -> str:
        """Both values and their difference."""
        return f"keras {self.keras}, torch {self.torch}; {self.difference}"


@dataclass(frozen=True)
class Divergences:
    """All places where two halves differ.

    Attributes:
        title: "3 divergences".
        found: in the order of the levels; those that are accepted last.
        advice: what to do where no cause is known.
        follows: what differs only because of them, by level.
        summary: how much that is, in a sentence.
    """

    title: str
    found: tuple[Divergence, ...]
    advice: tuple[Fact, ...] = ()
    follows: tuple[Fact, ...] = ()
    summary: str = ""


@dataclass(frozen=True)
class Note:
    """A remark: what could not be compared, a setting that differs, a run that is missing.

    Attributes:
        label: kind of the remark: "warning", "not compared".
        text: the remark.
        facts: reasons, and what to do.
        look: as for a rung, or "".
    """

    label: str
    text: str
    facts: tuple[Fact, ...] = ()
    look: str = ""


@dataclass(frozen=True)
class Text:
    """A paragraph.

    Attributes:
        text: text of the paragraph.
        look: as for a rung, or "" for plain text.
    """

    text: str
    look: str = ""


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: the text.
        look: as for a rung, or "".
        share: length of a bar or strength of a shade behind it, 0 to 1; None = none.
        link: link to a place on this page ("#id") or to a file in its folder; "" = none.
        short: the text where there is little room; None = the text.
    """

    text: str
    look: str = ""
    share: float | None = None
    link: str = ""
    short: str | None = None


@dataclass(frozen=True)
class Column:
    """A column of a table where there is room for 80 characters.

    Attributes:
        index: of the column in the table.
        heading: its name there.
        width: in characters; 0 = what is left.
    """

    index: int
    heading: str
    width: int


@dataclass(frozen=True)
class Table:
    """A table; the first cell of a row is its heading.

    Attributes:
        caption: title of the table.
        head: names of the columns.
        rows: rows with a cell per column.
        numeric: indices of the columns with numbers.
        is_shaded: whether a share shades the whole cell, as in a matrix, instead of a bar.
        is_narrow: whether two such tables fit side by side.
        notes: texts below the table.
        columns: what a terminal shows of it, in this order; none = nothing.
        legend: what the short texts mean; where all columns are shown, nobody needs it.
        asides: columns that a terminal shows in a line each, below the others.
        is_list: whether a terminal shows each row as a list of texts.
        noun: what the rows are, for the note on those that are left out.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: frozenset[int] = frozenset()
    is_shaded: bool = False
    is_narrow: bool = False
    notes: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    legend: tuple[str, ...] = ()
    asides: tuple[int, ...] = ()
    is_list: bool = False
    noun: str = "rows"


def first_notes(notes: Iterable[Note]) -> tuple[list[Note], dict[str, int]]:
    """Returns the first `MAX_NOTES` of each label, and by label how many more there are."""
    by_label: dict[str, int] = {}
    first = []
    for note in notes:
        by_label[note.label] = by_label.get(note.label, 0) + 1
        if by_label[note.label] <= MAX_NOTES:
            first.append(note)
    return first, {k: number - MAX_NOTES for k, number in by_label.items() if number > MAX_NOTES}


def listed(names: Sequence[str], most: int = 12) -> str:
    """Returns names with commas; of many, the first ones, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f", and {more} more" if more > 0 else "")


def columns_of(head: Sequence[str], *widths: int) -> tuple[Column, ...]:
    """Returns all columns of a table with their widths."""
    return tuple(Column(n, head[n], width) for n, width in enumerate(widths))


def as_shown(table: Table) -> Table:
    """Returns the first rows of a table, and a note on the others, so that a page stays small.

    Columns in which no row has a text are left out; the first one stays.
    """
    number, rows = len(table.rows), table.rows[:MAX_ROWS]
    note = f"the first {MAX_ROWS} of {number:,} {table.noun}; the result file has all"
    kept = [
        column
        for column in range(len(table.head))
        if not column or not table.rows or any(row[column].text for row in table.rows)
    ]
    return replace(
        table,
        head=tuple(table.head[column] for column in kept),
        rows=tuple(tuple(row[column] for column in kept) for row in rows),
        numeric=frozenset(new for new, old in enumerate(kept) if old in table.numeric),
        notes=(*((note,) if number > MAX_ROWS else ()), *table.notes),
    )


@dataclass(frozen=True)
class Picture:
    """A drawing, which is drawn where there is room for it.

    Attributes:
        name: of letters and digits, unique on the page.
        height: inches.
        paint: draws into a figure.
        caption: what it shows and how to read it.
        description: the numbers in words, for readers who cannot see it.
        table: the numbers of the drawing, folded; None = they are elsewhere.
    """

    name: str
    height: float
    paint: Callable[[Figure], None]
    caption: str
    description: str
    table: Table | None = None


@dataclass(frozen=True)
class Curves:
    """Training curves: of both halves over each other, or of one training.

    Attributes:
        histories: "keras" and "torch", or only one name, to Keras's keys; a value an epoch.
        pictures: the drawings of them.
        ends: the end of each training in words.
    """

    histories: Mapping[str, Mapping[str, Any]]
    pictures: tuple[Picture, ...]
    ends: tuple[Fact, ...] = ()


@dataclass(frozen=True)
class Strip:
    """A row of images with one name.

    Attributes:
        name: "Keras", "PyTorch", "difference".
        pngs: data URLs.
        description: for readers who cannot see them.
    """

    name: str
    pngs: tuple[str, ...]
    description: str


@dataclass(frozen=True)
class Strips:
    """Rows of images with related columns.

    Attributes:
        caption: title of the images.
        rows: rows with the same number of images.
        labels: a text per column, or none.
    """

    caption: str
    rows: tuple[Strip, ...]
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Code:
    """Text to copy: a command, a spec."""

    label: str
    text: str


@dataclass(frozen=True)
class Folded:
    """Blocks behind a line that opens them."""

    summary: str
    blocks: tuple[Block, ...]


Block = Text | Table | Picture | Curves | Strips | Code | Folded


@dataclass(frozen=True)
class Section:
    """A part of the page with its own heading.

    Attributes:
        id: ID of the heading, unique on the page.
        title: text of the heading.
        blocks: contents in order.
        is_main: whether the terminal and Markdown show it too, as far as they can.
    """

    id: str
    title: str
    blocks: tuple[Block, ...]
    is_main: bool = False


@dataclass(frozen=True)
class Case:
    """One test of JUnit: a level, a comparison, a row.

    Attributes:
        name: of the test.
        group: of tests that belong together, or "".
        status: "passed", "failure", "error" or "skipped".
        type: kind of the failure.
        message: what there is to say, in one line.
        lines: the whole text; none = the message.
        divergences: what is told behind the lines.
    """

    name: str
    group: str = ""
    status: str = "passed"
    type: str = ""
    message: str = ""
    lines: tuple[str, ...] = ()
    divergences: tuple[Divergence, ...] = ()


@dataclass(frozen=True)
class Suite:
    """The tests of one result.

    Attributes:
        kind: "run", "check", "sweep", ...
        name: of the result.
        verdict: of the result.
        sentence: its meaning; a test of its own if the verdict is bad and no test says so.
        cases: the tests.
        properties: what was run, and with which versions; None is left out.
        seconds: times that are known, of which the sum counts.
    """

    kind: str
    name: str
    verdict: str
    sentence: str
    cases: tuple[Case, ...]
    properties: Mapping[str, Any]
    seconds: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Page:
    """A whole report.

    Attributes:
        title: title of the document, such as "capacity, seed 42".
        look: look of the verdict: PASS, FAIL or WARN.
        verdict: one word.
        sentence: meaning of the verdict.
        head: subject and settings, for one line; none = the title.
        word: the verdict as it is shown; "" = as it is.
        facts: mode, seed, versions.
        problems: missing or damaged parts, and errors.
        ladder: the levels; empty if there is no ladder.
        divergences: where the halves differ, or None.
        opens: what could not be compared.
        notes: other remarks, without effect on the verdict.
        sections: below the first screen.
        suites: what a CI system counts as tests.
    """

    title: str
    look: str
    verdict: str
    sentence: str
    head: tuple[str, ...] = ()
    word: str = ""
    facts: tuple[Fact, ...] = ()
    problems: tuple[str, ...] = ()
    ladder: tuple[Rung, ...] = ()
    divergences: Divergences | None = None
    opens: tuple[Note, ...] = ()
    notes: tuple[Note, ...] = ()
    sections: tuple[Section, ...] = ()
    suites: tuple[Suite, ...] = ()

    @property
    def shown_verdict(self) -> str:
        """The verdict as it is shown."""
        return self.word or self.verdict.replace("_", " ")


def sections_of(
    parts: Iterable[tuple[str, str, Sequence[Block]]], main: Sequence[str] = ()
) -> tuple[Section, ...]:
    """Returns a section for each (id, title, blocks) that has a block.

    Args:
        parts: in their order.
        main: IDs of those that all renderers show.
    """
    return tuple(
        Section(id, title, tuple(blocks), id in main) for id, title, blocks in parts if blocks
    )
