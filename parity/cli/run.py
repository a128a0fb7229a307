"""`parity run`: trains programs in both frameworks and compares them level by level."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from parity.cli import options
from parity.cli.options import (
    COMMON,
    MAX_FEED,
    PAIR,
    RUN_SETTINGS,
    exit_code,
    out_option,
    parse_seeds,
    path_option,
    with_children,
    with_options,
    words,
)
from parity.cli.program_specs import spec_against, specs_of, unnamed_specs
from parity.cli.saved import check_file, complain, new_folder, write_results
from parity.halves.job import ChildOptions
from parity.traces.folder import REPORT

if TYPE_CHECKING:
    from parity.programs.program_spec import ProgramSpec
    from parity.runs.steps import Recorded


@click.command()
@click.argument("programs", nargs=-1, metavar="[PROGRAM ...]", shell_complete=options.programs)
@with_options(PAIR)
@path_option(
    "--against",
    metavar="BUNDLE",
    help="File from `parity record --run`, or a folder with it, instead of --keras; needs no "
    "TensorFlow.",
)
@click.option("--seed", type=int, help="Seed of every run.  [default: 42]")
@click.option(
    "--seeds",
    callback=parse_seeds,
    metavar="A:B",
    help="Seeds A to B-1, or A,B,C; one run per seed.",
)
@with_options(RUN_SETTINGS)
@click.option(
    "--split",
    type=click.Choice(["random", "last"]),
    help="How to choose validation samples: at random with the seed, or the last ones.  "
    "[default: random]",
)
@with_options([MAX_FEED])
@click.option(
    "--save-weights",
    is_flag=True,
    help="Leave the final weights of both halves in the run directory, as state_dicts of the port.",
)
@out_option("Folder for the run directories and the report.  [default: parity-runs/DATE-TIME]")
@with_children()
@with_options(COMMON)
def run(
    programs: tuple[str, ...],
    keras: str | None,
    torch: str | None,
    arguments: str | None,
    against: Path | None,
    seed: int | None,
    seeds: list[int],
    full: bool,
    save_weights: bool,
    out: Path | None,
    children: ChildOptions,
    json_file: Path | None,
    **settings: Any,
) -> int:
    """Trains programs in both frameworks and compares the runs level by level.

    A PROGRAM is a built-in scenario or one of [tool.parity.programs] in pyproject.toml (see
    `parity list`); --keras and --torch give one without a name. Without any, it trains the four
    programs of the article. With --against, the Keras half is a recorded one, and only the port is
    trained.

    Exit codes: 0 parity holds, 1 parity does not hold, 2 wrong use or bad input, 3 a run failed.
    """
    import time
    from contextlib import suppress

    from parity.errors import ParityError
    from parity.programs.scenarios import PROGRAMS
    from parity.report.pages.runs_page import result_page, runs_page, without_repeats
    from parity.report.read import FoundRun
    from parity.report.text.page import main_lines, page_lines, print_lines
    from parity.report.write import attempt_reports
    from parity.runs.run import run_all
    from parity.runs.steps import RunOptions

    check_file(json_file)
    if seed is not None and seeds:
        raise click.UsageError("--seed and --seeds exclude each other")
    numbers = seeds or ([] if seed is None else [seed])
    pair = {"keras": keras, "torch": torch, "arguments": words(arguments)}
    specs: list[Any]
    recorded = None
    if against is not None:
        bundle, spec = spec_against(against, programs, pair, numbers, full, settings)
        specs, recorded = [spec], _recorded(spec, bundle)
    elif keras is None and torch is None and arguments is None:
        specs = specs_of(programs or PROGRAMS, numbers, full, settings)
    elif programs:
        raise click.UsageError("--keras and --torch give a program without a name")
    else:
        specs = unnamed_specs(pair, numbers, full, settings)
    folder = out or new_folder(Path("parity-runs") / time.strftime("%Y%m%d-%H%M%S"))
    options = RunOptions(out=folder, children=children, save_weights=save_weights, against=recorded)

    known: dict[Path, Any] = {}
    shown: dict[str, str] = {}

    def report(result: Any, directory: Path) -> None:
        known[directory] = result
        if not children.quiet:
            print_lines(page_lines(result_page(without_repeats(result, shown))))
        if len(specs) > 1:  # while the children of the other runs are working
            attempt_reports(directory, known, complain)

    try:
        results = run_all(specs, options, on_result=report)
    except ParityError:
        if out is None:
            with suppress(OSError):  # it, or the folder of all runs, has results
                folder.rmdir()
                folder.parent.rmdir()
        raise
    attempt_reports(folder, known, complain)
    if json_file is not None:
        write_results(json_file, [result.to_json() for result in results])
    if not children.quiet:
        if len(results) > 1:
            print_lines(main_lines(runs_page([FoundRun(None, each) for each in results])))
        print_lines([[(f"results and {REPORT} in {folder}", "dim")]])
    return max(_code_of(result.verdict, directory) for directory, result in known.items())


def _code_of(verdict: str, directory: Path) -> int:
    """Returns the exit code of a run; bad input is told by the half that met it."""
    from parity.errors import InputError
    from parity.ladder.result import ERROR
    from parity.runs.steps import is_bad_input
    from parity.traces.folder import RunFolder

    if verdict == ERROR and is_bad_input(RunFolder(directory)):
        return InputError.exit_code
    return exit_code(verdict)


def _recorded(spec: ProgramSpec, bundle: Path) -> Recorded:
    """Returns a recorded run in the place of the Keras half of a training."""
    from parity.runs.against import changed_files
    from parity.runs.steps import Recorded
    from parity.traces.bundle_run import unpack_run

    return Recorded(bundle, unpack_run, tuple(changed_files(spec, bundle)))
