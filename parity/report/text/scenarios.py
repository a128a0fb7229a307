"""The tables of programs as text: those of the user's project, and the scenarios."""

from __future__ import annotations

import textwrap

from parity.programs.scenarios import CAUSES, PROGRAMS, REMEDIES
from parity.programs.tool_table import ToolTable
from parity.report.lines import WIDTH, Line

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
        told = {"keras": " ".join([found.keras or "", *found.arguments]), "torch": found.torch}
        for half, factory in told.items():
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
