"""`parity list` and `parity explain`: the programs and divergences that have a name."""

from __future__ import annotations

from pathlib import Path

import click

from parity.cli.options import COMMON, divergences, with_options
from parity.cli.program_specs import user_programs
from parity.cli.saved import check_file, write_json_file


@click.command("list")
@click.argument(
    "what", type=click.Choice(["programs", "divergences"]), default="programs", required=False
)
@with_options(COMMON)
def list_command(what: str, json_file: Path | None, quiet: bool) -> int:
    """Lists the programs, built in and your own, or the known divergences.

    Your own are those of [tool.parity.programs] in pyproject.toml.
    """
    from parity.programs.scenarios import SCENARIOS
    from parity.report.text.page import print_lines
    from parity.report.text.tables import program_lines, scenario_lines

    check_file(json_file)
    if what == "divergences":
        from parity.divergences import REGISTRY
        from parity.report.text.tables import divergence_table

        if json_file is not None:
            write_json_file(json_file, {name: d.to_json() for name, d in REGISTRY.items()})
        if not quiet:
            print_lines(divergence_table())
        return 0
    table = user_programs()
    if json_file is not None:
        rows = {
            **{name: found.to_dict() for name, found in table.programs.items()},
        }
        rows |= {
            name: {
                **found.spec.to_dict(),
                "summary": found.summary,
                "expected": found.expected,
                "cures": found.cures,
            }
            for name, found in SCENARIOS.items()
        }
        write_json_file(json_file, rows)
    if not quiet:
        print_lines([*program_lines(table), *scenario_lines()])
    return 0


@click.command()
@click.argument("name", metavar="ID", shell_complete=divergences)
@with_options(COMMON)
def explain(name: str, json_file: Path | None, quiet: bool) -> int:
    """Explains one divergence: both formulas and the fix.

    ID is its ID or its name, such as F2 or adam-epsilon-placement. `parity list divergences` lists
    all of them.
    """
    from parity.divergences import find
    from parity.report.text.page import print_lines
    from parity.report.text.tables import explanation_lines

    check_file(json_file)
    found = find(name)
    if json_file is not None:
        write_json_file(json_file, found.to_json())
    if not quiet:
        print_lines(explanation_lines(found))
    return 0
