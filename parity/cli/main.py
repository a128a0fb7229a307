"""The command line: options in, one call of the library, a report and an exit code out.

Exit codes: 0 parity holds, 1 it does not, 2 wrong use or bad input, 3 a run failed, is incomplete
or undecided. Nothing heavy is imported before a command needs it, so that `--help` answers at once.
"""

from __future__ import annotations

import io
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from parity.cli import names
from parity.cli.bench import bench
from parity.cli.check import check, explain, record
from parity.cli.completion import completion
from parity.cli.options import (
    COMMON,
    OUT,
    RUN_SETTINGS,
    check_file,
    check_folder,
    exit_code,
    parse_seeds,
    specs_of,
    with_children,
    with_options,
    write_json_file,
    write_report,
)
from parity.cli.report import report
from parity.errors import ParityError
from parity.halves.options import ChildOptions
from parity.traces.folder import DIAGNOSIS, REPORT, SWEEP

INTERRUPTED = "interrupted: the children were ended; what had finished is kept"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="keras-torch-parity", prog_name="parity")
def cli() -> None:
    """Checks that a PyTorch port trains exactly as its Keras original.

    Exit codes: 0 parity holds, 1 it does not, 2 wrong use or bad input, 3 a run failed.
    """


@cli.command()
@click.argument("scenarios", nargs=-1, metavar="[SCENARIO ...]", shell_complete=names.scenarios)
@click.option("--seed", type=int, help="Seed of every run.  [default: 42]")
@click.option(
    "--seeds", callback=parse_seeds, metavar="A:B", help="Seeds A to B-1, or A,B,C; a run for each."
)
@with_options(RUN_SETTINGS)
@click.option(
    "--split",
    type=click.Choice(["random", "last"]),
    help="How validation samples are chosen: from the seed, or the last ones.",
)
@click.option(
    "--perturbations",
    type=click.IntRange(min=0),
    metavar="N",
    help="Perturbed Keras runs that measure rounding.  [default: 4; float64: 0, or 2 in long runs]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder for the run directories and the report.  [default: parity-runs/DATE-TIME]",
)
@with_children()
@with_options(COMMON)
def run(
    scenarios: tuple[str, ...],
    seed: int | None,
    seeds: list[int],
    full: bool,
    perturbations: int | None,
    out: Path | None,
    children: ChildOptions,
    json_file: Path | None,
    **settings: Any,
) -> int:
    """Trains scenarios in both frameworks and compares the runs level by level.

    Without SCENARIO: the four programs of the article (see `parity list`).
    """
    import time

    from parity.programs.scenarios import PROGRAMS
    from parity.report.text.summary import summary_lines
    from parity.report.text.terminal import print_lines, print_result
    from parity.runs.pair import RunOptions
    from parity.runs.run import run_all

    check_file(json_file)
    if seed is not None and seeds:
        raise click.UsageError("--seed and --seeds exclude each other")
    numbers = seeds or ([] if seed is None else [seed])
    specs = specs_of(scenarios or PROGRAMS, numbers, full, settings)
    folder = out or Path("parity-runs") / time.strftime("%Y%m%d-%H%M%S")
    options = RunOptions(out=folder, perturbations=perturbations, children=children)

    def tell(result: Any, directory: Path) -> None:
        if not children.quiet:
            print_result(result)
        if len(specs) > 1:  # while the children of the other runs are at work
            write_report(directory)

    results = run_all(specs, options, on_result=tell)
    write_report(folder)
    if json_file is not None:
        _write_results(json_file, [result.to_json() for result in results])
    if not children.quiet:
        if len(results) > 1:
            print_lines(summary_lines(results))
        print_lines([[(f"results and {REPORT} in {folder}", "dim")]])
    return _exit_code([result.verdict for result in results])


def _exit_code(verdicts: list[str]) -> int:
    if any(verdict == "error" for verdict in verdicts):
        return 3
    return 1 if any(verdict != "pass" for verdict in verdicts) else 0


def _write_results(path: Path, results: list[dict[str, Any]]) -> None:
    """One run as `parity.result/1`; several as a list of them under `parity.results/1`."""
    verdicts = [result["verdict"] for result in results]
    verdict = {0: "pass", 1: "fail", 3: "error"}[_exit_code(verdicts)]
    many = {"schema": "parity.results/1", "verdict": verdict, "results": results}
    write_json_file(path, results[0] if len(results) == 1 else many)


for _command in (bench, check, record, explain, report, completion):
    cli.add_command(_command)


@cli.command("list")
@click.argument(
    "what", type=click.Choice(["scenarios", "divergences"]), default="scenarios", required=False
)
@with_options(COMMON)
def list_command(what: str, json_file: Path | None, quiet: bool) -> int:
    """Lists the scenarios, or the divergences between Keras and PyTorch that are known by name."""
    from parity.programs.scenarios import SCENARIOS
    from parity.report.text.scenarios import scenario_lines
    from parity.report.text.terminal import print_lines

    check_file(json_file)
    if what == "divergences":
        from parity.divergences import REGISTRY
        from parity.report.text.divergences import divergence_table

        if json_file is not None:
            write_json_file(json_file, {name: d.to_json() for name, d in REGISTRY.items()})
        if not quiet:
            print_lines(divergence_table())
        return 0
    if json_file is not None:
        rows = {
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
        print_lines(scenario_lines())
    return 0


@cli.command()
@click.argument("scenarios", nargs=-1, metavar="[SCENARIO ...]", shell_complete=names.scenarios)
@click.option(
    "--seeds",
    callback=parse_seeds,
    metavar="A:B",
    help="Seeds A to B-1, or A,B,C; a run of each half for each.  [default: as many from 0 on as "
    "the margins of each scenario need]",
)
@click.option(
    "--mode",
    type=click.Choice(["seeded", "independent"]),
    default="independent",
    show_default=True,
    help="Whether the torch half draws Keras's random numbers or its own.",
)
@with_options(RUN_SETTINGS)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Processes of this machine, or tasks on a Ray cluster.",
)
@click.option(
    "--ray-address",
    metavar="ADDRESS",
    help="Address of the cluster; without it, a local one is started.",
)
@click.option("--cpus", type=click.FloatRange(min=0), default=1.0, help="CPUs a Ray task takes.")
@click.option("--gpus", type=click.FloatRange(min=0), default=0.0, help="GPUs a Ray task takes.")
@click.option(
    "--out",
    metavar="DIR",
    shell_complete=names.files(),
    default="parity-sweep",
    show_default=True,
    help="Where results are kept: a folder, or a URL of fsspec. Finished runs are not run again.",
)
@with_children()
@with_options(COMMON)
def sweep(
    scenarios: tuple[str, ...],
    seeds: list[int],
    full: bool,
    engine: str,
    ray_address: str | None,
    cpus: float,
    gpus: float,
    out: str,
    children: ChildOptions,
    json_file: Path | None,
    **settings: Any,
) -> int:
    """Runs scenarios with many seeds in both frameworks, and judges whether they behave alike.

    Without SCENARIO: every cause and remedy (see `parity list`). Give the same command again to
    continue an interrupted sweep.

    Exit codes: 0 equivalent, 1 different, 3 undecided or a run is missing.
    """
    from parity.programs.scenarios import BEHAVIOUR
    from parity.report.text.sweep import failure_lines, sweep_lines
    from parity.report.text.terminal import print_lines
    from parity.sweeps.progress import SweepDisplay
    from parity.sweeps.result import result_of
    from parity.sweeps.sweep import run_sweep
    from parity.sweeps.task import versions

    check_file(json_file)
    specs = specs_of(scenarios or BEHAVIOUR, seeds or None, full, settings)
    options = _engine_options(out, children)
    if engine == "ray":
        from parity.sweeps import ray_cluster

        cluster = ray_cluster.Cluster(address=ray_address, num_cpus=cpus, num_gpus=gpus)
        run_engine = cluster.run
    else:
        from parity.sweeps import local

        run_engine = local.run
    found = run_sweep(specs, options, run_engine, SweepDisplay(quiet=children.quiet))
    environment: dict[str, Any] = {"command": shlex.join(["parity", *sys.argv[1:]])}
    for half, python in children.pythons.items():
        environment[half] = {"versions": versions(half, python)["versions"]}
    result = result_of(found, mode=settings["mode"], environment=environment)
    if json_file is not None:
        write_json_file(json_file, result.to_json())
    if "://" not in out:
        write_json_file(Path(out) / SWEEP, result.to_json(), "--out")
        write_report(Path(out))
    if not children.quiet:
        what = "results" if "://" in out else f"results and {REPORT}"
        print_lines([*sweep_lines(result), [(f"{what} in {out}", "dim")]])
    elif result.failures:
        print_lines(failure_lines(result), sys.stderr)
    return exit_code(result.verdict)


@cli.command()
@click.argument("history", type=click.Path(path_type=Path), metavar="HISTORY")
@click.option(
    "--data",
    shell_complete=names.files(*names.DATA),
    help="What was trained on: embedded, mnist, an IDX folder, or a .npz.",
)
@click.option("--train-size", type=click.IntRange(min=1), help="Training samples.")
@click.option("--val-size", type=click.IntRange(min=1), help="Validation samples.")
@click.option("--seed", type=int, default=42, show_default=True, help="Of the split of --data.")
@click.option(
    "--split",
    type=click.Choice(["random", "last", "sorted"]),
    default="random",
    show_default=True,
    help="How validation samples were chosen from --data.",
)
@click.option("--classes", type=click.IntRange(min=2), help="Number of classes, without --data.")
@click.option(
    "--target",
    type=click.FloatRange(min=0, max=1),
    default=0.9,
    show_default=True,
    help="Training accuracy that is good enough.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Draw the curves into a .svg, .png or .pdf.",
)
@OUT
@with_options(COMMON)
def diagnose(
    history: Path,
    data: str | None,
    train_size: int | None,
    val_size: int | None,
    seed: int,
    split: str,
    classes: int | None,
    target: float,
    plot: Path | None,
    out: Path | None,
    json_file: Path | None,
    quiet: bool,
) -> int:
    """Says what is wrong with a training, and why, from its history.

    HISTORY is the dict of Keras's History as JSON, a CSVLogger file, a TensorBoard folder, or a run
    directory. With --data, the images and labels are looked at too.

    Exit codes: 0 a good fit, 1 anything else.
    """
    from parity.behaviour.diagnosis import diagnose as diagnose_history
    from parity.behaviour.readers.history import read_history
    from parity.data.load import load_data
    from parity.report.export.curves import save_curves
    from parity.report.text.diagnosis import diagnosis_lines
    from parity.report.text.terminal import print_lines

    check_file(json_file)
    check_folder(out)
    if data is not None and classes is not None:
        raise click.UsageError("--classes and --data exclude each other: the data have their own")
    columns = read_history(history)
    loaded = None
    if data is not None:
        loaded = load_data(data, train=train_size, val=val_size, seed=seed, split=split)
    found = diagnose_history(
        columns,
        loaded,
        num_classes=classes,
        num_train=train_size,
        num_val=val_size,
        target=target,
    )
    if plot is not None:
        save_curves(columns, plot, title=f"{history.name}: {found.verdict}")
    if json_file is not None:
        write_json_file(json_file, found.to_json())
    if out is not None:
        write_json_file(out / DIAGNOSIS, found.to_json(), "--out")
        write_report(out)
    if not quiet:
        print_lines(diagnosis_lines(found, str(history)))
    return 0 if found.verdict == "good_fit" else 1


def _engine_options(out: str, children: ChildOptions) -> Any:
    from parity.sweeps.local import EngineOptions, temporary_scratch

    children.check_interpreters()
    is_remote = "://" in out
    scratch = temporary_scratch() if is_remote else Path(out) / "batches"
    return EngineOptions(
        store=out if is_remote else str(Path(out).absolute()),
        scratch=scratch.absolute(),
        children=children,
    )


@cli.command()
@with_children()
@with_options(COMMON)
def doctor(
    children: ChildOptions,
    json_file: Path | None,
) -> int:
    """Checks that the installed versions still draw the streams that the port reproduces."""
    from parity.report.text.terminal import print_lines
    from parity.runs.doctor import examine

    check_file(json_file)
    report = examine(children)
    if json_file is not None:
        write_json_file(json_file, report.to_json())
    if not children.quiet:
        print_lines(report.lines())
    return report.exit_code


def main() -> None:
    """Entry point of the script `parity`: errors become one paragraph and an exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # curves in a pipe that takes ASCII only
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
