"""`parity record`: writes what a Keras model computes, for checks and runs without TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from parity.cli import options
from parity.cli.options import (
    MAX_FEED,
    PROBES,
    files,
    number_option,
    spec_of,
    with_children,
    with_options,
)
from parity.cli.program_specs import check_specs_of, recorded_run_spec
from parity.cli.streams import say
from parity.halves.job import ChildOptions

# Options of a whole training; those of PROBES but --steps are, too.
_OF_RUN = ("arguments", "epochs", "train_size", "val_size", "max_feed")
_OF_BOTH = ("data", "dtype", "seed", "batch_size", "threads")


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path), metavar="BUNDLE")
@click.argument("program", required=False, shell_complete=options.programs)
@click.option(
    "--keras",
    metavar="MODULE:FUNCTION",
    shell_complete=files(),
    help="Function that returns the compiled Keras model; with --run also a training script.",
)
@click.option(
    "--run",
    "is_run",
    is_flag=True,
    help="Train the program whole and record that, for `parity run --against BUNDLE`.",
)
@with_options(PROBES)
@click.option("--arguments", metavar="TEXT", help="With --run: command line of the script.")
@with_options(
    [
        number_option("--epochs", "With --run: number of epochs.", show_default="the program's"),
        number_option(
            "--train-size", "With --run: number of training samples.", show_default="all"
        ),
        number_option(
            "--val-size", "With --run: number of validation samples.", show_default="a sixth"
        ),
        MAX_FEED,
    ]
)
@with_children()
@click.option("--quiet", is_flag=True, help="Print errors only.")
@click.pass_context
def record(
    context: click.Context,
    /,
    bundle: Path,
    program: str | None,
    keras: str | None,
    is_run: bool,
    children: ChildOptions,
    **settings: Any,
) -> int:
    """Writes what a Keras model computes to the file BUNDLE, to check a port without TensorFlow.

    PROGRAM names the model, as for `parity check`; --keras gives one without a name. The bundle
    holds numbers and no code. Use it with `parity check --against BUNDLE --torch ...`.

    With --run, the program is trained whole, and its seed, its batch size and its dtype are those
    of `parity run`. Use the bundle with `parity run PROGRAM --against BUNDLE`, or with --torch.
    """
    if (program is None) == (keras is None):
        raise click.UsageError("expected either a PROGRAM or --keras")
    default = ParameterSource.DEFAULT
    given = {n: v for n, v in settings.items() if context.get_parameter_source(n) != default}
    if is_run:
        message = _run(bundle, program, keras, given, children)
    else:
        if wrong := [name for name in _OF_RUN if name in given]:
            raise click.UsageError(f"--{wrong[0].replace('_', '-')} needs --run")
        shared = {name: value for name, value in settings.items() if name not in _OF_RUN}
        message = _check(bundle, program, keras, shared, children)
    if not children.quiet:
        say(message)
    return 0


def _check(
    bundle: Path,
    program: str | None,
    keras: str | None,
    settings: dict[str, Any],
    children: ChildOptions,
) -> str:
    from parity.runs.check_halves import CheckOptions
    from parity.runs.record import record_spec

    if program is None:
        spec = spec_of(keras=keras, **settings)
    else:
        (spec,) = check_specs_of([program], settings).values()
    record_spec(spec, bundle, CheckOptions(children=children))
    return f"wrote {bundle}{_size(bundle)}"


def _size(bundle: Path) -> str:
    """Returns the size of a bundle; a device or a pipe has none."""
    return f" ({bundle.stat().st_size / 1e6:.1f} MB)" if bundle.is_file() else ""


def _run(
    bundle: Path,
    program: str | None,
    keras: str | None,
    given: dict[str, Any],
    children: ChildOptions,
) -> str:
    from parity.runs.record import record_run

    if "steps" in given:
        raise click.UsageError("--steps is of a check; --run trains all steps of the program")
    settings = {name: given[name] for name in (*_OF_RUN, *_OF_BOTH) if name in given}
    size = record_run(recorded_run_spec(program, keras, settings), bundle, children)
    parts = f"{size.probes / 1e6:.1f} MB probes, {size.training / 1e6:.1f} MB training"
    contents = f"what `fit` was fed, {size.fed / 1e6:.1f} MB"
    if size.states:
        contents += f", and recorded states, {size.states / 1e6:.1f} MB"
    return f"wrote {bundle}{_size(bundle)}: {parts}; it holds {contents}, before compression"
