"""Options that several commands share, and their completion in the shell."""

from __future__ import annotations

import functools
import math
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from parity.errors import InputError
from parity.halves.job import ChildOptions
from parity.ladder.items import LEVELS
from parity.programs.check_spec import CheckSpec
from parity.programs.settings import DTYPES

# --- Completion in the shell: names of scenarios, divergences, variants, parts, and files ---------
#
# Imports nothing slow, since the user waits for the answer after pressing a key.


DATA = ("embedded", "mnist")  # sources with a name

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def scenarios(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Completes the name of a scenario that is not given yet."""
    from parity.programs.scenarios import SCENARIOS

    return _not_given({n: s.summary for n, s in SCENARIOS.items()}, context, parameter, incomplete)


def programs(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Completes the name of a scenario or a program that is not given yet."""
    from parity.programs.scenarios import SCENARIOS

    summaries = {name: found.summary for name, found in SCENARIOS.items()}
    return _not_given({**_user_programs(), **summaries}, context, parameter, incomplete)


def _user_programs() -> dict[str, str]:
    from pathlib import Path

    from parity.errors import InputError
    from parity.programs.tool_table import read_tool_table

    try:
        table = read_tool_table(Path.cwd())
    except InputError:  # the command itself tells it
        return {}
    return {name: f"{found.keras} and {found.torch}" for name, found in table.programs.items()}


def _not_given(
    summaries: Mapping[str, str],
    context: click.Context,
    parameter: click.Parameter,
    incomplete: str,
) -> list[CompletionItem]:
    given = context.params.get(parameter.name or "")
    chosen = given if isinstance(given, tuple) else ()
    left = {name: summary for name, summary in summaries.items() if name not in chosen}
    return _items(left, incomplete)


def divergences(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Completes the ID of a divergence, in upper or lower case, or its slug."""
    return _items(divergence_names(), incomplete)


def divergence_names() -> Mapping[str, str | None]:
    """Returns the IDs of the divergences with their slugs, and the slugs."""
    from parity.divergences.names import SLUGS

    return {**SLUGS, **dict.fromkeys(SLUGS.values())}


def variants() -> Mapping[str, str]:
    """Returns the variants of a benchmark with a summary of each."""
    from parity.programs.bench_spec import VARIANTS

    return {name: variant.summary for name, variant in VARIANTS.items()}


def parts() -> Iterable[str]:
    """Returns the parts of a training that a benchmark times."""
    from parity.programs.bench_spec import PARTS

    return PARTS


def precisions() -> Iterable[str]:
    """Returns the precisions of a benchmark."""
    from parity.programs.bench_spec import PRECISIONS

    return PRECISIONS


def levels() -> Mapping[str, str]:
    """Returns the levels of the ladder with what they compare."""
    return {row.id: row.compares for row in LEVELS}


def one_of(names: Callable[[], Iterable[str]]) -> Completer:
    """Returns a completer for one of the names."""

    def complete(
        context: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return _items(_with_summaries(names()), incomplete)

    return complete


def several_of(names: Callable[[], Iterable[str]]) -> Completer:
    """Returns a completer for the last name in a list with commas."""

    def complete(
        context: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",")
        given = before.split(",")
        summaries = {
            before + comma + name: summary
            for name, summary in _with_summaries(names()).items()
            if name not in given
        }
        return _items(summaries, before + comma + last)

    return complete


def files(*names: str) -> Completer:
    """Returns a completer for one of the names, or for a path if no name fits."""

    def complete(
        context: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        found = _items(dict.fromkeys(names), incomplete)
        return found or [CompletionItem(incomplete, type="file")]

    return complete


def _with_summaries(names: Iterable[str]) -> Mapping[str, str | None]:
    return names if isinstance(names, Mapping) else dict.fromkeys(names)


def _items(summaries: Mapping[str, str | None], incomplete: str) -> list[CompletionItem]:
    return [
        CompletionItem(name, help=summary)
        for name, summary in summaries.items()
        if name.upper().startswith(incomplete.upper())
    ]


# --- Options that several commands share ----------------------------------------------------------


# A command, and what gives it an option.
Command = Callable[..., int]
Decorator = Callable[[Command], Command]


MAX_SEEDS = 10_000  # each is a run of both halves


class Finite(click.FloatRange):
    """The type of a number in a range, of which NaN and the infinities are none."""

    def convert(
        self, value: Any, parameter: click.Parameter | None, context: click.Context | None
    ) -> float:
        """Returns the number."""
        number = float(super().convert(value, parameter, context))
        if not math.isfinite(number):
            self.fail(f"{value!r}: expected a finite number", parameter, context)
        return number


def words(arguments: str | None) -> tuple[str, ...]:
    """Returns the words of a command line of a script, as a shell would.

    Raises:
        InputError: a quotation is not closed.
    """
    try:
        return tuple(shlex.split(arguments or ""))
    except ValueError as error:
        raise InputError(
            f"--arguments {arguments!r}: {error}; expected the command line of the script"
        ) from None


def parse_seeds(context: click.Context, parameter: click.Parameter, value: str | None) -> list[int]:
    """Parses A:B into the seeds A to B-1, and A,B,C into these three."""
    if value is None:
        return []
    try:
        if "," in value:
            seeds = [int(part) for part in value.split(",")]
        else:
            start, _, stop = map(str.strip, value.partition(":"))
            found = range(int(start), int(stop))
            if (count := max(0, found.stop - found.start)) > MAX_SEEDS:
                raise click.BadParameter(
                    f"{value!r} are {count:,} seeds; expected at most {MAX_SEEDS:,}"
                )
            seeds = list(found)
    except ValueError:
        seeds = []
    if not seeds or len(set(seeds)) < len(seeds):
        raise click.BadParameter(
            f"{value!r}: expected A:B with A < B, such as 0:3 for 0, 1, 2; or different seeds "
            "separated by commas"
        )
    return seeds


def separated(value: str | None) -> list[str]:
    """Returns the parts of A,B,C."""
    return [part.strip() for part in value.split(",")] if value else []


def parse_tolerance(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> dict[str, float] | None:
    """Parses NUMBER into a tolerance of all levels, "", and LEVEL=NUMBER,... into one of each."""
    if value is None:
        return None
    found = {}
    for part in separated(value):
        level, _, number = part.rpartition("=")
        try:
            found[level.strip()] = float(number)
        except ValueError:
            raise click.BadParameter(
                f"{part!r}: expected a number, such as 1e-6, or LEVEL=NUMBER, such as forward=1e-9"
            ) from None
    return found


def number_option(
    name: str, text: str, *, least: int = 1, default: int | None = None, show_default: str = ""
) -> Decorator:
    """Returns an option that takes a whole number of at least `least`."""
    return click.option(
        name,
        type=click.IntRange(min=least),
        default=default,
        metavar="N",
        show_default=show_default or True,
        help=text,
    )


def path_option(*names: str, help: str, metavar: str = "FILE") -> Decorator:
    """Returns an option that takes the path of a file."""
    return click.option(*names, type=click.Path(path_type=Path), metavar=metavar, help=help)


def out_option(text: str) -> Decorator:
    """Returns the option `--out`, which takes a folder."""
    kind = click.Path(path_type=Path, file_okay=False)
    return click.option("--out", type=kind, metavar="DIR", help=text)


COMMON: list[Decorator] = [
    path_option("--json", "json_file", help="Write the result as JSON."),
    click.option("--quiet", is_flag=True, help="Print errors only."),
]
_CHILDREN: list[Decorator] = [
    *(
        click.option(
            f"--{half.lower()}-python",
            default=getattr(ChildOptions, f"{half.lower()}_python"),
            metavar="PYTHON",
            shell_complete=files(),
            show_default="this one",
            help=f"Interpreter of the {half} half.",
        )
        for half in ("Keras", "torch")
    ),
    click.option(
        "--timeout",
        type=Finite(min=0),
        default=ChildOptions.timeout_s,
        metavar="SECONDS",
        help="Stop a child process that runs longer; 0 = no limit.",
    ),
]
_WORKERS = number_option(
    "--workers", "Number of child processes that run at the same time.", show_default="cores"
)


def with_children(*, workers: bool = True) -> Decorator:
    """Decorates a command with the options of its child processes.

    The command receives them, and the value of its own `--quiet`, as the argument `children`.

    Args:
        workers: whether the command runs several children at the same time.
    """

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def call(*arguments: Any, timeout: float, **given: Any) -> int:
            names = ("keras_python", "torch_python", "workers", "quiet")
            settings = {name: given.pop(name) for name in names if name in given}
            children = ChildOptions(timeout_s=timeout or None, **settings)
            return command(*arguments, children=children, **given)

        return with_options([*_CHILDREN, *([_WORKERS] if workers else [])])(call)

    return decorate


OUT = out_option("Folder for the result and its report.  [default: nothing is written]")

RUN_SETTINGS: list[Decorator] = [
    click.option("--epochs", type=int, help="Number of epochs.  [default: the scenario's]"),
    click.option(
        "--batch-size", type=int, help="Number of samples per step.  [default: the scenario's]"
    ),
    click.option(
        "--train-size", type=int, help="Number of training samples.  [default: the scenario's]"
    ),
    click.option(
        "--val-size", type=int, help="Number of validation samples.  [default: the scenario's]"
    ),
    click.option(
        "--data",
        shell_complete=files(*DATA),
        help="Data source: embedded, mnist, a folder with IDX files, or a .npz file.  "
        "[default: embedded]",
    ),
    click.option("--full", is_flag=True, help="Train on all of MNIST, as the article does."),
    click.option(
        "--dtype",
        type=click.Choice(["float32", "float64"]),
        help="Data type of weights, activations and optimizer state.  [default: float32]",
    ),
    click.option("--device", help="Device: cpu, cuda or cuda:N.  [default: cpu]"),
    click.option("--threads", type=int, help="Intra-op threads of each run.  [default: 1]"),
]


# A program without a name.
PAIR: list[Decorator] = [
    click.option(
        "--keras",
        metavar="MODULE:FUNCTION",
        shell_complete=files(),
        help="Function that returns the compiled Keras model or a Reference; or a training script.",
    ),
    click.option(
        "--torch",
        metavar="MODULE:FUNCTION",
        shell_complete=files(),
        help="Function that returns the Port.",
    ),
    click.option(
        "--arguments", metavar="TEXT", help="Command line of the training script, in quotes."
    ),
]
MAX_FEED = number_option(
    "--max-feed",
    "MiB of batches to write down for a program of your own that feeds no arrays.",
    show_default="1024",
)


def with_options(shared: Sequence[Decorator]) -> Decorator:
    """Decorates a command with options, shown in their order."""

    def decorate(function: Command) -> Command:
        for option in reversed(shared):
            function = option(function)
        return function

    return decorate


def given(settings: dict[str, Any]) -> dict[str, Any]:
    """Returns the settings that the user gave."""
    return {key: value for key, value in settings.items() if value is not None}


def exit_code(verdict: str) -> int:
    """Returns the exit code of a verdict of any kind of result."""
    if verdict in ("pass", "good fit"):
        return 0
    return 3 if verdict in ("error", "incomplete", "inconclusive") else 1


# --- Options of `check` and `record`: how a pair of models is probed ------------------------------


PROBES: list[Decorator] = [
    click.option(
        "--data",
        metavar="FILE",
        shell_complete=files(),
        help="A .npz file with x and y, or x_NAME, y_NAME of several.  [default: random samples]",
    ),
    click.option(
        "--dtype",
        type=click.Choice(DTYPES),
        help="dtype of the port; float32 for one that has no float64.  [default: float64]",
    ),
    click.option(
        "--seed",
        type=int,
        help="Seed for weights and probe samples.  [default: 0]",
    ),
    click.option(
        "--steps",
        type=int,
        help="Number of training steps to compare; default: 6, or 3 from a million weights on.",
    ),
    click.option(
        "--batch-size",
        type=int,
        help="Number of samples in a probe batch.  [default: 4]",
    ),
    click.option(
        "--threads",
        type=int,
        help="Intra-op threads of each half.  [default: 1]",
    ),
]


def spec_of(**settings: Any) -> CheckSpec:
    """Returns the spec of a check in the current folder; None: not given."""
    return CheckSpec(folder=str(Path.cwd()), **given(settings))
