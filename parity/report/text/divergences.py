"""The registry of divergences as text: the table, and one entry explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parity.divergences import REGISTRY
from parity.report.lines import Line, wrapped

if TYPE_CHECKING:
    from parity.divergences.divergence import Divergence


def divergence_table() -> list[Line]:
    """Returns a row for each entry, under the level at which it is first visible."""
    lines: list[Line] = []
    for level in dict.fromkeys(entry.level for entry in REGISTRY.values()):
        lines.append([(f"first visible at the level {level}", "dim")])
        for entry in REGISTRY.values():
            if entry.level == level:
                first, *rest = wrapped(entry.title, " " * 34)
                name = [(f"  {entry.id:<6}", "bold"), (f"{entry.slug:<26}", "")]
                lines += [[*name, (first[34:], "")], *([(row, "")] for row in rest)]
    lines.append([("parity explain ID (or its name) shows the formulas and the fix", "dim")])
    return lines


def explanation_lines(entry: Divergence) -> list[Line]:
    """Returns the explanation of one entry."""
    head: Line = [(f"{entry.id} {entry.slug}", "bold")]
    return [head, *([(row, "")] for row in wrapped(entry.title, "  ")), *_formula_lines(entry)]


def _formula_lines(entry: Divergence) -> list[Line]:
    """Returns the level of an entry, both formulas, the fix and the source."""
    lines: list[Line] = []
    rows = {
        "level": f"{entry.level}, where it is first visible",
        "keras": entry.keras,
        "torch": entry.torch,
        "fix": entry.fix,
        "source": entry.source,
    }
    for label, text in rows.items():
        first, *rest = wrapped(text, " " * 10)
        lines.append([(f"  {label:<8}", "dim"), (first.strip(), "")])
        lines += [[(row, "")] for row in rest]
    return lines
