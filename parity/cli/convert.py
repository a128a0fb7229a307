"""`parity convert`: the weights of a Keras file as the state_dict of a torch module, and back."""

from __future__ import annotations

from pathlib import Path

import click

from parity.cli.options import files, path_option, with_children
from parity.cli.saved import check_file, write_json_file
from parity.cli.streams import say
from parity.errors import InputError
from parity.halves.job import ChildOptions


@click.command()
@click.argument("weights", type=click.Path(path_type=Path), metavar="WEIGHTS")
@click.option(
    "--torch",
    metavar="MODULE:FUNCTION",
    shell_complete=files(),
    required=True,
    help="Function that returns the torch module, or a Port.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    required=True,
    help="File to write: the module's state_dict, as safetensors.",
)
@click.option(
    "--map",
    "pairs",
    multiple=True,
    metavar="LAYER=MODULE",
    help="A Keras layer and its torch module, if they are not found; may be repeated.",
)
@click.option(
    "--same-rows",
    multiple=True,
    metavar="MODULE",
    help="A torch module whose kernel has Keras's order of rows, if no output tells; repeatable.",
)
@path_option(
    "--config",
    help="`model.to_json()`, or a .keras or .h5 of the model, if WEIGHTS has no configuration.",
)
@click.option(
    "--optimizer",
    is_flag=True,
    help="Also write the state of the Port's optimizer, FILE.optimizer.pt.",
)
@click.option(
    "--to-keras",
    is_flag=True,
    help="The other way: WEIGHTS is a state_dict, FILE one that Keras loads, of --like's form.",
)
@path_option(
    "--like",
    help="With --to-keras: a .weights.h5 or .h5 of the same model; FILE needs the same ending.",
)
@click.option(
    "--anyway", is_flag=True, help="Write what is proved or filled in part only; exit code 1."
)
@path_option("--json", "json_file", help="Write the places of all weights as JSON.")
@with_children(workers=False)
@click.option("--quiet", is_flag=True, help="Print errors only.")
def convert(
    weights: Path,
    torch: str,
    out: Path,
    pairs: tuple[str, ...],
    same_rows: tuple[str, ...],
    config: Path | None,
    optimizer: bool,
    to_keras: bool,
    like: Path | None,
    anyway: bool,
    json_file: Path | None,
    children: ChildOptions,
) -> int:
    """Carries trained weights from a Keras file into your torch module, without TensorFlow.

    WEIGHTS is a .keras, .weights.h5 or .h5 file, the folder of a SavedModel, the prefix of a
    checkpoint, or a bundle of `parity record`. Nothing in it is executed.

    Exit codes: 0 written, and every place is proved; 1 a weight has no place, a parameter no
    weight, or the module computes something else; 2 wrong use or bad input; 3 a child failed.
    """
    from dataclasses import asdict

    from parity.runs.convert import Conversion, optimizer_path, pairs_of
    from parity.runs.convert import convert as run

    if to_keras != (like is not None):
        raise click.UsageError("--to-keras and --like FILE belong together")
    if to_keras and optimizer:
        raise click.UsageError("--optimizer is for the way from Keras to torch")
    check_file(out, "--out")
    check_file(json_file)
    if out.resolve() in {path.resolve() for path in (weights, like) if path is not None}:
        raise InputError(f"--out {out}: expected another file than the one that is read")
    given = Conversion(
        weights=weights,
        torch=torch,
        out=out,
        layers=pairs_of(pairs),
        same_rows=same_rows,
        config=config,
        like=like,
        optimizer=optimizer,
        anyway=anyway,
        children=children,
    )
    done = run(given)
    if json_file is not None:
        write_json_file(json_file, asdict(done))
    if not children.quiet or done.problems:
        for problem in done.problems:
            say(f"parity: {problem}", err=True)
    if not done.is_written:
        say("parity: nothing was written; --anyway writes what has a place", err=True)
    elif not children.quiet:
        say(f"wrote {out}: {done.num_filled} of {done.num_weights} weights")
        if not done.problems:
            said = "" if done.error is None else f" (largest difference {done.error:.1e})"
            say(f"{done.proof}{said}")
        for weight, names in done.in_parts.items():
            say(f"in several parameters, by the Port's load: {weight} in {', '.join(names)}")
        if done.constants:
            say(f"kept as the factory makes them: {', '.join(done.constants)}")
        if done.optimizer is not None:
            kept = ", ".join(done.optimizer["slots"]) or "no slots"
            say(f"wrote {optimizer_path(out)}: {done.optimizer['steps']} steps, {kept}")
            for note in done.optimizer["notes"]:
                say(f"the next steps differ: {note}")
    return 1 if done.problems else 0
