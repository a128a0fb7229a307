"""What a report shows, before it is laid out: text and pictures, every number formatted already.

    builders (run_page, sweep_page, ...) -> Page -> render -> HTML

All strings but pictures are plain text from anywhere; the template escapes them. A picture is SVG
or a PNG that `svg` or `images` has drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# What a verdict, a level or a row of a table looks like; its word is shown beside the colour.
PASS, FAIL, WARN, QUIET = "pass", "fail", "warn", "quiet"


@dataclass(frozen=True)
class Fact:
    """One line of what a run was: `seed` `42`."""

    name: str
    value: str


@dataclass(frozen=True)
class Rung:
    """One level of the ladder.

    Attributes:
        id: "data", "structure", ...
        look: PASS, FAIL, WARN (skipped) or QUIET (not reached).
        word: its status in words.
        worst: greatest difference, "" where nothing was compared.
        allowed: what still passes, "" as above.
        where: the item with it.
        tolerance_source: what is allowed and why.
        compared: how many values, where they are compared bit for bit.
    """

    id: str
    look: str
    word: str
    worst: str = ""
    allowed: str = ""
    where: str = ""
    tolerance_source: str = ""
    compared: str = ""


@dataclass(frozen=True)
class Cause:
    """One likely cause of a divergence.

    Attributes:
        title: with its ID.
        confidence: "99 %", or "".
        lines: what was seen, both formulas, where in the port; (name, text).
        fix: what to do.
    """

    title: str
    confidence: str
    lines: tuple[Fact, ...] = ()
    fix: str = ""


@dataclass(frozen=True)
class Divergence:
    """The first place where two runs differ.

    Attributes:
        place: level, item, epoch, step, index.
        facts: both values, the difference and what was allowed, the layer, the line.
        causes: the likeliest first.
        hints: what else differs, and need not matter.
    """

    place: str
    facts: tuple[Fact, ...]
    causes: tuple[Cause, ...] = ()
    hints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Text:
    """A paragraph.

    Attributes:
        text: of the paragraph.
        look: as of a rung, or "" for plain text.
    """

    text: str
    look: str = ""


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: shown.
        look: as of a rung, or "".
        share: 0 to 1, how far a bar or a shade behind it goes; None = none.
        link: to a place of this page ("#id") or a file beside it; "" = none.
    """

    text: str
    look: str = ""
    share: float | None = None
    link: str = ""


@dataclass(frozen=True)
class Table:
    """A table; the first cell of a row heads it.

    Attributes:
        caption: what it shows.
        head: names of the columns.
        rows: as many cells each.
        numeric: indices of the columns with numbers.
        is_shaded: a share shades the whole cell, as in a matrix, and is no bar.
        is_narrow: another may stand beside it.
        note: below it.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: frozenset[int] = frozenset()
    is_shaded: bool = False
    is_narrow: bool = False
    note: str = ""


@dataclass(frozen=True)
class Picture:
    """A drawing.

    Attributes:
        svg: markup of our own making.
        caption: what it shows and how to read it.
        description: what a reader who cannot see it has to know: the figures in words.
        table: the numbers behind it, folded away; None = they stand elsewhere.
    """

    svg: str
    caption: str
    description: str
    table: Table | None = None


@dataclass(frozen=True)
class Strip:
    """A row of images under one name.

    Attributes:
        name: "Keras", "PyTorch", "difference".
        pngs: data URLs.
        description: for who cannot see them.
    """

    name: str
    pngs: tuple[str, ...]
    description: str


@dataclass(frozen=True)
class Strips:
    """Rows of images, whose columns belong together.

    Attributes:
        caption: what they are.
        rows: equally many images each.
        labels: a text a column, or none.
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
    """A part of the page with a heading of its own.

    Attributes:
        id: of the heading, unique on the page.
        title: of the heading.
        blocks: in order.
    """

    id: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """A whole report.

    Attributes:
        title: of the document, such as "capacity, seed 42".
        look: of the verdict: PASS, FAIL or WARN.
        verdict: one word.
        sentence: what it means.
        facts: mode, seed, versions.
        problems: what is missing or damaged.
        ladder: levels; empty where there is none.
        divergence: the first one, or None.
        sections: below the first screen.
    """

    title: str
    look: str
    verdict: str
    sentence: str
    facts: tuple[Fact, ...] = ()
    problems: tuple[str, ...] = ()
    ladder: tuple[Rung, ...] = ()
    divergence: Divergence | None = None
    sections: tuple[Section, ...] = ()


def sections_of(parts: Iterable[tuple[str, str, Sequence[Block]]]) -> tuple[Section, ...]:
    """Returns a section for each (id, title, blocks) that has a block."""
    return tuple(Section(id, title, tuple(blocks)) for id, title, blocks in parts if blocks)
