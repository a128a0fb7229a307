"""The text of `parity doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parity.ladder.items import PASS
from parity.runs.doctor import TESTED

if TYPE_CHECKING:
    from parity.report.page import Line
    from parity.runs.doctor import Report


def doctor_lines(report: Report) -> list[Line]:
    """Returns the findings of the doctor as text."""
    lines: list[Line] = []
    for name, installed in report.versions.items():
        note = "" if installed == TESTED.get(name) else f"  (tested with {TESTED.get(name)})"
        lines.append([(f"  {name:<12} {installed}{note}", "")])
    lines += [[(f"  {'loops':<12} {text}", "")] for text in _loops(report.loops)]
    for check in report.checks:
        style = "bold green" if check["status"] == PASS else "bold red"
        lines.append(
            [
                (f"  {check['status'].upper():<5}", style),
                (f"{check['title']:<34}{check['scenario']:<14}{check['found']}", ""),
            ]
        )
    for error in report.errors:
        lines += [[("  " + row, "")] for row in error.splitlines()]
    if not report.errors and report.exit_code:
        lines.append(
            [
                (
                    "  If a stream differs, every seeded comparison fails there: "
                    "install the tested versions.",
                    "",
                )
            ]
        )
    return lines


def _loops(loops: dict[str, str]) -> list[str]:
    """Returns where the loops in C come from: one text if it is the same for all."""
    names: dict[str, list[str]] = {}
    for name, origin in loops.items():
        names.setdefault(origin, []).append(name)
    if len(names) == 1:
        return list(names)
    return [f"{origin}: {', '.join(those)}" for origin, those in names.items()]
