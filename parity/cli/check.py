"""`parity check`: compares a user's own pair of models level by level."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from parity.cli import options
from parity.cli.options import (
    COMMON,
    PROBES,
    divergence_names,
    exit_code,
    files,
    given,
    levels,
    out_option,
    parse_tolerance,
    path_option,
    separated,
    several_of,
    spec_of,
    with_children,
    with_options,
    words,
)
from parity.cli.program_specs import check_specs_of
from parity.cli.saved import check_file, complain, write_results
from parity.errors import InputError
from parity.halves.job import ChildOptions
from parity.traces.folder import REPORT

OUT = out_option("Folder for the traces, logs and report.  [default: nothing is kept]")


@click.command()
@click.argument("programs", nargs=-1, metavar="[PROGRAM ...]", shell_complete=options.programs)
@click.option(
    "--keras",
    metavar="MODULE:FUNCTION",
    shell_complete=files(),
    help="Function that returns the compiled Keras model; or a training script; or a .keras or .h5 "
    "file of model.save.",
)
@click.option(
    "--torch",
    metavar="MODULE:FUNCTION",
    shell_complete=files(),
    help="Function that returns the torch module, or a Port.",
)
@click.option("--arguments", metavar="TEXT", help="Command line of the script, in quotes.")
@path_option(
    "--against",
    metavar="BUNDLE",
    help="File from `parity record`, or a folder with one for each program, instead of the Keras "
    "halves; needs no TensorFlow.",
)
@with_options(PROBES)
@click.option(
    "--levels",
    metavar="A,B,C",
    shell_complete=several_of(levels),
    help="Levels that decide the verdict, such as forward,loss.  [default: all]",
)
@click.option(
    "--tolerance",
    metavar="NUMBER",
    callback=parse_tolerance,
    help="Allow this relative difference, or LEVEL=NUMBER,...  [default: what rounding explains]",
)
@click.option(
    "--accept",
    metavar="ID,ID",
    shell_complete=several_of(divergence_names),
    help="Divergences that are known: they are told and decide nothing.",
)
@click.option(
    "--device",
    help="Device of the torch half: cpu, cuda or cuda:N.  [default: cpu]",
)
@OUT
@with_children()
@with_options(COMMON)
def check(
    programs: tuple[str, ...],
    keras: str | None,
    torch: str | None,
    arguments: str | None,
    against: Path | None,
    levels: str | None,
    tolerance: Mapping[str, float] | None,
    accept: str | None,
    out: Path | None,
    children: ChildOptions,
    json_file: Path | None,
    **settings: Any,
) -> int:
    """Compares your PyTorch port with your Keras model, and lists all divergences with their fixes.

    A PROGRAM is one of [tool.parity.programs] in pyproject.toml, or a built-in scenario (see
    `parity list`). Without any name or factory, all of the table are checked, side by side.
    MODULE:FUNCTION is imported from the current folder; FILE.py:FUNCTION works too.

    Exit codes: 0 parity holds, 1 parity does not hold, 2 wrong use or bad input, 3 a half failed
    or the check is incomplete. Of several programs, the greatest counts.
    """
    from parity.report.pages.runs_page import result_page, runs_page, without_repeats
    from parity.report.read import FoundRun
    from parity.report.text.page import main_lines, page_lines, print_lines
    from parity.report.write import attempt_reports
    from parity.runs.against import check_against
    from parity.runs.check import check_all
    from parity.runs.check_halves import CheckOptions, allowed_by_user, folders_of

    check_file(json_file)
    allowed = allowed_by_user(Path.cwd(), tolerance, separated(accept))
    if programs and (keras is not None or torch is not None):
        raise click.UsageError("--keras and --torch are for a pair without a name")
    named = {}
    if keras is None and torch is None:
        named = check_specs_of(programs, settings, against)
    specs = [*named.values()]
    if not specs and keras is None and torch is None and against is None:
        raise InputError(
            "there is nothing to check: the folder has no table of programs "
            "([tool.parity.programs] in pyproject.toml); name a scenario, "
            "or give --keras and --torch"
        )
    if not specs:
        pair = {"keras": keras, "torch": torch, "arguments": words(arguments)}
        bundle = None if against is None else str(against)
        specs = [spec_of(**pair, against=bundle, **settings)]
        if against is not None and keras is None:
            specs = [check_against(specs[0], against, given(settings))]
    options = CheckOptions(out=out, children=children, levels=separated(levels), **allowed)
    results = check_all(specs, options)
    if json_file is not None:
        write_results(json_file, [result.to_json() for result in results])
    if out is not None:
        attempt_reports(out, dict(zip(folders_of(specs, out), results, strict=True)), complain)
    if not children.quiet:
        shown: dict[str, str] = {}
        for result in results:
            print_lines(page_lines(result_page(without_repeats(result, shown))))
        if len(results) > 1:
            runs = [FoundRun(None, result) for result in results]
            print_lines(main_lines(runs_page(runs, names=[*named])))
        if out is not None:
            print_lines([[(f"results and {REPORT} in {out}", "dim")]])
    return max(exit_code(result.verdict) for result in results)
