"""`parity doctor`: checks the random streams of the installed versions."""

from __future__ import annotations

from pathlib import Path

import click

from parity.cli.options import COMMON, with_children, with_options
from parity.cli.saved import check_file, write_json_file
from parity.halves.job import ChildOptions


@click.command()
@with_children()
@with_options(COMMON)
def doctor(
    children: ChildOptions,
    json_file: Path | None,
) -> int:
    """Checks that the installed versions still draw the random streams that the port reproduces."""
    from parity.report.text.doctor import doctor_lines
    from parity.report.text.page import print_lines
    from parity.runs.doctor import examine

    check_file(json_file)
    report = examine(children)
    if json_file is not None:
        write_json_file(json_file, report.to_json())
    if not children.quiet:
        print_lines(doctor_lines(report))
    return report.exit_code
