"""`parity record`: writes what a Keras model computes, for checks and runs without TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from parity.cli import options
from parity.cli.options import (
    MAX_FEED,
    PROBES,
    files,
    given,
    number_option,
    spec_of,
    with_children,
    with_options,
)
from parity.cli.program_specs import check_specs_of, recorded_run_spec
from parity.cli.streams import say
from parity.halves.job import ChildOptions

# Options of a whole training alone.
_OF_RUN = ("arguments", "epochs", "train_size", "val_size", "max_feed")


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
def record(
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
    asked = given(settings)
    message = (_run if is_run else _check)(bundle, program, keras, asked, children)
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

    if wrong := [name for name in _OF_RUN if name in settings]:
        raise click.UsageError(f"--{wrong[0].replace('_', '-')} needs --run")
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
    settings: dict[str, Any],
    children: ChildOptions,
) -> str:
    from parity.runs.record import record_run

    if "steps" in settings:
        raise click.UsageError("--steps is of a check; --run trains all steps of the program")
    size = record_run(recorded_run_spec(program, keras, settings), bundle, children)
    parts = f"{size.probes / 1e6:.1f} MB probes, {size.training / 1e6:.1f} MB training"
    contents = f"what `fit` was fed, {size.fed / 1e6:.1f} MB"
    if size.states:
        contents += f", and recorded states, {size.states / 1e6:.1f} MB"
    return f"wrote {bundle}{_size(bundle)}: {parts}; it holds {contents}, before compression"
