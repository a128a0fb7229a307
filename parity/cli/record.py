"""`parity record`: writes what a Keras model computes, for checks without TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from parity.cli import names
from parity.cli.names import files
from parity.cli.options import with_children, with_options
from parity.cli.probes import PROBES, spec_of
from parity.cli.program_specs import check_specs_of
from parity.halves.options import ChildOptions


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path), metavar="BUNDLE")
@click.argument("program", required=False, shell_complete=names.programs)
@click.option(
    "--keras",
    metavar="MODULE:FUNCTION",
    shell_complete=files(),
    help="Function that returns the compiled Keras model.",
)
@with_options(PROBES)
@with_children()
@click.option("--quiet", is_flag=True, help="Print errors only.")
def record(
    bundle: Path,
    program: str | None,
    keras: str | None,
    children: ChildOptions,
    **settings: Any,
) -> int:
    """Writes what a Keras model computes to the file BUNDLE, to check a port without TensorFlow.

    PROGRAM names the model, as for `parity check`; --keras gives one without a name. The bundle
    holds numbers and no code. Use it with `parity check --against BUNDLE --torch ...`.
    """
    from parity.runs.check_options import CheckOptions
    from parity.runs.record import record_spec

    if (program is None) == (keras is None):
        raise click.UsageError("expected either a PROGRAM or --keras")
    if program is None:
        spec = spec_of(keras=keras, **settings)
    else:
        (spec,) = check_specs_of([program], settings)
    record_spec(spec, bundle, CheckOptions(children=children))
    if not children.quiet:
        click.echo(f"wrote {bundle} ({bundle.stat().st_size / 1e6:.1f} MB)")
    return 0
