"""The table of scenarios as text."""

from __future__ import annotations

import textwrap

from parity.programs.scenarios import CAUSES, PROGRAMS, REMEDIES
from parity.report.lines import WIDTH, Line

GROUPS = {
    "The article's programs: `parity run`": PROGRAMS,
    "Causes, with the verdict to expect: `parity sweep`": CAUSES,
    "Remedies, with the cause that each one cures": REMEDIES,
}
_INDENT = 27


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
