"""The content of a report before its layout: text and pictures, with all numbers formatted.

    builders (run_page, sweep_page, ...) -> Page -> render -> HTML

All strings but pictures are plain text from anywhere; the template escapes them. A picture is SVG
or a PNG that `svg` or `images` has drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

# The look of a verdict, a level or a row of a table; the page shows its word and its colour.
PASS, FAIL, WARN, QUIET = "pass", "fail", "warn", "quiet"


@dataclass(frozen=True)
class Fact:
    """One property of a run: `seed` `42`."""

    name: str
    value: str


@dataclass(frozen=True)
class Rung:
    """One level of the ladder.

    Attributes:
        id: "data", "structure", ...
        look: PASS, FAIL, WARN (skipped, follows) or QUIET (not reached).
        word: its status in words.
        differs: difference of its first divergence, else the greatest; "" if nothing was compared.
        allowed: greatest difference that passes, "" as above.
        where: the item with this difference.
        tolerance_source: the allowed difference and its reason.
        compared: number of values, if they are compared bit for bit.
    """

    id: str
    look: str
    word: str
    differs: str = ""
    allowed: str = ""
    where: str = ""
    tolerance_source: str = ""
    compared: str = ""


@dataclass(frozen=True)
class Cause:
    """One likely cause of a divergence.

    Attributes:
        title: title with the ID.
        confidence: "99 %", "likely", "possible", or "".
        lines: evidence; (name, text).
        fix: what to do.
        formulas: of both halves, and where Keras defines its own; folded.
        is_code: whether the fix is code to copy, and not advice.
        is_tried: whether it was tried, and helped.
        where: file and line of the port, or "".
    """

    title: str
    confidence: str
    lines: tuple[Fact, ...] = ()
    fix: str = ""
    formulas: tuple[Fact, ...] = ()
    is_code: bool = False
    is_tried: bool = False
    where: str = ""


@dataclass(frozen=True)
class Divergence:
    """A place where two halves differ.

    Attributes:
        place: level, item, epoch, step, index.
        facts: both values, the difference and its limit, the layer, the line.
        causes: the most likely first.
        is_accepted: whether the user accepts it.
        note: what to know if no cause is known.
    """

    place: str
    facts: tuple[Fact, ...]
    causes: tuple[Cause, ...] = ()
    is_accepted: bool = False
    note: str = ""


@dataclass(frozen=True)
class Divergences:
    """All places where two halves differ.

    Attributes:
        title: "3 divergences", "First divergence".
        found: in the order of the levels; those that are accepted last.
        follows: what differs only because of them, by level; folded.
        summary: the line that opens it.
        hints: other differences, possibly without effect.
    """

    title: str
    found: tuple[Divergence, ...]
    follows: tuple[Fact, ...] = ()
    summary: str = ""
    hints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Open:
    """A part of the models that could not be compared.

    Attributes:
        what: the part.
        why: the reason.
        do: what the user can do.
    """

    what: str
    why: str
    do: str


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
    """

    text: str
    look: str = ""
    share: float | None = None
    link: str = ""


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
        note: text below the table.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: frozenset[int] = frozenset()
    is_shaded: bool = False
    is_narrow: bool = False
    note: str = ""


def without_empty_columns(table: Table) -> Table:
    """Returns a table without the columns in which no row has a text; the first one stays."""
    kept = [
        column
        for column in range(len(table.head))
        if not column or not table.rows or any(row[column].text for row in table.rows)
    ]
    return replace(
        table,
        head=tuple(table.head[column] for column in kept),
        rows=tuple(tuple(row[column] for column in kept) for row in table.rows),
        numeric=frozenset(new for new, old in enumerate(kept) if old in table.numeric),
    )


@dataclass(frozen=True)
class Picture:
    """A drawing.

    Attributes:
        svg: markup that this project made.
        caption: what it shows and how to read it.
        description: the numbers in words, for readers who cannot see it.
        table: the numbers of the drawing, folded; None = they are elsewhere.
    """

    svg: str
    caption: str
    description: str
    table: Table | None = None


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


Block = Text | Table | Picture | Strips | Code | Folded


@dataclass(frozen=True)
class Section:
    """A part of the page with its own heading.

    Attributes:
        id: ID of the heading, unique on the page.
        title: text of the heading.
        blocks: contents in order.
    """

    id: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """A whole report.

    Attributes:
        title: title of the document, such as "capacity, seed 42".
        look: look of the verdict: PASS, FAIL or WARN.
        verdict: one word.
        sentence: meaning of the verdict.
        facts: mode, seed, versions.
        problems: missing or damaged parts.
        ladder: the levels; empty if there is no ladder.
        divergences: where the halves differ, or None.
        opens: what could not be compared.
        left_out: what was not compared, without effect on the verdict.
        sections: below the first screen.
    """

    title: str
    look: str
    verdict: str
    sentence: str
    facts: tuple[Fact, ...] = ()
    problems: tuple[str, ...] = ()
    ladder: tuple[Rung, ...] = ()
    divergences: Divergences | None = None
    opens: tuple[Open, ...] = ()
    left_out: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()


def sections_of(parts: Iterable[tuple[str, str, Sequence[Block]]]) -> tuple[Section, ...]:
    """Returns a section for each (id, title, blocks) that has a block."""
    return tuple(Section(id, title, tuple(blocks)) for id, title, blocks in parts if blocks)
