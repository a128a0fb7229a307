"""The command line: options in, one call of the library, a report and an exit code out.

Exit codes: 0 parity holds, 1 it does not, 2 wrong use or bad input, 3 a run failed or is
incomplete. Nothing heavy is imported before a command needs it, so that `--help` answers at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from parity.errors import InputError, ParityError

INTERRUPTED = "interrupted: the children were ended; what had finished is kept"


def _seeds(context: click.Context, parameter: click.Parameter, value: str | None) -> list[int]:
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


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="keras-torch-parity", prog_name="parity")
def cli() -> None:
    """Checks that a PyTorch port trains exactly as its Keras original.

    Exit codes: 0 parity holds, 1 it does not, 2 wrong use or bad input, 3 a run failed.
    """


_COMMON = [
    click.option(
        "--json",
        "json_file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Write the result as JSON (schema parity.result/1).",
    ),
    click.option("--quiet", is_flag=True, help="Print errors only."),
]
_CHILDREN = [
    click.option(
        "--keras-python",
        default=sys.executable,
        metavar="PYTHON",
        show_default="this one",
        help="Interpreter of the Keras half.",
    ),
    click.option(
        "--torch-python",
        default=sys.executable,
        metavar="PYTHON",
        show_default="this one",
        help="Interpreter of the torch half.",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0),
        default=3600.0,
        metavar="SECONDS",
        show_default=True,
        help="A child that runs longer counts as hung; 0 = never.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(min=1),
        metavar="N",
        show_default="cores",
        help="Children that run at a time.",
    ),
]


def _options(options: list[Any]) -> Any:
    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


@cli.command()
@click.argument("scenarios", nargs=-1, metavar="[SCENARIO ...]")
@click.option("--seed", type=int, help="Seed of every run.  [default: 42]")
@click.option(
    "--seeds", callback=_seeds, metavar="A:B", help="Seeds A to B-1, or A,B,C; a run for each."
)
@click.option("--epochs", type=int, help="Epochs, in place of the scenario's own.")
@click.option("--batch-size", type=int, help="Samples a step.  [default: 32]")
@click.option("--train-size", type=int, help="Training samples.  [default: 600]")
@click.option("--val-size", type=int, help="Validation samples.  [default: 200]")
@click.option("--data", help="embedded, mnist, a folder with IDX files, or a .npz.")
@click.option(
    "--split",
    type=click.Choice(["random", "last"]),
    help="How validation samples are chosen: from the seed, or the last ones.",
)
@click.option("--full", is_flag=True, help="The document's own size: all of MNIST.")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float64"]),
    help="Of weights, activations and optimizer.  [default: float32]",
)
@click.option("--device", help="cpu, cuda or cuda:N.  [default: cpu]")
@click.option("--threads", type=int, help="Intra-op threads of each half.  [default: 1]")
@click.option(
    "--nudges",
    type=click.IntRange(min=0),
    metavar="N",
    help="Nudged Keras runs that measure rounding.  [default: 4; float64: 0, or 2 in long runs]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder for the run directories.  [default: parity-runs/DATE-TIME]",
)
@_options(_CHILDREN)
@_options(_COMMON)
def run(
    scenarios: tuple[str, ...],
    seed: int | None,
    seeds: list[int],
    full: bool,
    nudges: int | None,
    out: Path | None,
    keras_python: str,
    torch_python: str,
    timeout: float,
    workers: int | None,
    json_file: Path | None,
    quiet: bool,
    **settings: Any,
) -> int:
    """Trains scenarios in both frameworks and compares the runs level by level.

    Without SCENARIO: all of them (see `parity list`).
    """
    import time

    from parity.pair import RunOptions
    from parity.pipeline import run_all
    from parity.report.summary import summary_lines
    from parity.report.terminal import print_lines, print_result
    from parity.scenarios import SCENARIOS, scenario

    _check_json(json_file)
    if seed is not None and seeds:
        raise click.UsageError("--seed and --seeds exclude each other")
    if full:
        settings = {"data": settings["data"] or "mnist", **_given(settings)}
        settings = {"train_size": None, "val_size": None, **settings}
    else:
        settings = _given(settings)
    numbers = seeds or ([] if seed is None else [seed])
    specs = []
    for name in dict.fromkeys(scenarios or SCENARIOS):
        spec = scenario(name).replace(**settings)
        specs += [spec.replace(seed=number) for number in numbers] or [spec]
    folder = out or Path("parity-runs") / time.strftime("%Y%m%d-%H%M%S")
    options = RunOptions(
        out=folder,
        nudges=nudges,
        keras_python=keras_python,
        torch_python=torch_python,
        timeout_s=timeout or None,
        workers=workers,
        quiet=quiet,
    )
    results = run_all(specs, options, on_result=None if quiet else print_result)
    if json_file is not None:
        _write_results(json_file, [result.to_json() for result in results])
    if not quiet:
        if len(results) > 1:
            print_lines(summary_lines(results))
        print_lines([[(f"results in {folder}", "dim")]])
    return _exit_code([result.verdict for result in results])


def _given(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if value is not None}


def _exit_code(verdicts: list[str]) -> int:
    if any(verdict == "error" for verdict in verdicts):
        return 3
    return 1 if any(verdict != "pass" for verdict in verdicts) else 0


def _check_json(path: Path | None) -> None:
    """Refuses a place that cannot be written to before anything is computed for it."""
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise InputError(f"--json {path}: expected a file in a folder that exists")


def _write_results(path: Path, results: list[dict[str, Any]]) -> None:
    """One run as `parity.result/1`; several as a list of them under `parity.results/1`."""
    from parity.trace import write_json

    verdicts = [result["verdict"] for result in results]
    verdict = {0: "pass", 1: "fail", 3: "error"}[_exit_code(verdicts)]
    many = {"schema": "parity.results/1", "verdict": verdict, "results": results}
    try:
        write_json(path, results[0] if len(results) == 1 else many)
    except OSError as error:
        raise InputError(f"--json {path}: cannot be written ({error.strerror})") from error


@cli.command("list")
@_options(_COMMON)
def list_command(json_file: Path | None, quiet: bool) -> int:
    """Lists the scenarios."""
    from parity.report.terminal import print_lines
    from parity.scenarios import SCENARIOS
    from parity.trace import write_json

    _check_json(json_file)
    rows = [(name, function(), function.__doc__ or "") for name, function in SCENARIOS.items()]
    if json_file is not None:
        write_json(json_file, {name: spec.to_dict() for name, spec, _ in rows})
    if not quiet:
        print_lines(
            [
                [(f"{name:<14}", "bold"), (f"{spec.epochs:>3} epochs  {text}", "")]
                for name, spec, text in rows
            ]
        )
    return 0


@cli.command()
@_options(_CHILDREN)
@_options(_COMMON)
def doctor(
    keras_python: str,
    torch_python: str,
    timeout: float,
    workers: int | None,
    json_file: Path | None,
    quiet: bool,
) -> int:
    """Checks that the installed versions still draw the streams that the port reproduces."""
    from parity.doctor import examine
    from parity.report.terminal import print_lines
    from parity.trace import write_json

    _check_json(json_file)
    report = examine(
        keras_python=keras_python,
        torch_python=torch_python,
        timeout_s=timeout or None,
        workers=workers,
        quiet=quiet,
    )
    if json_file is not None:
        write_json(json_file, report.to_json())
    if not quiet:
        print_lines(report.lines())
    return report.exit_code


def main() -> None:
    """Entry point of the script `parity`: errors become one paragraph and an exit code."""
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        code = _complain(INTERRUPTED, 3)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except KeyboardInterrupt:
        code = _complain(INTERRUPTED, 3)
    except ParityError as error:
        code = _complain(str(error), error.exit_code)
    sys.exit(code if isinstance(code, int) else 0)


def _complain(message: str, code: int) -> int:
    click.echo(f"parity: {message}", err=True)
    return code
