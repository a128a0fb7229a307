"""Options that several commands have, and what each of these does with them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from parity.cli import names
from parity.halves.options import ChildOptions

# A command, and what gives it an option.
Command = Callable[..., int]
Decorator = Callable[[Command], Command]


def parse_seeds(context: click.Context, parameter: click.Parameter, value: str | None) -> list[int]:
    """Parses A:B into the seeds A ... B-1, and A,B,C into these."""
    if value is None:
        return []
    try:
        if "," in value:
            seeds = [int(part) for part in value.split(",")]
        else:
            start, _, stop = value.partition(":")
            seeds = list(range(int(start), int(stop)))
    except ValueError:
        seeds = []
    if not seeds or len(set(seeds)) < len(seeds):
        raise click.BadParameter(
            f"{value!r}: expected A:B with A < B, such as 0:3 for 0, 1, 2; or different seeds "
            "with commas between them"
        )
    return seeds


COMMON = [
    click.option(
        "--json",
        "json_file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Write the result as JSON.",
    ),
    click.option("--quiet", is_flag=True, help="Print errors only."),
]
_CHILDREN = [
    click.option(
        "--keras-python",
        default=ChildOptions.keras_python,
        metavar="PYTHON",
        shell_complete=names.files(),
        show_default="this one",
        help="Interpreter of the Keras half.",
    ),
    click.option(
        "--torch-python",
        default=ChildOptions.torch_python,
        metavar="PYTHON",
        shell_complete=names.files(),
        show_default="this one",
        help="Interpreter of the torch half.",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0),
        default=ChildOptions.timeout_s,
        metavar="SECONDS",
        show_default=True,
        help="A child that runs longer counts as hung; 0 = never.",
    ),
]
_WORKERS = click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    show_default="cores",
    help="Children that run at a time.",
)


def with_children(*, workers: bool = True) -> Decorator:
    """Decorates a command with the options of its children, which it gets as `children`.

    The command has `--quiet` besides, which `children` takes over.

    Args:
        workers: whether the command runs several at a time.
    """

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def call(*arguments: Any, timeout: float, **given: Any) -> int:
            names = ("keras_python", "torch_python", "workers", "quiet")
            taken = {name: given.pop(name) for name in names if name in given}
            children = ChildOptions(timeout_s=timeout or None, **taken)
            return command(*arguments, children=children, **given)

        return with_options([*_CHILDREN, *([_WORKERS] if workers else [])])(call)

    return decorate


OUT = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder for the result and its report.  [default: none is written]",
)

RUN_SETTINGS = [
    click.option("--epochs", type=int, help="Epochs, in place of the scenario's own."),
    click.option("--batch-size", type=int, help="Samples a step.  [default: the scenario's]"),
    click.option("--train-size", type=int, help="Training samples.  [default: the scenario's]"),
    click.option("--val-size", type=int, help="Validation samples.  [default: the scenario's]"),
    click.option(
        "--data",
        shell_complete=names.files(*names.DATA),
        help="embedded, mnist, a folder with IDX files, or a .npz.",
    ),
    click.option("--full", is_flag=True, help="The article's own size: all of MNIST."),
    click.option(
        "--dtype",
        type=click.Choice(["float32", "float64"]),
        help="Of weights, activations and optimizer.  [default: float32]",
    ),
    click.option("--device", help="cpu, cuda or cuda:N.  [default: cpu]"),
    click.option("--threads", type=int, help="Intra-op threads of each run.  [default: 1]"),
]


def with_options(shared: Sequence[Decorator]) -> Decorator:
    """Decorates a command with options, shown in their order."""

    def decorate(function: Command) -> Command:
        for option in reversed(shared):
            function = option(function)
        return function

    return decorate


def specs_of(
    names: Any, seeds: list[int] | None, full: bool, settings: dict[str, Any]
) -> list[Any]:
    """The runs of some scenarios; no seeds: the one of its spec; None: as many as each needs."""
    from parity.programs.scenarios import find

    specs = []
    for name in dict.fromkeys(names):
        found = find(name)
        spec = found.spec.replace(**{**(found.full if full else {}), **given(settings)})
        numbers = range(found.num_seeds) if seeds is None else seeds
        specs += [spec.replace(seed=seed) for seed in numbers] or [spec]
    return specs


def given(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that the user named."""
    return {key: value for key, value in settings.items() if value is not None}


def exit_code(verdict: str) -> int:
    """Returns the exit code of a verdict of any kind of result."""
    if verdict in ("pass", "good fit"):
        return 0
    return 3 if verdict in ("error", "incomplete", "inconclusive") else 1
