"""`parity sweep`: trains many seeds in both frameworks and judges whether they behave alike."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from parity.cli import options
from parity.cli.options import (
    COMMON,
    MAX_FEED,
    PAIR,
    RUN_SETTINGS,
    Finite,
    exit_code,
    parse_seeds,
    with_children,
    with_options,
    words,
)
from parity.cli.program_specs import sweep_specs, terms_of, user_programs
from parity.cli.saved import check_file, check_folder, complain, write_errors, write_json_file
from parity.errors import InputError
from parity.halves.job import ChildOptions
from parity.programs.backend import is_refusal
from parity.traces.folder import REPORT, SWEEP

PLAN = "plan.json"


@click.command()
@click.argument("programs", nargs=-1, metavar="[PROGRAM ...]", shell_complete=options.programs)
@with_options(PAIR)
@click.option(
    "--histories",
    nargs=2,
    metavar="KERAS TORCH",
    help="Judge histories that are there: a glob of files for each half, in quotes, in any format "
    "that `parity diagnose` reads.",
)
@click.option(
    "--seeds",
    callback=parse_seeds,
    metavar="A:B",
    help="Seeds A to B-1, or A,B,C; one run of each half per seed.  [default: as many seeds from 0 "
    "on as the margins of each scenario need; 5 of a program of your own]",
)
@click.option(
    "--mode",
    type=click.Choice(["seeded", "independent"]),
    default="independent",
    help="Random numbers of the torch half: Keras's (seeded) or its own (independent).",
)
@click.option(
    "--margins",
    type=click.Choice(["visible", "strict"]),
    default="visible",
    help="Differences that count as equivalent: less than a user notices (1.5 points of accuracy), "
    "or than a good port reaches (0.5 points).",
)
@with_options([*RUN_SETTINGS, MAX_FEED])
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    help="Where to run: processes on this machine, or tasks on a Ray cluster.",
)
@click.option(
    "--ray-address",
    metavar="ADDRESS",
    help="Address of the Ray cluster.  [default: start a local one]",
)
@click.option(
    "--cpus",
    type=Finite(min=0),
    default=1.0,
    help="CPUs per Ray task.",
)
@click.option(
    "--gpus",
    type=Finite(min=0),
    default=0.0,
    help="GPUs per Ray task.",
)
@click.option(
    "--out",
    metavar="DIR",
    shell_complete=options.files(),
    default="parity-sweep",
    help="Folder or fsspec URL for the results. Finished runs in it are not repeated.",
)
@with_children()
@with_options(COMMON)
def sweep(
    programs: tuple[str, ...],
    keras: str | None,
    torch: str | None,
    arguments: str | None,
    histories: tuple[str, str] | None,
    seeds: list[int],
    margins: str,
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
    """Runs programs with many seeds in both frameworks, and judges whether they behave alike.

    A PROGRAM is a built-in scenario or one of [tool.parity.programs] in pyproject.toml (see
    `parity list`); --keras and --torch give one without a name. Without any, it runs every cause
    and remedy. Repeat the same command to continue an interrupted sweep.

    Exit codes: 0 equivalent, 1 different, 2 wrong use or bad input, 3 undecided or incomplete.
    """
    from parity.report.pages.sweep_page import missing_runs, sweep_page
    from parity.report.text.page import note_lines, page_lines, print_lines
    from parity.report.write import attempt_reports
    from parity.sweeps.result import result_of
    from parity.sweeps.store import open_store
    from parity.sweeps.sweep import SweepDisplay, run_sweep
    from parity.sweeps.task import planned, versions
    from parity.sweeps.unfinished import write_plan

    check_file(json_file)
    if histories is not None:
        if programs or any(each is not None for each in (keras, torch, arguments)):
            raise InputError("--histories with a program: expected one of them")
        folder = _out_of_histories(out)
        return _judge_histories(histories, margins, folder, json_file, quiet=children.quiet)
    argument_words = None if arguments is None else words(arguments)
    pair = {"keras": keras, "torch": torch, "arguments": argument_words}
    specs = sweep_specs(programs, pair, seeds, full, settings, margins)
    terms = terms_of(specs)
    options = _engine_options(out, children)
    if engine == "ray":
        from parity.sweeps import ray_cluster

        cluster = ray_cluster.Cluster(address=ray_address, num_cpus=cpus, num_gpus=gpus)
        run_engine = cluster.run
    else:
        from parity.sweeps import local

        run_engine = local.run
    command, mode = shlex.join(["parity", *sys.argv[1:]]), settings["mode"]
    if "://" not in out:
        open_store(out)  # an error of its own, before anything is written
        tasks = planned(specs, children.pythons)
        with write_errors("--out", Path(out)):
            write_plan(
                *(Path(out), tasks), mode=mode, margins=margins, command=command, terms=terms
            )
    found = run_sweep(specs, options, run_engine, SweepDisplay(quiet=children.quiet))
    environment: dict[str, Any] = {"command": command}
    for half, python in children.pythons.items():
        environment[half] = {"versions": versions(half, python)["versions"]}
    result = result_of(found, mode=mode, margins=margins, environment=environment, terms=terms)
    if json_file is not None:
        write_json_file(json_file, result.to_json())
    if "://" not in out:
        write_json_file(Path(out) / SWEEP, result.to_json(), "--out")
        attempt_reports(Path(out), {Path(out): result}, complain)
    if not children.quiet:
        what = "results" if "://" in out else f"results and {REPORT}"
        print_lines([*page_lines(sweep_page(result)), [(f"{what} in {out}", "dim")]])
    elif result.failures:
        print_lines(note_lines(missing_runs(result)), sys.stderr)
    if any(is_refusal(str(row["reason"])) for row in result.failures):
        return InputError.exit_code
    return exit_code(result.verdict)


def _judge_histories(
    patterns: tuple[str, str], margins: str, out: Path, json_file: Path | None, *, quiet: bool
) -> int:
    """Judges histories, and reports as a sweep does."""
    from parity.programs.scenarios import Terms
    from parity.report.pages.sweep_page import missing_runs, sweep_page
    from parity.report.text.page import note_lines, page_lines, print_lines
    from parity.report.write import attempt_reports
    from parity.sweeps.result import result_of
    from parity.sweeps.unfinished import NAME, read_histories

    found = read_histories(patterns)
    result = result_of(
        found.sweep,
        mode="independent",
        margins=margins,
        environment={"command": shlex.join(["parity", *sys.argv[1:]])},
        terms={NAME: Terms(None, user_programs().margins)},
        are_pairs=found.are_pairs,
        notes=found.notes,
    )
    check_folder(out)
    if json_file is not None:
        write_json_file(json_file, result.to_json())
    write_json_file(out / SWEEP, result.to_json(), "--out")
    attempt_reports(out, {out: result}, complain)
    if not quiet:
        print_lines([*page_lines(sweep_page(result)), [(f"results and {REPORT} in {out}", "dim")]])
    elif result.failures:
        print_lines(note_lines(missing_runs(result)), sys.stderr)
    return exit_code(result.verdict)


def _out_of_histories(out: str) -> Path:
    """Returns the folder for the report on histories, which is not that of a sweep.

    Raises:
        InputError: it is a URL, or the folder of a sweep.
    """
    source = click.get_current_context().get_parameter_source("out")
    is_given = source is not None and source.name != "DEFAULT"
    folder = Path(out if is_given else "parity-histories")
    if "://" in out or (folder / PLAN).exists():
        raise InputError(
            f"--out {out} with --histories: expected a folder, and not that of a sweep of programs"
        )
    return folder


def _engine_options(out: str, children: ChildOptions) -> Any:
    from parity.sweeps.local import EngineOptions

    children.check_interpreters()
    is_remote = "://" in out
    return EngineOptions(
        store=out if is_remote else str(Path(out).absolute()),
        scratch=None if is_remote else (Path(out) / "batches").absolute(),
        children=children,
    )
