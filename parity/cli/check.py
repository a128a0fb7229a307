"""The commands for the user's own pair of models: check, record, explain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from parity.cli.names import divergences, files, levels, several_of
from parity.cli.options import (
    COMMON,
    check_file,
    with_children,
    with_options,
    write_json_file,
    write_report,
)
from parity.halves.options import ChildOptions
from parity.traces.folder import REPORT

PROBES = [
    click.option(
        "--data",
        metavar="FILE",
        shell_complete=files(),
        help="A .npz with x and y; samples are drawn without.",
    ),
    click.option("--seed", type=int, default=0, show_default=True, help="Of weights and samples."),
    click.option(
        "--steps", type=int, default=6, show_default=True, help="Training steps that are compared."
    ),
    click.option(
        "--batch-size", type=int, default=4, show_default=True, help="Samples of a probe."
    ),
    click.option("--threads", type=int, default=1, show_default=True, help="Intra-op threads."),
]
OUT = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder that keeps bundle, trace, logs and the report.  [default: none is kept]",
)


@click.command()
@click.option(
    "--keras",
    metavar="MODULE:FUNCTION",
    shell_complete=files(),
    help="Returns the compiled Keras model.",
)
@click.option(
    "--torch",
    metavar="MODULE:FUNCTION",
    shell_complete=files(),
    help="Returns the torch module, or a Port.",
)
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="BUNDLE",
    help="What `parity record` wrote, in the place of --keras; needs no TensorFlow.",
)
@with_options(PROBES)
@click.option(
    "--levels",
    metavar="A,B,C",
    shell_complete=several_of(levels),
    help="Levels that count, such as forward,loss.  [default: all]",
)
@click.option("--device", default="cpu", show_default=True, help="Of torch: cpu, cuda or cuda:N.")
@OUT
@with_children()
@with_options(COMMON)
def check(
    keras: str | None,
    torch: str | None,
    against: Path | None,
    levels: str | None,
    out: Path | None,
    children: ChildOptions,
    json_file: Path | None,
    **settings: Any,
) -> int:
    """Compares your PyTorch port with your Keras model, and names the first divergence.

    MODULE:FUNCTION is found from the folder of the call; FILE.py:FUNCTION is taken too.

    Exit codes: 0 parity holds, 1 it does not, 2 wrong use, 3 a half crashed.
    """
    from parity.report.text.check import check_lines
    from parity.report.text.terminal import print_lines
    from parity.runs.check import check_all
    from parity.runs.check_halves import CheckOptions

    check_file(json_file)
    spec = _spec(
        keras=keras, torch=torch, against=None if against is None else str(against), **settings
    )
    counted = [level.strip() for level in levels.split(",")] if levels else []
    options = CheckOptions(out=out, children=children, levels=counted)
    (result,) = check_all([spec], options)
    if json_file is not None:
        write_json_file(json_file, result.to_json())
    if out is not None:
        write_report(out)
    if not children.quiet:
        print_lines(check_lines(result))
        if out is not None:
            print_lines([[(f"results and {REPORT} in {out}", "dim")]])
    return 0 if result.verdict == "pass" else 1


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path), metavar="BUNDLE")
@click.option(
    "--keras",
    required=True,
    metavar="MODULE:FUNCTION",
    shell_complete=files(),
    help="Returns the compiled Keras model.",
)
@with_options(PROBES)
@with_children()
@click.option("--quiet", is_flag=True, help="Print errors only.")
def record(
    bundle: Path,
    keras: str,
    children: ChildOptions,
    **settings: Any,
) -> int:
    """Writes what a Keras model computes into BUNDLE, to check a port without TensorFlow.

    The bundle holds numbers and no code: `parity check --against BUNDLE --torch ...` reads it.
    """
    from parity.runs.check_halves import CheckOptions
    from parity.runs.record import record_spec

    record_spec(_spec(keras=keras, **settings), bundle, CheckOptions(children=children))
    if not children.quiet:
        click.echo(f"wrote {bundle} ({bundle.stat().st_size / 1e6:.1f} MB)")
    return 0


@click.command()
@click.argument("name", metavar="ID", shell_complete=divergences)
@with_options(COMMON)
def explain(name: str, json_file: Path | None, quiet: bool) -> int:
    """Explains a divergence by its ID or its name, such as F2 or adam-epsilon-placement.

    Prints both formulas and the fix. `parity list divergences` lists all of them.
    """
    from parity.divergences import find
    from parity.report.text.divergences import explanation_lines
    from parity.report.text.terminal import print_lines

    check_file(json_file)
    found = find(name)
    if json_file is not None:
        write_json_file(json_file, found.to_json())
    if not quiet:
        print_lines(explanation_lines(found))
    return 0


def _spec(**settings: Any) -> Any:
    from parity.programs.check_spec import CheckSpec

    return CheckSpec(folder=str(Path.cwd()), **settings)
