"""The tables of programs and divergences as text, and one entry explained."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from parity.divergences import REGISTRY
from parity.programs.scenarios import CAUSES, PROGRAMS, REMEDIES
from parity.programs.tool_table import ToolTable
from parity.report.page import WIDTH, Line, wrapped

if TYPE_CHECKING:
    from parity.divergences.divergence import Divergence


# --- The registry of divergences as text: the table, and one entry explained ----------------------


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


# --- The tables of programs as text: those of the user's project, and the scenarios ---------------


GROUPS = {
    "The article's programs: `parity run`": PROGRAMS,
    "Causes, with the verdict to expect: `parity sweep`": CAUSES,
    "Remedies, with the cause that each one cures": REMEDIES,
}
_INDENT = 27


def program_lines(table: ToolTable) -> list[Line]:
    """Returns a row for each half of each program of a project; none if it has no programs."""
    lines: list[Line] = []
    for name, found in table.programs.items():
        if not lines:
            lines.append([(f"Your own, in {table.path}: `parity run`", "dim")])
        factories = {"keras": " ".join([found.keras or "", *found.arguments]), "torch": found.torch}
        for half, factory in factories.items():
            shown = name if half == "keras" else ""
            lines.append([(f"  {shown:<{_INDENT - 2}}", "bold"), (f"{half} {factory}", "")])
    return lines


def scenario_lines() -> list[Line]:
    """Returns a row for each scenario, under the heading of its group."""
    lines: list[Line] = []
    for heading, scenarios in GROUPS.items():
        lines.append([(heading, "dim")])
        for name, found in scenarios.items():
            count = "1 epoch" if found.spec.epochs == 1 else f"{found.spec.epochs} epochs"
            about = f"{count}: {found.summary}"
            if found.expected is not None:
                about += f" -> {found.expected}"
            first, *rest = textwrap.wrap(about, WIDTH - _INDENT)
            lines.append([(f"  {name:<{_INDENT - 2}}", "bold"), (first, "")])
            lines += [[(" " * _INDENT + row, "")] for row in rest]
    return lines
